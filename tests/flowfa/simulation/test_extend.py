"""A complete run continued to a later end is the run that was asked for at first, bit for bit."""

from __future__ import annotations

import gc

import h5py
import numpy as np
import pytest

import flowfa
import theory_checks
from flowfa.cli.main import main
from flowfa.datasets.dataset import Dataset
from flowfa.errors import InputError, Interrupted
from flowfa.problems.rules import RULES
from flowfa.problems.starts import given_start
from tests.support.rules import Doubled
from tests.support.watching import stops_after

SOLVERS = {
    "hybrid": {},
    "event": {},
    "bosh3": {},
    "dopri5": {},
    "dop853": {},
    "gauss6": {},
    "rk4": {"step": 0.3},
    "euler": {"step": 0.1},
}


class DoubledExtended(Doubled):
    name = "doubled-extended"


SLIDING = ("hybrid", "event", "rk4", "euler")


def problem(leak=0.1, rule=("gd", "fa"), **options):
    data = flowfa.datasets.nearly_orthogonal(samples=8, dim=20, gamma=2.0, seed=0)
    return flowfa.Problem(data, **{"widths": (6,)} | options, rule=rule, leak=leak)


def assert_one_run(extended, problem, trajectories=2, **settings):
    """The extended run is one that records the same times and goes to the end at once."""
    times = extended.tree["trajectory"]["time"].values
    whole = flowfa.simulate(
        problem, trajectories, t_end=float(times[-1]), save_at=times, **settings
    )
    for group in ("trajectory", "neurons", "solver"):
        for name, values in whole.tree[group].to_dataset().variables.items():
            found = extended.tree[group][name].values
            np.testing.assert_array_equal(found, values.values, err_msg=f"{group}/{name}")
    for name in ("W1", "W2"):
        np.testing.assert_array_equal(
            extended.tree["weights"][name].values[:, [0, -1]],
            whole.tree["weights"][name].values[:, [0, -1]],
        )
    return whole


@pytest.mark.parametrize("solver", SOLVERS)
def test_every_solver_goes_on_as_if_it_had_not_stopped(solver, tmp_path):
    own = problem(0.1 if solver in SLIDING else 1.0)
    settings = {"solver": solver, **SOLVERS[solver]}
    path = tmp_path / "run.nc"
    flowfa.simulate(own, 2, t_end=6.0, save=7, path=path, **settings)
    extended = flowfa.extend(path, 13.0)
    assert extended.tree["trajectory"]["time"].values[-1] == 13.0
    assert not (tmp_path / "run.nc.checkpoint").exists()
    assert_one_run(extended, own, **settings)


@pytest.mark.parametrize(
    ("solver", "widths", "leak"),
    [("hybrid", (31,), 0.1), ("dop853", (31,), 1.0), ("event", (5, 3), 0.1)],
)
def test_odd_numbers_of_weights_go_on_bit_for_bit(solver, widths, leak, tmp_path):
    """Every second network of a batch begins off a multiple of 16 bytes; others run at its side."""
    data = flowfa.datasets.gaussian(samples=15 if len(widths) == 1 else 5, dim=7, seed=0)
    own = flowfa.Problem(data, widths, leak, ("gd", "fa", "signfa"), "logistic", "all")
    path = tmp_path / "run.nc"
    flowfa.simulate(own, 3, t_end=20.0, save=7, path=path, solver=solver)
    assert_one_run(flowfa.extend(path, 40.0), own, 3, solver=solver)


def test_the_step_that_the_end_cut_is_taken_anew(tmp_path):
    """Going on from the old end, as one might, gives other numbers."""
    path = tmp_path / "run.nc"
    flowfa.simulate(problem(), 2, t_end=15.0, save=7, path=path)
    old = flowfa.load(path)
    start = {name: old["weights"][name].values[:, -1] for name in ("W1", "W2")}
    start["B2"] = old["weights"]["B2"].values
    extended = flowfa.extend(path, 31.0).tree["weights"]["W2"].values[2:, -1]
    naive = flowfa.simulate(
        problem(rule="fa", widths=None, initial=given_start({n: v[2:] for n, v in start.items()})),
        t_end=16.0,
    )
    assert (naive.tree["weights"]["W2"].values[:, -1] != extended).any()
    at_old_end = flowfa.load(path)["trajectory"]["loss"].values[:, 6]
    assert (at_old_end != old["trajectory"]["loss"].values[:, -1]).any()


def test_a_run_may_be_extended_again_and_again(tmp_path):
    path, copy = tmp_path / "run.nc", tmp_path / "copy.nc"
    flowfa.simulate(problem(), 2, t_end=15.0, save=7, snapshots=3, path=path)
    flowfa.extend(path, 20.0)
    extended = flowfa.extend(path, 31.0, save_at=[25.0], path=copy)
    when = extended.tree["weights"]["snapshot_time"].values[0]
    assert when.tolist() == [0.0, 7.5, 15.0, 20.0, 31.0]
    assert flowfa.load(path)["trajectory"]["time"].values[-1] == 20.0
    assert_one_run(extended, problem())


def test_solvers_side_by_side_are_continued(tmp_path):
    flowfa.rule("doubled-extended")(DoubledExtended)
    try:
        own = problem(rule=("fa", "doubled-extended"))
        path = tmp_path / "run.nc"
        run = flowfa.simulate(own, 1, t_end=0.3, save=5, path=path, rtol=1e-3)
        assert run.statuses == ["ok", "ok"]
        extended = flowfa.extend(path, 0.5)
        assert "hybrid + bosh3" in extended.tree.attrs["config"]
        assert_one_run(extended, own, 1, rtol=1e-3)
    finally:
        RULES.forget("doubled-extended")


def test_stopped_trajectories_stay_stopped_and_others_stop_later(tmp_path):
    path = tmp_path / "run.nc"
    first = flowfa.simulate(problem(), 4, t_end=15.0, save=7, path=path, until_loss=0.3)
    assert set(first.statuses) == {"ok", "loss-reached"}
    whole = assert_one_run(flowfa.extend(path, 60.0), problem(), 4, until_loss=0.3)
    assert whole.statuses.count("loss-reached") > first.statuses.count("loss-reached")


def test_the_spacing_goes_on(tmp_path):
    path = tmp_path / "run.nc"
    flowfa.simulate(problem(), 1, t_end=10.0, save=6, path=path)
    times = flowfa.extend(path, 15.0).tree["trajectory"]["time"].values
    np.testing.assert_allclose(times, [0, 2, 4, 6, 8, 10, 12, 14, 15])
    flowfa.simulate(
        problem(), 1, t_end=16.0, spacing="log", first_save=1.0, save=6, path=path, overwrite=True
    )
    times = flowfa.extend(path, 64.0).tree["trajectory"]["time"].values
    np.testing.assert_allclose(times, [0, 1, 2, 4, 8, 16, 32, 64])


def test_an_interrupted_extension_goes_on(tmp_path):
    path = tmp_path / "run.nc"
    flowfa.simulate(problem(), 2, t_end=15.0, save=7, path=path, rtol=1e-6)
    with pytest.raises(Interrupted):
        flowfa.extend(path, 31.0, progress=stops_after(5))
    assert flowfa.load(path)["trajectory"]["time"].values[-1] == 15.0
    with pytest.raises(InputError, match="t_end = 31"):
        flowfa.extend(path, 32.0)
    assert_one_run(flowfa.extend(path, 31.0), problem(), rtol=1e-6)


def test_the_verdicts_on_an_extended_run_hold(tmp_path):
    path = tmp_path / "run.nc"
    flowfa.simulate(problem(), 1, t_end=15.0, save=7, path=path)
    report = theory_checks.check(flowfa.extend(path, 31.0), only=("C-1", "record"))
    assert {finding.verdict.value for finding in report.findings} == {"holds"}


def test_what_cannot_be_continued_is_refused_with_the_reason(tmp_path):
    path = tmp_path / "run.nc"

    def refused(fault, t_end=31.0, extend=None, **settings):
        flowfa.simulate(problem(), 1, path=path, overwrite=True, **{"t_end": 15.0} | settings)
        before = path.read_bytes()
        with pytest.raises(InputError, match=fault):
            flowfa.extend(path, t_end, **extend or {})
        assert path.read_bytes() == before
        assert not (tmp_path / "run.nc.checkpoint").exists()

    refused("ends at t = 15; give a later", t_end=15.0)
    refused("has not kept what that takes", extendable=False)
    refused("has not kept what that takes", solver="torchdiffeq:rk4", step=0.5, t_end=1.0)
    refused("expected times after the end", extend={"save_at": [3.0]})
    refused("100001|more times", t_end=1e9)
    refused("no trajectory that came to its end", until_loss=0.9)


def test_a_run_that_its_end_shortened_is_refused(tmp_path):
    path = tmp_path / "run.nc"
    flowfa.simulate(problem(), 1, t_end=1e-3, path=path)
    with pytest.raises(InputError, match="so short that its end shortened the first steps"):
        flowfa.extend(path, 31.0, save_at=[5.0])


def test_a_run_that_chattered_or_might_have_is_refused(tmp_path):
    path = tmp_path / "run.nc"
    flowfa.simulate(problem(1.0), 1, t_end=15.0, solver="bosh3", path=path)
    gc.collect()
    with h5py.File(path, "r+") as file:
        file["continuation/bosh3_excused"][0] = 1
        for name in file:
            del file[name].attrs["checksums"]
    with pytest.raises(InputError, match="watched trajectory 0 for chattering"):
        flowfa.extend(path, 31.0)


def test_discrete_training_and_damaged_files_are_refused(tmp_path):
    path = tmp_path / "run.nc"
    flowfa.train(problem(), 1, steps=3, path=path)
    with pytest.raises(InputError, match="no flow to continue"):
        flowfa.extend(path, 31.0)
    flowfa.simulate(problem(), 1, t_end=15.0, path=path, overwrite=True)
    gc.collect()
    with h5py.File(path, "r+") as file:
        file["continuation/hybrid_zeta"][0] += 1e-9
    with pytest.raises(InputError, match="hybrid_zeta"):
        flowfa.extend(path, 31.0)


def test_a_start_that_is_not_finite_does_not_keep_the_others(tmp_path):
    data = Dataset(np.array([[1.0, 0.2], [-0.3, 1.0]]), np.array([1.0, -1.0]))
    rng = np.random.default_rng(0)
    start = {"W1": rng.standard_normal((2, 3, 2)), "W2": rng.standard_normal((2, 1, 3))}
    start["W1"][1, 0, 0] = np.nan
    own = flowfa.Problem(data, rule="gd", initial=given_start(start))
    path = tmp_path / "run.nc"
    run = flowfa.simulate(own, t_end=15.0, save=4, path=path)
    assert run.statuses == ["ok", "non-finite"]
    assert_one_run(flowfa.extend(path, 31.0), own, None)


def test_the_command_continues_a_run_in_its_place(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    small = "simulate --width 3 --trajectories 1 --t-end 10 --no-check --plot none --quiet"
    assert main(small.split()) == 0
    assert main(["extend", "run.nc", "--t-end", "20"]) == 0
    shown = capsys.readouterr().out
    assert "continuing run.nc to t = 20" in shown and "result: run.nc" in shown
    assert flowfa.load("run.nc")["trajectory"]["time"].values[-1] == 20.0
    assert main(["extend", "run.nc", "--t-end", "15"]) == 64
    assert "give a later --t-end" in capsys.readouterr().err
    assert main(["extend", "run.nc"]) == 64
