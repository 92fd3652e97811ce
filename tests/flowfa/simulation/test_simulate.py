"""Runs: records in memory and on disk, side by side, interrupted and resumed."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr

import flowfa
from flowfa.datasets.dataset import Dataset
from flowfa.errors import InputError, Interrupted
from flowfa.problems.starts import given_start
from flowfa.settings import FlowSettings
from flowfa.simulation.times import save_times
from tests.support.nightly import some_now
from tests.support.watching import stops_after

RULES = ("gd", "fa", "adafa", "signfa")


def problem(rule=RULES, widths=(6,), trajectories=None, **more):
    random = np.random.default_rng(0)
    frame = np.linalg.qr(random.standard_normal((8, 5)))[0].T
    labels = np.array([1.0, -1.0, 1.0, 1.0, -1.0])
    return flowfa.Problem(Dataset(frame, labels), widths, rule=rule, **more)


def variables(tree):
    return {
        f"{node.path}/{name}": variable.values
        for node in tree.subtree
        for name, variable in node.to_dataset(inherit=False).variables.items()
    }


def assert_same_record(first, second, tolerance=0.0):
    left, right = variables(first), variables(second)
    assert left.keys() == right.keys()
    for name, values in left.items():
        if values.dtype.kind == "f" and tolerance:
            np.testing.assert_allclose(values, right[name], rtol=tolerance, atol=tolerance)
        else:
            np.testing.assert_array_equal(values, right[name], err_msg=name)


def test_record_on_disk_is_the_record_in_memory(tmp_path):
    in_memory = flowfa.simulate(problem(), 3, t_end=5.0, save=20)
    on_disk = flowfa.simulate(problem(), 3, t_end=5.0, save=20, path=tmp_path / "run.nc")
    assert_same_record(in_memory.tree, on_disk.tree)
    in_memory.save(tmp_path / "copy.nc")
    assert_same_record(in_memory.tree, flowfa.load(tmp_path / "copy.nc"))
    assert not (tmp_path / "run.nc.checkpoint").exists()


def test_rules_side_by_side_are_the_rules_alone():
    together = flowfa.simulate(problem(), 2, t_end=5.0, save=20).tree["trajectory"]
    for rule in RULES:
        alone = flowfa.simulate(problem(rule=rule), 2, t_end=5.0, save=20).tree["trajectory"]
        own = together.to_dataset().isel(trajectory=together["rule"].values == rule)
        for name in ("loss", "cosine", "conservation_drift", "alignment"):
            np.testing.assert_array_equal(own[name].values, alone[name].values, err_msg=name)


@pytest.mark.parametrize("rounds", some_now([1, 4, 7], [7]))
def test_interrupted_and_resumed_run_is_the_uninterrupted_one_bit_for_bit(tmp_path, rounds):
    settings = {"t_end": 5.0, "save": 20, "snapshots": 4}
    whole = flowfa.simulate(problem(), 3, path=tmp_path / "whole.nc", **settings)
    path = tmp_path / "stopped.nc"
    with pytest.raises(Interrupted, match="resume=True"):
        flowfa.simulate(problem(), 3, path=path, progress=stops_after(rounds), **settings)
    assert not path.exists()
    resumed = flowfa.simulate(problem(), 3, path=path, resume=True, **settings)
    assert_same_record(whole.tree, resumed.tree)
    assert not (tmp_path / "stopped.nc.checkpoint").exists()


def test_resuming_with_other_settings_names_the_key(tmp_path):
    path = tmp_path / "run.nc"
    with pytest.raises(Interrupted):
        flowfa.simulate(problem(), 3, path=path, progress=stops_after(3), rtol=1e-5)
    for changes, key in [({"rtol": 1e-6}, "rtol"), ({"seed": 1}, "seed"), ({"save": 7}, "save")]:
        settings = {"rtol": 1e-5} | changes
        with pytest.raises(InputError, match=f"has {key} ="):
            flowfa.simulate(problem(), 3, path=path, resume=True, **settings)
    with pytest.raises(InputError, match="leak"):
        flowfa.simulate(problem(leak=0.2), 3, path=path, resume=True, rtol=1e-5)
    with pytest.raises(InputError, match="unfinished run"):
        flowfa.simulate(problem(), 3, path=path, rtol=1e-5)


def test_nothing_to_resume_is_said(tmp_path):
    with pytest.raises(InputError, match="was never begun"):
        flowfa.simulate(problem(), 2, path=tmp_path / "run.nc", resume=True)
    flowfa.simulate(problem(), 2, t_end=0.1, path=tmp_path / "run.nc")
    with pytest.raises(InputError, match="is complete"):
        flowfa.simulate(problem(), 2, t_end=0.1, path=tmp_path / "run.nc", resume=True)


def test_existing_result_is_kept_unless_told_otherwise(tmp_path):
    path = tmp_path / "run.nc"
    path.write_text("precious")
    with pytest.raises(InputError, match="overwrite=True"):
        flowfa.simulate(problem(), 2, t_end=0.1, path=path)
    assert path.read_text() == "precious"
    flowfa.simulate(problem(), 2, t_end=0.1, path=path, overwrite=True)
    assert flowfa.load(path).attrs["status"] == "ok"


def test_drift_of_the_law_is_small_and_shrinks_with_the_tolerance():
    drifts = []
    for rtol in (1e-4, 1e-6):
        run = flowfa.simulate(problem(), 4, t_end=20.0, rtol=rtol)
        assert set(run.statuses) == {"ok"}
        drifts.append(np.nanmax(run.tree["trajectory"]["conservation_drift"].values))
    assert drifts[0] < 1e-3
    assert drifts[1] < drifts[0] / 10.0


@pytest.mark.parametrize(
    ("factor", "settings", "status"),
    [
        (np.nan, {}, "non-finite"),
        # exp(-y f) overflows at the start.
        (1e6, {"loss": "exponential"}, "non-finite"),
        # The sharpest start is beyond the stability edge 2 / 0.05 of Euler's method.
        (100.0, {"loss": "squared", "solver": "euler", "step": 0.05}, "overflow"),
    ],
)
def test_broken_trajectory_leaves_the_others_as_they_are_without_it(factor, settings, status):
    """One of four starts is scaled until it breaks; the other three agree bit for bit."""
    settings = dict(settings)
    loss = settings.pop("loss", None)
    ensemble = flowfa.problems.build_ensemble(problem(rule="fa"), 4, 0)
    arrays = {"W1": ensemble.weights[0], "W2": ensemble.weights[1]}
    arrays["B2"] = ensemble.feedback[0]["B2"]

    def run(start):
        given = problem(rule="fa", initial=given_start(start), loss=loss)
        return flowfa.simulate(given, t_end=5.0, **settings)

    expected = run(arrays)
    broken = run(
        {name: array * np.array([1, 1, factor, 1])[:, None, None] for name, array in arrays.items()}
    )
    assert expected.statuses == ["ok"] * 4
    assert broken.statuses == ["ok", "ok", status, "ok"]
    before, after = variables(expected.tree), variables(broken.tree)
    for name in ("/trajectory/loss", "/weights/W1", "/neurons/conserved", "/solver/steps"):
        others = [0, 1, 3]
        np.testing.assert_array_equal(after[name][others], before[name][others], err_msg=name)
    assert broken.failed and broken.summary()["failures"][0]["trajectory"] == 2


def test_trajectory_that_ends_early_keeps_its_last_good_state():
    run = flowfa.simulate(problem(), 2, t_end=50.0, solver="bosh3", max_steps=30)
    weights, solver = run.tree["weights"], run.tree["solver"]
    reached = solver["t_reached"].values
    assert set(run.statuses) == {"max-steps"} and (reached < 50.0).all()
    np.testing.assert_array_equal(weights["snapshot_time"].values[:, -1], reached)
    assert np.isfinite(weights["W1"].values[:, -1]).all()
    assert np.isnan(weights["W1"].values[:, -2]).all()
    late = run.tree["trajectory"]["time"].values > reached.max()
    assert np.isnan(run.tree["trajectory"]["loss"].values[:, late]).all()


def test_first_and_last_snapshot_are_the_start_and_the_end():
    run = flowfa.simulate(problem(rule="fa"), 2, t_end=3.0, save=11, snapshots=3)
    weights = run.tree["weights"]
    start = flowfa.problems.build_ensemble(problem(rule="fa"), 2, 0)
    np.testing.assert_array_equal(weights["W1"].values[:, 0], start.weights[0])
    np.testing.assert_array_equal(weights["snapshot_time"].values, [[0.0, 1.5, 3.0]] * 2)
    norm = np.linalg.norm(weights["W1"].values[:, -1], axis=(1, 2))
    recorded = run.tree["trajectory"]["weight_norm"].values[:, -1, 0]
    np.testing.assert_allclose(norm, recorded, rtol=1e-13)


def test_data_may_differ_by_trajectory():
    random = np.random.default_rng(4)
    X = random.standard_normal((3, 4, 9)) / 3.0
    y = random.choice((-1.0, 1.0), (3, 4))
    own = flowfa.simulate(flowfa.Problem(Dataset(X, y), (5,), rule=("fa", "gd")), t_end=4.0)
    for start in range(3):
        single = flowfa.Problem(Dataset(X[start], y[start]), (5,), rule=("fa", "gd"))
        run = flowfa.simulate(single, 3, t_end=4.0)
        for row in (start, 3 + start):
            np.testing.assert_allclose(
                own.tree["trajectory"]["loss"].values[row],
                run.tree["trajectory"]["loss"].values[row],
                rtol=1e-12,
            )


def test_record_says_how_it_was_made():
    run = flowfa.simulate(problem(), 2, seed=3, t_end=1.0, rtol=1e-4, argv=["simulate"])
    attributes = run.tree.attrs
    configuration = json.loads(attributes["config"])
    assert configuration["solver"] == "hybrid" and configuration["solver_asked"] == "auto"
    assert configuration["rule"] == list(RULES) and configuration["atol"] == 1e-6
    assert (attributes["seed"], attributes["threads"], attributes["dtype"]) == (3, 1, "float64")
    assert json.loads(attributes["argv"]) == ["simulate"]
    assert "torch" in json.loads(attributes["versions"])
    assert isinstance(run.tree, xr.DataTree)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"t_end": 0.0}, "`t_end` is 0.0"),
        ({"t_end": float("inf")}, "`t_end` is inf"),
        ({"save": 1}, "at least 2"),
        ({"snapshots": 500}, "`snapshots` is 500 but `save` is 200"),
        ({"spacing": "logarithmic"}, "known: linear, log"),
        ({"dtype": "float16"}, "did you mean 'float"),
        ({"dtype": "float32", "rtol": 1e-9}, "finer than float32"),
        ({"device": "cuda:99"}, "is not there"),
        ({"device": "gpu"}, "unknown device"),
        ({"checkpoint_every": 0.0, "path": "run.nc"}, "`checkpoint_every` is 0.0"),
    ],
)
def test_unusable_settings_are_refused_before_anything_is_written(
    settings, told, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=told):
        flowfa.simulate(problem(), 2, **settings)
    assert list(tmp_path.iterdir()) == []


def test_logarithmic_times_begin_at_zero_and_end_at_the_end():
    times = save_times(FlowSettings(t_end=7.0, spacing="log", save=50))
    assert times[0] == 0.0 and times[-1] == 7.0 and (np.diff(times) > 0).all()
    ratios = times[2:] / times[1:-1]
    np.testing.assert_allclose(ratios, ratios[0], rtol=1e-12)


def test_solvers_agree_on_one_problem():
    losses = [
        flowfa.simulate(problem(leak=1.0), 2, t_end=5.0, save=5, solver=solver, rtol=1e-9)
        .tree["trajectory"]["loss"]
        .values
        for solver in ("bosh3", "dopri5", "dop853", "torchdiffeq:dopri5")
    ]
    for other in losses[1:]:
        np.testing.assert_allclose(other, losses[0], rtol=1e-6)


def test_runs_on_every_device(device):
    """By one solver: left to itself flowfa takes the hybrid one on the processor alone."""
    settings = {"t_end": 5.0, "save": 5, "solver": "bosh3"}
    there = flowfa.simulate(problem(), 2, device=device, **settings).tree["trajectory"]
    here = flowfa.simulate(problem(), 2, **settings).tree["trajectory"]
    for name in ("loss", "alignment", "cosine"):
        np.testing.assert_allclose(there[name].values, here[name].values, rtol=1e-9)


def test_single_precision_runs_and_is_marked_as_such():
    run = flowfa.simulate(problem(rule="fa"), 2, t_end=5.0, save=5, dtype="float32")
    double = flowfa.simulate(problem(rule="fa"), 2, t_end=5.0, save=5)
    assert run.tree.attrs["dtype"] == "float32" and run.statuses == ["ok", "ok"]
    loss, expected = (r.tree["trajectory"]["loss"].values for r in (run, double))
    assert not np.array_equal(loss, expected)
    np.testing.assert_allclose(loss, expected, rtol=1e-3)
