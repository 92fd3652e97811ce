"""The test template of checks: subclass it, give `make`, and inherit the tests."""

from __future__ import annotations

import functools
import math
from abc import ABC, abstractmethod
from dataclasses import replace

import numpy as np
import torch

from flowfa.flow.network_flow import NetworkFlow
from flowfa.problems import Problem
from flowfa.problems.ensemble import Ensemble
from theory_checks.controls.flows import small_ensemble, small_problem
from theory_checks.evidence.evidence import Evidence
from theory_checks.evidence.from_flow import evidence_of_flow
from theory_checks.statements.statement import CHECKS, Check
from theory_checks.verdicts.check import check_evidence
from theory_checks.verdicts.judging import outcomes_of
from theory_checks.verdicts.outcome import Outcome
from theory_checks.verdicts.verdict import Verdict, severities


class CheckTestCase(ABC):
    """What every check must do.

    Attributes
    ----------
    t_end : float
        How long the flow of `problem` is followed.
    beyond_controls : tuple of str
        Notes of measurements that no motion can violate; the test of the check says what does.
    """

    t_end: float = 1.0
    beyond_controls: tuple[str, ...] = ()

    @abstractmethod
    def make(self) -> Check:
        """Return the check under test."""

    def problem(self) -> Problem:
        """Return a problem of one rule to which the statement applies and along which it holds."""
        return small_problem("fa")

    def ensemble(self) -> Ensemble:
        """Return the networks of `problem`."""
        return small_ensemble(self.problem())

    def evidence(self, problem: Problem, ensemble: Ensemble) -> Evidence:
        """Return evidence on a problem."""
        flow = NetworkFlow(problem, ensemble)
        return evidence_of_flow(flow, t_end=self.t_end, rtol=1e-5, saves=9)

    def inapplicable(self) -> dict[str, Evidence]:
        """Return evidence that breaks a hypothesis, by a part of the hypothesis's text."""
        return {}

    def sound_evidence(self) -> Evidence:
        """Return evidence on `problem`."""
        return self.evidence(self.problem(), self.ensemble())

    def verdicts(self, evidence: Evidence) -> list[Verdict]:
        """Return the verdict on each trajectory."""
        return [outcome.verdict for outcome in outcomes_of(self.make(), evidence)]

    def test_is_registered_under_its_own_id(self) -> None:
        """The table knows it."""
        check = self.make()
        assert CHECKS.get(check.spec) is type(check)
        assert check.statement and check.reading

    def test_holds_on_the_flow_it_speaks_of(self) -> None:
        """The flow respects the statement, and the evidence is sharp enough to say so."""
        assert {outcome.verdict for outcome in sound_outcomes(type(self))} == {Verdict.HOLDS}

    def test_negative_controls_are_called_violated(self) -> None:
        """A check that could not fail would be worth nothing, and so would a part of one."""
        controls = self.make().controls()
        assert controls
        caught: dict[str, bool] = {}
        for name, control in controls.items():
            evidence = control()
            finding = check_evidence(evidence, [self.make()]).findings[0]
            assert finding.verdict is Verdict.VIOLATED, f"{name}: {finding}"
            for part, violated in violated_parts(self.make(), evidence).items():
                caught[part] = caught.get(part, False) or violated
            # This one may have been violated only where more times were looked at.
            caught[finding.place.note if finding.place else ""] = True
        never = {part for part, violated in caught.items() if not violated}
        assert never == set(self.beyond_controls), f"no control violates {never}"

    def test_hypotheses_are_respected(self) -> None:
        """Where a hypothesis fails the statement does not apply, and the hypothesis is named."""
        for text, evidence in self.inapplicable().items():
            finding = check_evidence(evidence, [self.make()]).findings[0]
            assert finding.verdict is Verdict.NOT_APPLICABLE
            assert finding.failed_hypothesis is not None and text in finding.failed_hypothesis
            assert finding.margin is None

    def test_batched_equals_loop(self) -> None:
        """The numbers of a trajectory do not depend on its companions."""
        for position, expected in enumerate(sound_outcomes(type(self))):
            alone = outcomes_of(self.make(), self.sound_evidence().select(torch.tensor([position])))
            assert [outcome.verdict for outcome in alone] == [expected.verdict]
            assert math.isclose(alone[0].margin, expected.margin, rel_tol=1e-6, abs_tol=1e-12)

    def test_verdict_does_not_depend_on_the_order_of_trajectories(self) -> None:
        """Starts in reverse give the verdicts in reverse."""
        reverse = np.arange(self.ensemble().starts)[::-1]
        ensemble = self.ensemble()
        turned = Ensemble(
            tuple(weight[reverse] for weight in ensemble.weights),
            tuple(None if bias is None else bias[reverse] for bias in ensemble.biases),
            tuple({k: m[reverse] for k, m in kept.items()} for kept in ensemble.feedback),
        )
        expected = [outcome.verdict for outcome in sound_outcomes(type(self))]
        assert self.verdicts(self.evidence(self.problem(), turned)) == expected[::-1]

    def test_verdict_does_not_depend_on_the_order_of_neurons(self) -> None:
        """Relabelling hidden neurons changes nothing."""
        turned = with_neurons_reversed(self.ensemble())
        expected = [outcome.verdict for outcome in sound_outcomes(type(self))]
        assert self.verdicts(self.evidence(self.problem(), turned)) == expected

    def test_what_is_not_a_number_is_inconclusive(self) -> None:
        """A corrupted state never crashes a check, and is never said to hold."""
        evidence = self.sound_evidence()
        evidence.paths[-1].states[0, 3:] = torch.nan
        outcome = outcomes_of(self.make(), evidence)[0]
        assert outcome.verdict is Verdict.INCONCLUSIVE
        assert outcome.place is not None


@functools.cache
def sound_outcomes(case: type[CheckTestCase]) -> tuple[Outcome, ...]:
    """Return what a check says of each trajectory of the sound evidence, integrated once."""
    tests = case()
    return tuple(outcomes_of(tests.make(), tests.sound_evidence()))


def violated_parts(check: Check, evidence: Evidence) -> dict[str, bool]:
    """Return, by the note of each measurement of a check, whether it is violated somewhere."""
    respected = torch.ones(len(evidence), dtype=torch.bool)
    for hypothesis in check.hypotheses(evidence):
        respected &= hypothesis.respected
    result: dict[str, bool] = {}
    for measurement in check.measure(evidence.select(respected.nonzero().flatten())):
        severity = severities(measurement.margin, measurement.uncertainty + measurement.remainder)
        violated = bool(((severity == Verdict.VIOLATED.severity) & measurement.valid).any())
        result[measurement.note] = result.get(measurement.note, False) or violated
    return result


def with_neurons_reversed(ensemble: Ensemble) -> Ensemble:
    """Return the same networks with the neurons of every hidden layer in reverse order."""
    last = len(ensemble.weights)

    def turned(array: np.ndarray, first: int | None, second: int | None = None) -> np.ndarray:
        # Axes that belong to a hidden layer are reversed; those of inputs and outputs stay.
        axes = [i for i, layer in ((1, first), (2, second)) if layer and layer < last]
        return np.flip(array, tuple(axes)).copy() if axes else array

    def feedback(name: str, matrix: np.ndarray) -> np.ndarray:
        layer = int(name[1:])
        return turned(matrix, layer) if name[0] == "D" else turned(matrix, layer - 1, layer)

    return replace(
        ensemble,
        weights=tuple(turned(w, k, k - 1) for k, w in enumerate(ensemble.weights, start=1)),
        biases=tuple(
            None if c is None else turned(c, k) for k, c in enumerate(ensemble.biases, start=1)
        ),
        feedback=tuple(
            {name: feedback(name, matrix) for name, matrix in kept.items()}
            for kept in ensemble.feedback
        ),
    )
