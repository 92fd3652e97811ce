"""Runs whose feedback moves: recorded, resumed, continued, made again, and trained, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import flowfa
from flowfa.errors import Interrupted
from flowfa.flow.network_flow import NetworkFlow
from flowfa.problems import build_ensemble
from flowfa.simulation.rerunning import find_difference
from tests.support.watching import stops_after

RULES = ("fa", "weight-mirror", "kolen-pollack-decay")
DATA = flowfa.datasets.gaussian(samples=6, dim=8, seed=1)


def problem(*rules, **options):
    return flowfa.Problem(DATA, **{"widths": (5,), "initial": "xavier"} | options, rule=rules)


def simulated(*rules, **settings):
    times = {} if "save_at" in settings else {"save": 6}
    asked = {"t_end": 2.0, "rtol": 1e-5, "solver": "dopri5"} | times | settings
    return flowfa.simulate(problem(*rules), 2, **asked)


def assert_same(one, other, rows, other_rows, left_out=()):
    """Assert that trajectories have the same numbers, bit for bit."""
    for group in ("trajectory", "neurons", "solver", "weights"):
        for name, variable in other.tree[group].to_dataset(inherit=False).data_vars.items():
            if (
                "trajectory" in variable.dims
                and variable.dtype.kind in "fi"
                and name not in left_out
            ):
                here, there = one.tree[group][name].values[rows], variable.values[other_rows]
                np.testing.assert_array_equal(here, there, err_msg=f"{group}/{name}")


@pytest.mark.parametrize("solver", ["dopri5", "bosh3", "gauss4"])
def test_each_rule_has_the_numbers_that_it_has_alone(solver):
    """Error norms are means: feedback that is not a rule's own would make its steps longer."""
    together = simulated(*RULES, solver=solver)
    for index, rule in enumerate(RULES):
        rows = [2 * index, 2 * index + 1]
        assert_same(together, simulated(rule, solver=solver), rows, [0, 1])


def test_a_solver_of_ones_own_has_parts_too():
    from flowfa.solvers.registry import make_solver

    def own():
        return make_solver("dopri5", rtol=1e-5)

    assert_same(simulated(*RULES, solver=own()), simulated("fa", solver=own()), [0, 1], [0, 1])


def test_the_file_has_the_feedback_of_every_snapshot():
    run = simulated(*RULES, snapshots=4)
    weights = run.tree["weights"].to_dataset()
    moving = weights["moving_B2"]
    assert moving.dims == ("trajectory", "snapshot", "neuron_1", "neuron_2")
    assert moving.attrs["long_name"].startswith("feedback matrix into layer 2, which moves")
    assert np.isnan(moving.values[:2]).all() and np.isfinite(moving.values[2:]).all()
    np.testing.assert_array_equal(moving.values[2:, 0], weights["B2"].values[2:])
    assert (moving.values[2:, -1] != moving.values[2:, 0]).all()


def test_alignment_is_that_of_the_feedback_as_it_is_then():
    run = simulated("weight-mirror", snapshots=6)
    weights = run.tree["weights"].to_dataset()
    W, B = weights["W2"].values[:, :, 0], weights["moving_B2"].values[..., 0]
    cosine = (W * B).sum(2) / np.linalg.norm(W, axis=2) / np.linalg.norm(B, axis=2)
    recorded = run.tree["trajectory"]["alignment"].values[:, :, 1]
    np.testing.assert_allclose(recorded, cosine, rtol=1e-12)
    first = weights["B2"].values[:, None, :, 0]
    frozen = (W * first).sum(2) / np.linalg.norm(W, axis=2) / np.linalg.norm(first, axis=2)
    assert np.abs(recorded[:, -1] - frozen[:, -1]).max() > 1e-2


def test_observables_of_ones_own_see_the_feedback():
    def norm(measured):
        return measured.parameters["B2"].flatten(1).norm(dim=1)

    run = simulated("weight-mirror", snapshots=6, observe={"feedback-norm": norm})
    moving = run.tree["weights"]["moving_B2"].values
    found = run.tree["trajectory"]["feedback-norm"].values
    np.testing.assert_allclose(found, np.sqrt((moving**2).sum((2, 3))), rtol=1e-12)


def test_the_update_of_the_record_is_that_of_the_network():
    """The velocity of the feedback is no part of G, of its norm, and of the angle of Eq. (1)."""
    mirror = problem("weight-mirror")
    run = flowfa.simulate(mirror, 1, t_end=0.1, save=2, rtol=1e-4, solver="bosh3")
    flow = NetworkFlow(mirror, build_ensemble(mirror, 1, 0))
    velocity = flow.field(torch.zeros(1), flow.initial)
    network = velocity[:, : flow.layout.network_length].norm(dim=1)
    recorded = run.tree["trajectory"]["update_norm"].values[0, 0]
    np.testing.assert_allclose(recorded, float(network), rtol=1e-12)
    assert recorded < 0.99 * float(velocity.norm())


def test_an_interrupted_run_goes_on_bit_for_bit(tmp_path):
    path = tmp_path / "run.nc"
    settings = {"t_end": 2.0, "rtol": 1e-5, "save": 6, "solver": "dopri5", "path": path}
    with pytest.raises(Interrupted):
        flowfa.simulate(problem(*RULES), 2, **settings, progress=stops_after(6))
    resumed = flowfa.simulate(problem(*RULES), 2, **settings, resume=True)
    assert_same(resumed, simulated(*RULES), slice(None), slice(None))


@pytest.mark.parametrize("rules", [RULES, RULES[1:]])
def test_a_run_is_continued_bit_for_bit(rules, tmp_path):
    path = tmp_path / "run.nc"
    simulated(*rules, path=path)
    extended = flowfa.extend(path, 3.0)
    times = extended.tree["trajectory"]["time"].values
    whole = simulated(*rules, t_end=3.0, save_at=times)
    everywhere = slice(None)
    assert_same(extended, whole, everywhere, everywhere, ("W1", "W2", "moving_B2"))
    for name in ("W2", "moving_B2"):
        ends = [run.tree["weights"][name].values[:, [0, -1]] for run in (extended, whole)]
        np.testing.assert_array_equal(*ends)


@pytest.mark.parametrize("rule", ["drtp", "low-rank-dfa", *RULES[1:]])
def test_a_run_is_made_again_bit_for_bit(rule, tmp_path):
    run = simulated(rule)
    run.save(tmp_path / "run.nc")
    assert find_difference(run.tree, flowfa.rerun(tmp_path / "run.nc").tree) is None


def test_a_given_start_brings_the_feedback():
    random = np.random.default_rng(0)
    shapes = {"W1": (5, 8), "W2": (1, 5), "B2": (5, 1)}
    start = {name: random.standard_normal(shape) for name, shape in shapes.items()}
    given = problem("weight-mirror", initial=flowfa.problems.starts.given_start(start), widths=None)
    run = flowfa.simulate(given, 1, t_end=0.5, save=3, solver="dopri5")
    np.testing.assert_array_equal(run.tree["weights"]["moving_B2"].values[0, 0], start["B2"])


def test_training_moves_the_feedback_by_the_same_steps():
    """Ten steps with momentum and weight decay, beside a loop in NumPy."""
    rate, momentum, decay, rule_decay = 0.1, 0.5, 0.02, 0.3
    rule = flowfa.problems.rules.KolenPollackWithDecay(rule_decay)
    deep = problem(rule, leak=1.0, loss="squared")
    run = flowfa.train(
        deep, 1, rate=(rate,), momentum=(momentum,), steps=10, save=2, weight_decay=decay
    )
    weights = run.tree["weights"].to_dataset()
    state = [weights[name].values[0, 0] for name in ("W1", "W2")] + [weights["B2"].values[0]]
    velocity = [0.0 * part for part in state]
    for _ in range(10):
        W1, W2, B = state
        hidden = W1 @ DATA.X.T
        error = (W2 @ hidden - DATA.y) / 6
        G1, G2 = B @ error @ DATA.X, error @ hidden.T
        pull = [G1 + decay * W1, G2 + decay * W2, G2.T + rule_decay * B]
        velocity = [momentum * v + p for v, p in zip(velocity, pull, strict=True)]
        state = [part - rate * v for part, v in zip(state, velocity, strict=True)]
    found = [weights[name].values[0, -1] for name in ("W1", "W2", "moving_B2")]
    for value, expected in zip(found, state, strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-11, atol=1e-13)


def test_float32_moves_it_too():
    run = simulated("weight-mirror", dtype="float32", rtol=1e-3)
    exact = simulated("weight-mirror", rtol=1e-8)
    ends = [of.tree["weights"]["moving_B2"].values[:, -1] for of in (run, exact)]
    np.testing.assert_allclose(*ends, atol=2e-3)
