"""Laws under weight decay (C-13) along flows that scipy integrates."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from flowfa.errors import InputError
from tests.support.laws import LINEAR, dynamics
from theory_checks.laws import laws
from theory_checks.laws.formulas.evaluation import Evaluator

SIZES = (3, 4, 2)
RATE, END = 0.3, 2.0


def start(seed=0):
    source = np.random.default_rng(seed)
    shapes = {"W1": (4, 3), "W2": (2, 4), "B2": (4, 2)}
    return {name: source.normal(size=shape) for name, shape in shapes.items()}


def data(seed=1):
    source = np.random.default_rng(seed)
    return source.normal(size=(5, 3)), source.normal(size=(5, 2))


def field(weights, feedback, leak):
    """G of the squared loss, by hand, with the feedback in place of W_2^T.

    The slope of each sample and neuron is 1 or the leak, once and for all, whatever z: laws hold
    over all slopes, and a motion without kinks is integrated to many digits.
    """
    X, Y = data()
    z = X @ weights["W1"].T
    slope = np.where(np.random.default_rng(2).normal(size=z.shape) > 0, 1.0, leak)
    residual = (slope * z) @ weights["W2"].T - Y
    return (residual @ feedback.T * slope).T @ X, residual.T @ (slope * z)


def kolen_pollack(leak):
    """W and the feedback itself, which learns and decays as W_2^T does, at some times."""
    at = start()
    shapes = {name: array.shape for name, array in at.items()}

    def unpacked(state):
        parts = np.split(state, np.cumsum([array.size for array in at.values()])[:-1])
        return {n: part.reshape(shapes[n]) for n, part in zip(shapes, parts, strict=True)}

    def motion(_, state):
        now = unpacked(state)
        first, second = field(now, now["B2"], leak)
        moved = {"W1": first, "W2": second, "B2": second.T}
        return np.concatenate([(-moved[n] - RATE * now[n]).ravel() for n in shapes])

    flat = np.concatenate([array.ravel() for array in at.values()])
    times = np.linspace(0.0, END, 9)
    solved = solve_ivp(motion, (0.0, END), flat, "DOP853", times, rtol=1e-10, atol=1e-12)
    return times, [unpacked(state) for state in solved.y.T]


def values(found, times, states, kept):
    """The laws at some times."""
    evaluator, result = Evaluator(found.dynamics), []
    for time, state in zip(times, states, strict=True):
        at = {name: torch.as_tensor(state[name])[None] for name in ("W1", "W2")}
        fixed = {name: torch.as_tensor(matrix)[None] for name, matrix in kept.items()}
        now = torch.tensor([time])
        result.append([evaluator.value(law, at, fixed, now).item() for law in found.found])
    return np.array(result)


@pytest.mark.parametrize(("activation", "leak", "count"), [(None, 0.1, 4), (LINEAR, 1.0, 10)])
def test_kolen_pollack_with_decay_of_both_keeps_its_laws_along_the_flow(activation, leak, count):
    more = {} if activation is None else {"activation": activation}
    found = laws(dynamics("kolen-pollack", *SIZES, weight_decay=RATE, **more))
    assert (found.count, found.complete) == (count, True)
    times, states = kolen_pollack(leak)
    kept = {"B2": states[0]["B2"] - states[0]["W2"].T}
    law = values(found, times, states, kept)
    np.testing.assert_allclose(law, np.broadcast_to(law[0], law.shape), atol=1e-6)
    # The control: a feedback that did not decay would leave another quantity constant.
    still = {"B2": kept["B2"] * np.exp(RATE * END)}
    drift = np.abs(values(found, times, states, still)[-1] - law[0]).max()
    assert drift > 0.1


def test_the_difference_of_feedback_and_weights_decays():
    """C-13: B - W^T is exp(-lambda t) of what it was."""
    times, states = kolen_pollack(0.1)
    first = states[0]["B2"] - states[0]["W2"].T
    for time, state in zip(times, states, strict=True):
        shrunk = np.exp(-RATE * time) * first
        np.testing.assert_allclose(state["B2"] - state["W2"].T, shrunk, atol=1e-8)


def test_terms_of_two_rates_of_decay_are_written_apart():
    found = laws(dynamics("kolen-pollack", *SIZES, weight_decay=0.1))
    assert found.formulas == (
        "exp(0.2 t) (1/2 |W1[j,:]|^2 - 1/2 |W2[:,j]|^2) - exp(0.1 t) <W2[:,j], B2[j,:]> "
        "for every j of layer 1",
    )
    assert found.families[0].latex == (
        r"e^{0.2 t} \left(\frac{1}{2}\,\lVert W_{1}[j,:] \rVert^2 - \frac{1}{2}\,\lVert "
        r"W_{2}[:,j] \rVert^2\right) - e^{0.1 t}\,\langle W_{2}[:,j], B_{2}[j,:] \rangle"
    )


@pytest.mark.parametrize("rates", [(0.1, 0.2), (0.2, 0.1)])
def test_kolen_pollack_with_two_rates_of_decay_has_none(rates):
    assert laws(dynamics("kolen-pollack", *SIZES, weight_decay=rates)).count == 0


def test_kolen_pollack_with_momentum_and_decay_is_refused():
    with pytest.raises(InputError, match="a velocity of its own"):
        laws(dynamics("kolen-pollack", *SIZES, weight_decay=0.1, friction=0.1))


@pytest.mark.parametrize(("rule", "decay"), [("gd", 0.3), ("fa", (0.3, 0.6))])
def test_gradients_of_laws_with_time_are_orthogonal_to_the_flow(rule, decay):
    found = laws(dynamics(rule, *SIZES, weight_decay=decay))
    at = start()
    rates = dict(zip(("W1", "W2"), found.dynamics.weight_decay, strict=True))
    feedback = at["W2"].T if rule == "gd" else at["B2"]
    moved = dict(zip(("W1", "W2"), field(at, feedback, 0.1), strict=True))
    parts = [(-moved[name] - rates[name] * at[name]).ravel() for name in ("W1", "W2")]
    unit, u = float(found.dynamics.time_unit), 1.7
    along = np.concatenate([*parts, [unit * u]])
    gradient = found.gradient({**at, "u": np.array(u)})
    assert np.abs(gradient[:, -1]).min() > 1e-3
    np.testing.assert_allclose(gradient @ along, 0.0, atol=1e-12)


@pytest.mark.parametrize("rule", ["fa", "signfa", "frsf"])
def test_biases_of_a_linear_network_have_laws_that_decay(rule):
    found = laws(
        dynamics(rule, 1, 1, 3, activation=LINEAR, has_bias=(True, True), weight_decay=RATE)
    )
    assert found.complete
    assert [law.neurons for law in found.found] == [(0,)]
    assert found.formulas[0].startswith("exp(0.3 t) (c1[j] - ")


@pytest.mark.parametrize("smallest", [1e-11, 1e-13, 1e-19])
def test_rates_of_decay_far_apart_leave_no_law_unfound(smallest):
    """The power of time is their quotient, which does not fit into 63 bits with a residue."""
    rates = (smallest, 1.0, 1.0)
    found = laws(dynamics("fa", 2, 4, 3, 2, activation=LINEAR, weight_decay=rates))
    assert (found.count, found.complete) == (8, True)
