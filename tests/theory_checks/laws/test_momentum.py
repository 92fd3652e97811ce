"""Laws of linear networks with momentum, in phase space and time, along flows of scipy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from tests.support.laws import LINEAR, dynamics
from theory_checks.laws import laws
from theory_checks.laws.formulas.evaluation import Evaluator

SIZES, FRICTION = (3, 4, 2), 0.3
SHAPES = {"W1": (4, 3), "W2": (2, 4), "VW1": (4, 3), "VW2": (2, 4)}
SOURCE = np.random.default_rng(0)
X, Y = SOURCE.normal(size=(5, 3)), SOURCE.normal(size=(5, 2))
START = {name: SOURCE.normal(size=shape) for name, shape in SHAPES.items()}
B2 = SOURCE.normal(size=(4, 2))


def unpacked(state):
    parts = np.split(state, np.cumsum([array.size for array in START.values()])[:-1])
    return {name: part.reshape(SHAPES[name]) for name, part in zip(SHAPES, parts, strict=True)}


def motion(rule, friction):
    """The heavy ball of the squared loss, by hand."""

    def along(_, state):
        at = unpacked(state)
        hidden = X @ at["W1"].T
        residual = hidden @ at["W2"].T - Y
        feedback = at["W2"].T if rule == "gd" else B2
        force = ((residual @ feedback.T).T @ X, residual.T @ hidden)
        pushed = [-friction * at[f"VW{n}"] - force[n - 1] for n in (1, 2)]
        return np.concatenate([part.ravel() for part in (at["VW1"], at["VW2"], *pushed)])

    return along


def drift(found, rule, friction=FRICTION):
    """The most that any law drifts up to t = 1."""
    flat = np.concatenate([array.ravel() for array in START.values()])
    times = np.linspace(0.0, 1.0, 5)
    moved = solve_ivp(
        motion(rule, friction), (0.0, 1.0), flat, "DOP853", times, rtol=1e-11, atol=1e-12
    )
    evaluator, kept, values = Evaluator(found.dynamics), {"B2": torch.as_tensor(B2)[None]}, []
    for time, state in zip(times, moved.y.T, strict=True):
        at = {name: torch.as_tensor(array)[None] for name, array in unpacked(state).items()}
        now = torch.tensor([time])
        values.append([evaluator.value(law, at, kept, now).item() for law in found.found])
    values = np.array(values)
    return np.abs(values - values[0]).max(axis=0)


@pytest.mark.parametrize(("rule", "count"), [("gd", 6), ("fa", 17)])
def test_laws_of_linear_networks_with_momentum_hold_along_the_flow(rule, count):
    found = laws(dynamics(rule, *SIZES, activation=LINEAR, friction=FRICTION))
    assert (found.count, found.complete, found.unnamed) == (count, True, 0)
    assert drift(found, rule).max() < 1e-7
    # The control: under another friction each of them drifts.
    assert drift(found, rule, friction=0.5).min() > 1e-4


def test_the_charges_of_rotations_are_found():
    """Linear gd is the same after W1 -> R W1, W2 -> W2 R^T; its Noether charges decay."""
    found = laws(dynamics("gd", 2, 2, 2, activation=LINEAR, friction=0.1))
    assert found.formulas == (
        "exp(0.1 t) (<W1[k,:], dW1/dt[j,:]> + <W2[:,k], dW2/dt[:,j]> - <W1[j,:], dW1/dt[k,:]> - "
        "<W2[:,j], dW2/dt[:,k]>) for all j < k of layer 1",
    )


def test_combinations_that_no_force_reaches_keep_two_laws_each():
    found = laws(dynamics("fa", *SIZES, activation=LINEAR, friction=0.1))
    assert [(family.independent, family.text) for family in found.families[:2]] == [
        (6, "<n, dW1/dt[:,k] + 1/10 W1[:,k]>"),
        (6, "exp(0.1 t) <n, dW1/dt[:,k]>"),
    ]
    assert found.families[1].latex == r"e^{0.1 t}\,\langle n, \dot W_{1}[:,k] \rangle"


@pytest.mark.parametrize("rule", ["gd", "fa", "signfa", "dfa"])
def test_kinks_leave_no_law_with_momentum_whatever_the_time(rule):
    found = laws(dynamics(rule, 2, 3, 2, 1, friction=0.1))
    assert (found.count, found.complete) == (0, True)


@pytest.mark.parametrize("rule", ["signfa", "frsf", "fa"])
def test_charges_and_biases_of_linear_networks_are_found_under_signs_too(rule):
    has_bias = (True, True)
    found = laws(dynamics(rule, 1, 3, 2, activation=LINEAR, has_bias=has_bias, friction=FRICTION))
    assert (found.complete, found.unnamed) == (True, 0)
    assert any("dW1/dt[j,:]" in formula and "all j < k" in formula for formula in found.formulas)
    assert sum("dc1/dt[j]" in formula for formula in found.formulas) >= 2
