"""Which times a flow is recorded at: a first logarithmic one, or a list."""

from __future__ import annotations

import numpy as np
import pytest

import flowfa
import theory_checks
from flowfa.cli.main import main
from flowfa.errors import InputError

UNEVEN = (0.1, 0.15, 2.0, 7.5)


def problem(**options):
    data = flowfa.datasets.orthogonally_separable(samples=4, dim=3, lambda_=0.1, seed=1)
    return flowfa.Problem(data, **{"widths": (5,), "rule": ("gd", "fa")} | options)


def recorded(run):
    return run.tree["trajectory"]["time"].values


def test_logarithmic_times_begin_where_they_are_told_to():
    run = flowfa.simulate(problem(), 1, t_end=1e8, spacing="log", first_save=0.1, save=11)
    np.testing.assert_allclose(recorded(run), [0.0, *10.0 ** np.arange(-1, 9)], rtol=1e-14)
    assert recorded(run)[-1] == 1e8


def test_listed_times_are_recorded_and_so_are_both_ends():
    run = flowfa.simulate(problem(), 1, t_end=10.0, save_at=UNEVEN, snapshots=6)
    assert recorded(run).tolist() == [0.0, *UNEVEN, 10.0]
    assert run.tree["weights"]["snapshot_time"].values[0].tolist() == [0.0, *UNEVEN, 10.0]


def test_both_ends_may_be_listed_too():
    run = flowfa.simulate(problem(), 1, t_end=2.0, save_at=[0.0, 1.0, 2.0])
    assert recorded(run).tolist() == [0.0, 1.0, 2.0]


def test_listed_times_do_not_change_what_is_recorded_at_them():
    even = flowfa.simulate(problem(), 2, t_end=10.0, save=5).tree["trajectory"]["loss"].values
    listed = flowfa.simulate(problem(), 2, t_end=10.0, save_at=[0.1, 2.5, 9.0])
    at = np.flatnonzero(np.isin(recorded(listed), [0.0, 2.5, 10.0]))
    np.testing.assert_array_equal(
        listed.tree["trajectory"]["loss"].values[:, at], even[:, [0, 1, 4]]
    )


def test_the_verdicts_on_uneven_times_are_those_on_even_ones():
    verdicts = []
    for times in ({"save": 8}, {"save_at": UNEVEN}):
        run = flowfa.simulate(problem(), 2, t_end=10.0, **times)
        report = theory_checks.check(run, only=("C-1", "record", "Eq-1"))
        verdicts.append([finding.verdict for finding in report.findings])
    assert verdicts[0] == verdicts[1]
    assert {verdict.value for verdict in verdicts[1]} == {"holds"}


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"save_at": [1.0], "save": 7}, "`save` does not go with `save_at`"),
        ({"save_at": [1.0], "spacing": "log"}, "`spacing` does not go with `save_at`"),
        ({"save_at": [1.0], "first_save": 0.1}, "`first_save` does not go with `save_at`"),
        ({"save_at": [2.0, 1.0]}, "increasing"),
        ({"save_at": [-1.0]}, "at least 0"),
        ({"save_at": []}, "has no time"),
        ({"save_at": [101.0]}, "ends at `t_end` 100"),
        ({"save_at": [1.0], "snapshots": 4}, "there are 3 recorded times"),
        ({"first_save": 1.0}, 'give `spacing="log"`'),
        ({"first_save": 100.0, "spacing": "log"}, "expected an earlier first time"),
        ({"first_save": 1.0, "spacing": "log", "save": 2}, "at least 3"),
    ],
)
def test_times_that_do_not_go_together_are_refused(settings, fault):
    with pytest.raises(InputError, match=fault):
        flowfa.simulate(problem(), 1, **settings)


def test_the_command_line_takes_times_and_speaks_in_flags(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    small = "simulate --width 3 --trajectories 1 --t-end 1 --no-check --plot none --quiet"
    assert main([*small.split(), "--save-at", "0.25", "0.5"]) == 0
    assert flowfa.load("run.nc")["trajectory"]["time"].values.tolist() == [0.0, 0.25, 0.5, 1.0]
    assert main([*small.split(), "--save-at", "0.25", "2"]) == 64
    assert "--save-at has 2, but the flow ends at --t-end 1" in capsys.readouterr().err
