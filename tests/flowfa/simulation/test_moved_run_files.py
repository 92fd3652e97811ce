"""Runs with rates, decay and sample weights, through files, reruns and resuming."""

from __future__ import annotations

import json

import numpy as np
import pytest

import flowfa
from flowfa.flow.network_flow import NetworkFlow
from flowfa.problems.ensemble import build_ensemble
from flowfa.simulation.rerunning import find_difference
from flowfa.simulation.stored import stored_configuration, stored_problem
from tests.support.moved_runs import RATES, WEIGHTS, kinked_data, start

DECAY = (0.1, 0.2)


def problem(**more):
    motion = {"layer_rates": RATES, "weight_decay": DECAY} | more
    return flowfa.Problem(kinked_data(), rule=("gd", "fa"), initial=start((4,)), **motion)


@pytest.mark.parametrize("steps", (False, True))
def test_a_file_says_all_of_it_and_makes_the_run_again(tmp_path, steps):
    path = tmp_path / "run.nc"
    if steps:
        run = flowfa.train(problem(), rate=0.1, steps=10, batch_size=3, path=path)
    else:
        run = flowfa.simulate(problem(), t_end=1.0, path=path)
    config = json.loads(run.tree.attrs["config"])
    assert config["layer_rates"] == list(RATES) and config["weight_decay"] == list(DECAY)
    assert np.array_equal(run.tree["data"]["sample_weights"].values, WEIGHTS)
    again = flowfa.rerun(path)
    assert find_difference(run.tree, again.tree) is None
    other = flowfa.rerun(path, weight_decay=0.0)
    assert "weight_decay" not in json.loads(other.tree.attrs["config"])
    same = problem(weight_decay=0.0)
    if steps:
        expected = flowfa.train(same, rate=0.1, steps=10, batch_size=3)
    else:
        expected = flowfa.simulate(same, t_end=1.0)
        assert json.loads(other.tree.attrs["config"])["solver"] == "hybrid"
    assert find_difference(other.tree, expected.tree) is None


def test_an_old_file_of_training_has_one_number_for_the_decay():
    run = flowfa.train(problem(layer_rates=1.0, weight_decay=0.1), rate=0.1, steps=2)
    config = json.loads(run.tree.attrs["config"]) | {"weight_decay": 0.1}
    run.tree.attrs["config"] = json.dumps(config)
    stored, _ = stored_problem(run.tree, stored_configuration(run.tree, "run"), "run")
    assert stored.weight_decay == (0.1, 0.1)


def test_a_start_outside_the_span_of_the_data_decays_too():
    """Three features and two samples: what the data do not see fades at the layer's speed."""
    data = flowfa.Dataset(np.eye(2, 3), np.array([1.0, -1.0]))
    task = flowfa.Problem(data, rule="fa", initial=start((4,)), weight_decay=0.3, layer_rates=0.5)
    run = flowfa.simulate(task, t_end=2.0, rtol=1e-8)
    W1 = run.tree["weights"]["W1"].values
    assert np.allclose(W1[:, -1, :, 2], np.exp(-0.3) * W1[:, 0, :, 2], rtol=1e-6)


def test_the_recorded_invariant_has_the_units_of_c8():
    task = problem(weight_decay=0.0)
    run = flowfa.simulate(task, t_end=2.0, rtol=1e-7)
    assert float(np.nanmax(run.tree["trajectory"]["conservation_drift"].values)) < 1e-5
    weights = run.tree["weights"].to_dataset()
    W1, W2, B = (weights[name].values for name in ("W1", "W2", "B2"))
    law = (W1**2).sum(3) / (2 * RATES[0]) - W2[:, :, 0] * B[:, None, :, 0] / RATES[1]
    recorded = run.tree["neurons"]["conserved"].values
    assert np.allclose(recorded[1, [0, -1]], law[1, [0, -1]], rtol=1e-10)


def test_the_update_that_is_recorded_is_the_velocity():
    task = problem()
    flow = NetworkFlow(task, build_ensemble(task, None, 0))
    run = flowfa.simulate(task, t_end=0.5, solver="dopri5")
    velocity = flow.field(flow.initial.new_zeros(len(flow)), flow.initial)
    trajectory = run.tree["trajectory"]
    assert np.allclose(trajectory["update_norm"].values[:, 0], velocity.norm(dim=1).numpy())
    times, loss = trajectory["time"].values, trajectory["loss"].values
    slope = (loss[:, 1] - loss[:, 0]) / (times[1] - times[0])
    assert np.allclose(trajectory["loss_rate"].values[:, 0], slope, rtol=0.05)
