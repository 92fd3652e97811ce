"""Runs of a user's own rule or loss are checked as what they were, or refused with the reason."""

from __future__ import annotations

import pytest

import flowfa
import theory_checks
from flowfa.errors import InputError
from flowfa.problems.losses import LOSSES
from flowfa.problems.losses.squared import Squared
from flowfa.problems.rules import RULES, FeedbackAlignment
from flowfa.registry import Registry
from theory_checks import Verdict


class Scaled(FeedbackAlignment):
    """Feedback f B with a factor f, and the law that belongs to it."""

    def __init__(self, factor=2.0):
        self._by = factor

    def parameters(self):
        return {"factor": self._by}

    def feedback(self, layer, weight, kept):
        return self._by * kept[f"B{layer}"]

    def conserved(self, layer, incoming, out_weight, kept):
        products = (out_weight.transpose(-1, -2) * kept[f"B{layer + 1}"]).sum(-1)
        return 0.5 * incoming - self._by * products


class Weighted(Squared):
    """The squared loss, `weight` times."""

    def __init__(self, weight=1.0):
        self.weight = weight

    def value(self, output, target):
        return self.weight * super().value(output, target)

    def derivative(self, output, target):
        return self.weight * super().derivative(output, target)


class Cubic(flowfa.Activation):
    """z^3."""

    name = "cubic"
    degree = 3.0

    def value(self, preactivation):
        return preactivation**3

    def slope(self, preactivation):
        return 3.0 * preactivation**2


@pytest.fixture
def enter(monkeypatch):
    """Register a class for the time of one test."""

    def register(registry: Registry, name: str, cls: type) -> type:
        monkeypatch.setitem(registry._entries, name, cls)
        monkeypatch.setattr(cls, "name", name)
        return cls

    return register


def simulate(**parts):
    data = flowfa.datasets.orthogonally_separable(samples=4, dim=3, seed=0)
    problem = flowfa.Problem(data, (3,), **parts)
    return flowfa.simulate(problem, 1, t_end=1.0, save=5, solver="bosh3", rtol=1e-6)


def test_rule_is_checked_with_the_parameters_of_the_run(enter):
    enter(RULES, "scaled", Scaled)
    report = theory_checks.check(simulate(rule=Scaled(3.0)), only=["record"])
    assert report["record"].verdict is Verdict.HOLDS


def test_loss_is_checked_with_the_parameters_of_the_run(enter):
    enter(LOSSES, "weighted", Weighted)
    report = theory_checks.check(simulate(loss=Weighted(5.0)), only=["record"])
    assert report["record"].verdict is Verdict.HOLDS


def test_class_that_changed_since_the_run_is_named_and_not_the_file(enter):
    enter(RULES, "scaled", Scaled)
    run = simulate(rule=Scaled(3.0))

    class Renamed(Scaled):
        def __init__(self, strength=2.0):
            super().__init__(strength)

    enter(RULES, "scaled", Renamed)
    with pytest.raises(InputError, match=r"Renamed\(strength=2\.0\) cannot ") as error:
        theory_checks.check(run)
    assert "recorded of it, factor=3.0" in str(error.value)
    assert "not as flowfa writes it" not in str(error.value)


def test_file_of_a_rule_that_is_not_registered_is_refused(tmp_path):
    run = simulate(rule=Scaled(3.0))
    run.save(tmp_path / "run.nc")
    with pytest.raises(InputError, match="follows the rule 'Scaled', which is not known here"):
        theory_checks.check(tmp_path / "run.nc")


def test_run_at_hand_is_checked_with_its_own_rule_though_it_is_not_registered():
    report = theory_checks.check(simulate(rule=Scaled(3.0)), only=["record", "C-1"])
    assert report["record"].verdict is Verdict.HOLDS
    assert report["C-1"].verdict is Verdict.HOLDS


def test_run_at_hand_is_checked_with_its_own_loss_and_activation(monkeypatch):
    monkeypatch.setattr(Weighted, "name", "weighted")
    run = simulate(loss=Weighted(5.0), activation=Cubic())
    assert theory_checks.check(run, only=["record"])["record"].verdict is Verdict.HOLDS


def test_rule_at_hand_is_not_taken_for_a_record_of_other_parameters():
    run = simulate(rule=Scaled(3.0))
    run.problem = simulate(rule=Scaled(2.0)).problem
    with pytest.raises(InputError, match="'Scaled', which is not known here"):
        theory_checks.check(run)


def test_subclass_of_a_loss_that_goes_by_the_name_of_its_parent_is_refused():
    with pytest.raises(InputError, match=r"would be recorded as 'squared', which is another"):
        simulate(loss=Weighted(5.0))
