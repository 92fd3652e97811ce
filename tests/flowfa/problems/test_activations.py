"""Activations against the shared template, the laws of C-6, and the places that build fields."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

import flowfa
import theory_checks
from flowfa.cli.main import main
from flowfa.datasets import orthogonally_separable
from flowfa.errors import InputError
from flowfa.flow.network_flow import NetworkFlow
from flowfa.flow.observables import conserved
from flowfa.problems import Problem, build_ensemble
from flowfa.problems.activations import (
    ACTIVATIONS,
    Activation,
    Identity,
    LeakyReLU,
    SmoothedLeakyReLU,
    SquaredReLU,
    Tanh,
)
from flowfa.problems.activations.stored import describe_activation, stored_activation
from flowfa.problems.starts import NormalStart
from flowfa.seeds import generator
from flowfa.solvers.choice import choose
from flowfa.testing import ActivationTestCase
from flowfa.training import StepRule
from theory_checks import Verdict, check_evidence, evidence_of_flow
from theory_checks.controls.fields import opposed
from theory_checks.controls.flows import small_ensemble
from theory_checks.statements.statement import chosen

RULES = ("gd", "fa", "adafa", "signfa", "frsf", "dfa")


class TestLeakyReLU(ActivationTestCase):
    def make(self):
        return LeakyReLU(0.3)


class TestReLU(ActivationTestCase):
    def make(self):
        return LeakyReLU(0.0)


class TestLinearLeakyReLU(ActivationTestCase):
    def make(self):
        return LeakyReLU(1.0)


class TestSmoothedLeakyReLU(ActivationTestCase):
    def make(self):
        return SmoothedLeakyReLU(0.2, 1.5)


class TestIdentity(ActivationTestCase):
    def make(self):
        return Identity()


class TestSquaredReLU(ActivationTestCase):
    def make(self):
        return SquaredReLU()


class TestTanh(ActivationTestCase):
    def make(self):
        return Tanh()


class Absolute(Activation):
    """|z|: homogeneous and with a kink, but no leaky ReLU."""

    name = "absolute"
    degree = 1.0
    kinks = "exact"

    def value(self, preactivation):
        return preactivation.abs()

    def slope(self, preactivation):
        return torch.where(preactivation > 0.0, 1.0, -1.0).to(preactivation)


class Wrong(Absolute):
    """Says a degree that it does not have."""

    degree = 2.0


def test_the_template_finds_a_wrong_degree():
    class Case(ActivationTestCase):
        def make(self):
            return Wrong()

    with pytest.raises(AssertionError):
        Case().test_degree_is_that_of_its_slope()


def small(activation, rule=RULES, bias="hidden", widths=(4, 3)):
    data = orthogonally_separable(samples=5, dim=4, seed=0)
    return Problem(data, widths, None, rule, "logistic", bias, NormalStart(0.7), None, activation)


def small_flow(activation, **options):
    problem = small(activation, **options)
    return NetworkFlow(problem, build_ensemble(problem, 2, seed=3))


def rates_of_the_law(flow):
    noise = generator(8, "states").standard_normal(tuple(flow.initial.shape))
    states = flow.initial + 0.3 * torch.tensor(noise)
    velocity = flow.field(torch.zeros(len(flow)), states)

    def law(at):
        return conserved(flow.field, flow.field.forward(at), flow.span.outside_norm2)

    return torch.autograd.functional.jvp(law, states, velocity)[1]


@pytest.mark.parametrize("activation", [SquaredReLU(), Absolute(), Identity(), LeakyReLU(0.4)])
def test_recorded_law_has_the_degree_of_the_activation(activation):
    """C-6 at an instant, under every rule: p enters the invariant."""
    rates = rates_of_the_law(small_flow(activation))
    assert float(rates.nan_to_num().abs().max()) < 1e-12
    assert int((~rates.isnan()).sum()) >= 5 * 2 * 7


def test_law_of_degree_one_does_not_hold_for_degree_two(monkeypatch):
    monkeypatch.setattr(SquaredReLU, "degree", 1.0)
    rates = rates_of_the_law(small_flow(SquaredReLU()))
    assert float(rates.nan_to_num().abs().max()) > 1e-2


def test_an_activation_without_degree_has_no_law_in_the_record():
    flow = small_flow(Tanh())
    assert bool(flow.observe(flow.initial, torch.arange(len(flow)))["conserved"].isnan().all())


@pytest.mark.parametrize("activation", ["tanh", "squared-relu"])
def test_observed_gradient_is_autograds(activation):
    flow = small_flow(activation, rule="gd", bias="none")
    states = flow.initial.clone().requires_grad_()
    sigma = torch.tanh if activation == "tanh" else lambda z: torch.relu(z) ** 2
    weights, h = flow.layout.views(states), flow.field.inputs.T
    for layer in (1, 2):
        h = sigma(weights[f"W{layer}"] @ h)
    output = weights["W3"] @ h
    loss = torch.nn.functional.softplus(-flow.field.targets * output).mean((1, 2))
    (gradient,) = torch.autograd.grad(loss.sum(), states)
    velocity = flow.field(torch.zeros(len(flow)), states.detach())
    torch.testing.assert_close(velocity, -gradient, rtol=1e-12, atol=1e-14)


# --- the field is a value, and every copy of it keeps the activation ------------------------------


def test_a_field_cannot_be_changed_in_place():
    field = small_flow(Tanh()).field
    with pytest.raises(AttributeError):
        field.leak = 0.5
    with pytest.raises(AttributeError):
        field.activation = Identity()
    assert field.replace(activation=Identity()).groups is field.groups


def copies():
    """Return each way to make a field from another one, by name."""
    samples = torch.tensor([[0, 1, 2]] * 4)
    steps = StepRule(torch.ones(4), torch.zeros(4), torch.arange(4) % 2)
    return {
        "select": lambda flow: flow.field.select(torch.arange(2)),
        "on_samples": lambda flow: flow.field.on_samples(samples),
        "redrawn": lambda flow: steps.redrawn(flow.field, 0),
        "opposed": lambda flow: opposed(flow.field),
        "other inputs": lambda flow: flow.field.replace(inputs=2.0 * flow.field.inputs),
        "replace": lambda flow: flow.field.replace(groups=flow.field.groups[:1]),
    }


@pytest.mark.parametrize("way", copies())
@pytest.mark.parametrize("activation", [SmoothedLeakyReLU(0.2, 0.7), Tanh()])
def test_a_copy_of_a_field_keeps_the_activation(way, activation):
    flow = small_flow(activation, rule=("fa", "gd"))
    assert copies()[way](flow).activation is activation


def test_redrawn_feedback_keeps_the_activation():
    problem = small("tanh", rule=("brsf", "fa"))
    run = flowfa.train(problem, 2, steps=3, rate=0.1, save=4)
    leaky = flowfa.train(small("leaky-relu", rule=("brsf", "fa")), 2, steps=3, rate=0.1, save=4)
    ends = [r.tree["weights/W1"].isel(snapshot=-1).to_numpy() for r in (run, leaky)]
    assert not np.array_equal(ends[0][:2], ends[1][:2])


# --- problems, solvers, files, command line -------------------------------------------------------


def test_leak_and_smooth_kinks_are_of_the_leaky_relu():
    data = orthogonally_separable(samples=4, dim=3, seed=0)
    assert Problem(data).leak == 0.1 and Problem(data).smooth_kinks is None
    smoothed = Problem(data, leak=0.2, smooth_kinks=0.5)
    assert (smoothed.leak, smoothed.smooth_kinks) == (0.2, 0.5)
    assert Problem(data, activation="tanh").leak is None
    assert Problem(data, activation=LeakyReLU(0.7)).leak == 0.7
    with pytest.raises(InputError, match=r"`leak` is 0\.3 and `activation` is 'tanh': give one"):
        Problem(data, leak=0.3, activation="tanh")
    with pytest.raises(InputError, match=r"`smooth_kinks` is 0\.3 and `activation` is 'identity'"):
        Problem(data, smooth_kinks=0.3, activation="identity")
    with pytest.raises(InputError, match="did you mean 'tanh'"):
        Problem(data, activation="tann")


def test_identity_is_the_leaky_relu_of_leak_one():
    data = orthogonally_separable(samples=4, dim=3, seed=0)
    runs = [
        flowfa.simulate(Problem(data, (5,), rule=RULES, **options), 2, t_end=3.0, save=5)
        for options in ({"leak": 1.0}, {"activation": "identity"})
    ]
    for name in ("loss", "cosine", "conservation_drift"):
        first, second = (run.tree["trajectory"][name].to_numpy() for run in runs)
        assert np.array_equal(first, second, equal_nan=True)


def test_auto_goes_by_the_kinks_and_says_so():
    def choice(activation, widths=(4,)):
        return choose("auto", small(activation, bias="none", widths=widths))

    assert choice(Tanh()).name == choice(SquaredReLU()).name == "dop853"
    assert choice(Tanh()).reason.startswith("activation tanh: the flow has no kinks")
    assert choice(Identity()).reason.startswith("leak 1: the flow has no kinks")
    assert choice(LeakyReLU()).name == "hybrid"
    assert choice(SmoothedLeakyReLU()).name == "dopri5"
    assert choice(Absolute()).name == "bosh3"
    assert "the activation is 'absolute'" in choice(Absolute()).reason


@pytest.mark.parametrize("solver", ["hybrid", "event"])
def test_solvers_that_write_kinks_out_refuse_other_activations(solver):
    with pytest.raises(InputError, match=f"the {solver} solver knows the \\(leaky\\) ReLU"):
        flowfa.simulate(small("tanh", widths=(4,)), 1, solver=solver)


def test_a_parameter_that_is_no_attribute_is_blamed_on_the_class():
    class Steep(Tanh):
        def __init__(self, gain):
            pass

    with pytest.raises(InputError, match="no attribute 'gain', which its constructor takes"):
        describe_activation(Steep(2.0))


def test_stored_activation_of_another_place_is_refused_in_one_line():
    with pytest.raises(InputError, match=r"'mine' is not registered here.*@flowfa.activation"):
        stored_activation({"activation": "mine"})
    with pytest.raises(InputError, match="stored with the parameters gain, but its constructor"):
        stored_activation({"activation": "tanh", "activation_parameters": {"gain": 1.0}})


def test_a_file_of_another_activation_is_checked_with_it(tmp_path):
    """C-1 with p = 2 holds; tanh has no law, and what C-1 would say of it is wrong."""
    problem = small("squared-relu", rule=("gd", "fa", "dfa"))
    run = flowfa.simulate(problem, 2, t_end=1.0, save=5, path=tmp_path / "run.nc", rtol=1e-6)
    stored = json.loads(run.tree.attrs["config"])
    assert (stored["activation"], stored["leak"]) == ("squared-relu", None)
    report = theory_checks.check(run)
    for spec in ("C-1", "C-2", "C-3", "Eq-1", "record"):
        assert report[spec].verdict is Verdict.HOLDS, str(report)
    for spec in ("L-1", "L-1c", "P-2"):
        assert report[spec].verdict is Verdict.NOT_APPLICABLE, str(report)

    other = flowfa.simulate(small("tanh", rule=("gd", "fa")), 2, t_end=2.0, save=9, rtol=1e-5)
    finding = theory_checks.check(other, only=["C-1"])["C-1"]
    assert finding.verdict is Verdict.NOT_APPLICABLE
    assert "the activation is homogeneous" in (finding.failed_hypothesis or "")
    dropped = theory_checks.check(other, only=["C-1"], drop=["homogeneous-activation"])["C-1"]
    assert dropped.verdict is Verdict.VIOLATED


def test_a_wrong_degree_is_called_violated(monkeypatch):
    """Negative control of C-6: the law of degree 2 on a flow of degree 1, and the other way."""
    problem = small("squared-relu", rule="fa")
    monkeypatch.setattr(SquaredReLU, "degree", 1.0)
    flow = NetworkFlow(problem, small_ensemble(problem))
    evidence = evidence_of_flow(flow, t_end=2.0, rtol=1e-6, saves=9)
    report = check_evidence(evidence, list(chosen(("C-1", "C-3"))))
    assert report["C-1"].verdict is report["C-3"].verdict is Verdict.VIOLATED


SMALL = (
    "simulate --dataset gaussian --samples 4 --dim 3 --width 4 --trajectories 1 --t-end 0.5 "
    "--save 3 --plot none --no-check --activation tanh"
)


def test_the_command_line_takes_an_activation(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(SMALL.split()) == 0
    assert "network 3-4-1, activation tanh, data" in capsys.readouterr().out
    assert json.loads(flowfa.load("run.nc").attrs["config"])["activation"] == "tanh"
    assert main([*SMALL.split(), "--leak", "0.4", "--overwrite"]) == 64
    assert capsys.readouterr().err.count("\n") == 1


def test_every_built_in_activation_passes_the_template_here():
    cases = (Identity, LeakyReLU, SmoothedLeakyReLU, SquaredReLU, Tanh)
    built_in = {
        name
        for name in ACTIVATIONS.names()
        if ACTIVATIONS.get(name).__module__.startswith("flowfa.problems")
    }
    assert built_in == {cls.name for cls in cases}
