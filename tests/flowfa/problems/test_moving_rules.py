"""Rules whose feedback moves, and those that came with them: template, oracles, laws, refusals."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

import flowfa
from flowfa.errors import InputError
from flowfa.flow.network_flow import NetworkFlow
from flowfa.problems import build_ensemble
from flowfa.problems.rules import (
    DirectFeedbackAlignment,
    DirectRandomTargetProjection,
    KolenPollackWithDecay,
    LowRankDirectFeedbackAlignment,
    Rule,
    WeightMirror,
)
from flowfa.testing import RuleTestCase


class TestKolenPollackWithDecay(RuleTestCase):
    has_law = False

    def make(self) -> Rule:
        return KolenPollackWithDecay(0.3)


class TestKolenPollackWithDecayZero(RuleTestCase):
    """Where nothing decays it has the law of kolen-pollack, of B itself."""

    def make(self) -> Rule:
        return KolenPollackWithDecay(0.0)


class TestWeightMirror(RuleTestCase):
    has_law = False

    def make(self) -> Rule:
        return WeightMirror(0.7, 0.2)


class TestWeightMirrorAtRest(RuleTestCase):
    def make(self) -> Rule:
        return WeightMirror(0.0, 0.0)


class TestDirectRandomTargetProjection(RuleTestCase):
    has_law = False

    def make(self) -> Rule:
        return DirectRandomTargetProjection()


class TestLowRankDirectFeedbackAlignment(RuleTestCase):
    def make(self) -> Rule:
        return LowRankDirectFeedbackAlignment(rank=2)


def test_the_template_sees_a_flow_that_moves_feedback_otherwise(monkeypatch):
    case = TestWeightMirror()
    right = flowfa.flow.field.NetworkField.with_feedback

    def wrong(self, forward, descent):
        velocity = right(self, forward, descent).clone()
        velocity[:, self.layout.network_length :] *= 1.001
        return velocity

    monkeypatch.setattr(flowfa.flow.field.NetworkField, "with_feedback", wrong)
    with pytest.raises(AssertionError):
        case.test_moves_its_feedback_by_its_own_velocity()


class _Favouring(WeightMirror):
    """The feedback of the first neuron moves twice as fast."""

    name = "favouring"

    def feedback_velocity(self, kept, moment):
        velocities = super().feedback_velocity(kept, moment)
        return {n: v * torch.linspace(2.0, 1.0, v.shape[1])[:, None] for n, v in velocities.items()}


def test_the_template_sees_a_rule_that_favours_a_neuron():
    class Case(RuleTestCase):
        has_law = False

        def make(self):
            return _Favouring()

    with pytest.raises(AssertionError):
        Case().test_has_no_favourite_neurons()


# Linear networks with squared loss and three layers, written out in NumPy: nothing of flowfa.

RANDOM = np.random.default_rng(5)
SIZES = (4, 3, 3, 2)
X = RANDOM.standard_normal((6, 4))
Y = RANDOM.standard_normal((6, 2))
START = {
    **{f"W{i}": 0.6 * RANDOM.standard_normal((SIZES[i], SIZES[i - 1])) for i in (1, 2, 3)},
    **{f"B{i}": 0.6 * RANDOM.standard_normal((SIZES[i - 1], SIZES[i])) for i in (2, 3)},
    **{f"D{i}": 0.6 * RANDOM.standard_normal((SIZES[i], SIZES[3])) for i in (1, 2)},
}
NAMES = ("W1", "W2", "W3", "B2", "B3")


def updates(W1, W2, W3, into1, into2):
    """Return -G of each layer, from functions of (e, delta_2) into the hidden layers."""
    h1 = W1 @ X.T
    h2 = W2 @ h1
    e = (Y.T - W3 @ h2) / len(X)
    s2 = into2(e)
    s1 = into1(e, s2)
    return s1 @ X, s2 @ h1.T, e @ h2.T


def kolen_pollack(decay, friction=0.0):
    def velocity(W1, W2, W3, B2, B3):
        U1, U2, U3 = updates(W1, W2, W3, lambda e, s: B2 @ s, lambda e: B3 @ e)
        weights = (U1 - friction * W1, U2 - friction * W2, U3 - friction * W3)
        return (*weights, U2.T - decay * B2, U3.T - decay * B3)

    return velocity


def weight_mirror(rate, decay):
    def velocity(W1, W2, W3, B2, B3):
        U1, U2, U3 = updates(W1, W2, W3, lambda e, s: B2 @ s, lambda e: B3 @ e)
        return U1, U2, U3, rate * W2.T - decay * B2, rate * W3.T - decay * B3

    return velocity


def drtp(W1, W2, W3, B2, B3):
    D1, D2 = START["D1"], START["D2"]
    targets = Y.T / len(X)
    U = updates(W1, W2, W3, lambda e, s: D1 @ targets, lambda e: D2 @ targets)
    return (*U, 0 * B2, 0 * B3)


def by_scipy(velocity, t_end=1.5):
    shapes = [START[name].shape for name in NAMES]
    cuts = np.cumsum([int(np.prod(shape)) for shape in shapes])[:-1]

    def unpacked(flat):
        return [p.reshape(s) for p, s in zip(np.split(flat, cuts), shapes, strict=True)]

    def flat_velocity(_, flat):
        return np.concatenate([part.ravel() for part in velocity(*unpacked(flat))])

    start = np.concatenate([START[name].ravel() for name in NAMES])
    path = solve_ivp(flat_velocity, (0.0, t_end), start, method="DOP853", rtol=1e-12, atol=1e-13)
    return dict(zip(NAMES, unpacked(path.y[:, -1]), strict=True))


def simulated(rule, solver="dop853", t_end=1.5, **settings):
    kind = "D" if rule.keeps == "D" else "B"
    names = [name for name in START if name[0] in "W" + kind]
    start = flowfa.problems.starts.given_start({name: START[name] for name in names})
    problem = flowfa.Problem(
        flowfa.Dataset(X, Y), leak=1.0, rule=rule, loss="squared", initial=start
    )
    settings = {"rtol": 1e-10, "atol": 1e-12, "save": 5, **settings}
    run = flowfa.simulate(problem, 1, t_end=t_end, solver=solver, **settings)
    assert run.statuses == ["ok"]
    weights = run.tree["weights"]
    last = {name: weights[name].values[0, -1] for name in ("W1", "W2", "W3")}
    for name in ("B2", "B3") if rule.moves else ():
        last[name] = weights[f"moving_{name}"].values[0, -1]
    return last


RULES = {
    "kolen-pollack-decay": (KolenPollackWithDecay(0.4), kolen_pollack(0.4)),
    "weight-mirror": (WeightMirror(0.8, 0.3), weight_mirror(0.8, 0.3)),
    "drtp": (DirectRandomTargetProjection(), drtp),
}


@pytest.mark.parametrize("name", RULES)
def test_the_flow_is_that_of_scipy(name):
    rule, velocity = RULES[name]
    expected = by_scipy(velocity)
    for matrix, value in simulated(rule).items():
        np.testing.assert_allclose(value, expected[matrix], rtol=1e-8, atol=1e-9)


def test_the_oracle_tells_decays_apart():
    """Negative control: a rule with another decay is far from the oracle."""
    expected, found = by_scipy(kolen_pollack(0.4)), simulated(KolenPollackWithDecay(0.41))
    assert max(np.abs(found[name] - expected[name]).max() for name in NAMES) > 1e-3


SOLVERS = {
    "bosh3": {"rtol": 1e-7},
    "dopri5": {"rtol": 1e-9},
    "tsit5": {"rtol": 1e-9},
    "gauss4": {"rtol": 1e-9},
    "rk4": {"step": 0.005},
    "torchdiffeq:dopri5": {"rtol": 1e-9},
}


@pytest.mark.parametrize("solver", SOLVERS)
def test_every_solver_moves_the_feedback(solver):
    expected = by_scipy(weight_mirror(0.8, 0.3))
    found = simulated(WeightMirror(0.8, 0.3), solver, **SOLVERS[solver])
    for name in NAMES:
        np.testing.assert_allclose(found[name], expected[name], rtol=2e-6, atol=2e-6)


def test_the_error_of_the_feedback_is_controlled():
    """Feedback far faster than the weights: an error test without it would step over it."""
    fast = WeightMirror(300.0, 300.0)
    found = simulated(fast, "dopri5", rtol=1e-8, atol=1e-10)
    expected = by_scipy(weight_mirror(300.0, 300.0))
    for name in ("B2", "B3"):
        np.testing.assert_allclose(found[name], expected[name], atol=1e-7)


# Laws, by the oracle alone: what it says of C is no doing of flowfa.


def balance(at):
    """Return 1/2 ||w_in||^2 - 1/2 ||b||^2 of the neurons of both hidden layers."""
    return np.concatenate(
        [0.5 * (at[f"W{i}"] ** 2).sum(1) - 0.5 * (at[f"B{i + 1}"] ** 2).sum(1) for i in (1, 2)]
    )


def test_kolen_pollack_with_equal_decay_has_the_laws_of_c13():
    late = by_scipy(kolen_pollack(0.4, friction=0.4))
    for i in (2, 3):
        gap, first = late[f"B{i}"] - late[f"W{i}"].T, START[f"B{i}"] - START[f"W{i}"].T
        np.testing.assert_allclose(gap, np.exp(-0.4 * 1.5) * first, atol=1e-10)
    np.testing.assert_allclose(balance(late), np.exp(-0.8 * 1.5) * balance(START), atol=1e-10)


def test_kolen_pollack_without_equal_decay_has_none_of_them():
    """Negative control; and what is left of the law: the balance never falls."""
    late = by_scipy(kolen_pollack(0.4))
    gap, first = late["B2"] - late["W2"].T, START["B2"] - START["W2"].T
    for rate in (0.0, 0.4):
        assert np.abs(gap - np.exp(-rate * 1.5) * first).max() > 0.05
    for rate in (0.0, 0.4, 0.8):
        assert np.abs(balance(late) - np.exp(-rate * 1.5) * balance(START)).max() > 0.05
    assert (balance(late) > balance(START)).all()


def test_kolen_pollack_with_decay_zero_is_kolen_pollack():
    start = {name: START[name] for name in ("W1", "W2", "W3")}
    apart = start | {f"B{i}": START[f"B{i}"] - START[f"W{i}"].T for i in (2, 3)}
    together = start | {f"B{i}": START[f"B{i}"] for i in (2, 3)}
    last = []
    for rule, arrays in (("kolen-pollack", apart), (KolenPollackWithDecay(0.0), together)):
        problem = flowfa.Problem(
            flowfa.Dataset(X, Y),
            leak=1.0,
            rule=rule,
            loss="squared",
            initial=flowfa.problems.starts.given_start(arrays),
        )
        run = flowfa.simulate(problem, 1, t_end=1.5, solver="dop853", rtol=1e-10, save=3)
        last.append(run.tree["weights"]["W2"].values[0, -1])
    np.testing.assert_allclose(*last, atol=1e-8)


def test_a_weight_mirror_has_no_law_of_fa():
    late = by_scipy(weight_mirror(0.8, 0.3))

    def law(at):
        return 0.5 * (at["W1"] ** 2).sum(1) - (at["W2"].T * at["B2"]).sum(1)

    assert np.abs(law(late) - law(START)).max() > 0.05


def test_drtp_conserves_with_a_virtual_readout_and_not_with_the_weights():
    A = {i: np.zeros((2, 3)) for i in (1, 2)}

    state = [START[name] for name in ("W1", "W2", "W3")] + [A[1], A[2]]
    shapes = [part.shape for part in state]
    cuts = np.cumsum([part.size for part in state])[:-1]

    def flat_velocity(_, flat):
        W1, W2, W3, *_rest = (
            p.reshape(s) for p, s in zip(np.split(flat, cuts), shapes, strict=True)
        )
        U = drtp(W1, W2, W3, START["B2"], START["B3"])[:3]
        h1 = W1 @ X.T
        moved = [*U, Y.T @ h1.T / len(X), Y.T @ (W2 @ h1).T / len(X)]
        return np.concatenate([part.ravel() for part in moved])

    start = np.concatenate([part.ravel() for part in state])
    path = solve_ivp(flat_velocity, (0.0, 1.5), start, method="DOP853", rtol=1e-12, atol=1e-13)
    late = [p.reshape(s) for p, s in zip(np.split(path.y[:, -1], cuts), shapes, strict=True)]
    for i in (1, 2):
        before, after = 0.5 * (START[f"W{i}"] ** 2).sum(1), 0.5 * (late[i - 1] ** 2).sum(1)
        paired = (late[2 + i].T * START[f"D{i}"]).sum(1)
        np.testing.assert_allclose(after - paired, before, atol=1e-10)
    # The readout of the last hidden layer is there, and it is no law with it: dfa's is broken.
    before = 0.5 * (START["W2"] ** 2).sum(1) - (START["W3"].T * START["D2"]).sum(1)
    after = 0.5 * (late[1] ** 2).sum(1) - (late[2].T * START["D2"]).sum(1)
    assert np.abs(after - before).max() > 0.05


def _feedback(*rules):
    data = flowfa.datasets.gaussian(samples=6, dim=5, seed=2)
    classes = flowfa.Dataset(data.X, np.array([0, 1, 2, 3, 1, 2]))
    problem = flowfa.Problem(classes, (5, 4), rule=rules, initial="xavier")
    return build_ensemble(problem, 2, seed=0).feedback


def test_low_rank_dfa_keeps_what_is_closest_to_that_of_dfa():
    full, low = _feedback(DirectFeedbackAlignment(), LowRankDirectFeedbackAlignment(2))
    for name, matrices in full.items():
        for matrix, kept in zip(matrices, low[name], strict=True):
            assert np.linalg.matrix_rank(kept) == 2
            least = np.sqrt((np.linalg.svd(matrix, compute_uv=False)[2:] ** 2).sum())
            np.testing.assert_allclose(np.linalg.norm(matrix - kept), least, rtol=1e-12)


def test_a_rank_that_is_no_limit_is_dfa():
    full, same = _feedback(DirectFeedbackAlignment(), LowRankDirectFeedbackAlignment(4))
    assert all((full[name] == same[name]).all() for name in full)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: LowRankDirectFeedbackAlignment(0), "rank of low-rank-dfa is 0: expected a whole"),
        (lambda: KolenPollackWithDecay(-0.1), "decay of kolen-pollack-decay is -0.1: expected"),
        (lambda: WeightMirror(rate=float("nan")), "rate of weight-mirror is nan: expected"),
        (lambda: WeightMirror(decay="x"), "decay of weight-mirror is 'x': expected"),
    ],
)
def test_parameters_out_of_range_are_refused(make, text):
    with pytest.raises(InputError, match=text):
        make()


class _Forgetful(WeightMirror):
    name = "forgetful"

    def feedback_velocity(self, kept, moment):
        velocities = super().feedback_velocity(kept, moment)
        return {"B2": velocities["B2"].transpose(1, 2)}


class _Empty(WeightMirror):
    name = "empty"

    def draw_feedback(self, weights, draw):
        return {}


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (_Forgetful(), r"for B2 a tensor of shape \(2, 3, 5\): expected of shape \(2, 5, 3\)"),
        (_Empty(), "has a feedback_velocity but keeps nothing: return what moves"),
    ],
)
def test_a_velocity_that_does_not_fit_is_refused_in_one_line(rule, text):
    data = flowfa.datasets.gaussian(samples=6, dim=5, seed=2)
    problem = flowfa.Problem(data, (5, 3), rule=rule, initial="xavier")
    with pytest.raises(InputError, match=text) as refused:
        flow = NetworkFlow(problem, build_ensemble(problem, 2, seed=0))
        flow.field(torch.zeros(2), flow.initial)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("solver", ["hybrid", "event"])
def test_solvers_that_need_a_form_refuse_feedback_that_moves_in_one_line(solver):
    data = flowfa.datasets.gaussian(samples=6, dim=5, seed=2)
    problem = flowfa.Problem(data, (5,), rule=("fa", "weight-mirror"), initial="xavier")
    with pytest.raises(InputError, match=r"'weight-mirror' moves, .* take `solver=") as refused:
        flowfa.simulate(problem, 2, t_end=1.0, solver=solver)
    assert "\n" not in str(refused.value)


def test_auto_says_which_solver_it_takes_for_which_rule_and_why():
    from flowfa.solvers.choice import choose

    data = flowfa.datasets.gaussian(samples=6, dim=5, seed=2)
    choice = choose("auto", flowfa.Problem(data, (5,), rule=("fa", "weight-mirror")))
    assert choice.by_rule == {"fa": "hybrid", "weight-mirror": "bosh3"}
    assert "bosh3 for weight-mirror (the feedback moves: the cheapest step wins)" in choice.reason
    alone = choose("auto", flowfa.Problem(data, (5,), rule="weight-mirror"))
    assert alone.name == "bosh3" and "moves" in alone.reason
