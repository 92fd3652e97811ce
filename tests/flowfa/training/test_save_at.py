"""A list of recorded steps, or times, of discrete training."""

from __future__ import annotations

import numpy as np
import pytest

import flowfa
from flowfa.cli.main import main
from flowfa.errors import InputError

DATA = flowfa.datasets.orthogonally_separable(samples=4, dim=3, seed=1)
PROBLEM = flowfa.Problem(DATA, (3,), rule="fa")


def train(**options):
    return flowfa.train(PROBLEM, 1, rate=(0.1, 0.05), **options)


def test_listed_steps_are_recorded_with_both_ends():
    run = train(steps=20, save_at=(3, 7))
    assert run.tree["trajectory"]["step"].values.tolist() == [[0, 3, 7, 20]] * 2
    every = train(steps=20, keep_every_step=True)
    np.testing.assert_array_equal(
        run.tree["trajectory"]["loss"].values,
        every.tree["trajectory"]["loss"].values[:, [0, 3, 7, 20]],
    )


def test_listed_times_are_those_that_each_rate_meets():
    run = train(t_end=2.0, save_at=(0.3, 1.0))
    assert run.tree["trajectory"]["step"].values.tolist() == [[0, 3, 10, 20], [0, 6, 20, 40]]
    np.testing.assert_allclose(run.tree["trajectory"]["time"].values, [0.0, 0.3, 1.0, 2.0])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"t_end": 2.0, "save_at": (0.35,)}, "no whole number of steps at each rate: choose 0.3 o"),
        ({"t_end": 2.0, "save_at": (3.0,)}, "training ends at `t_end` 2"),
        ({"steps": 10, "save_at": (11,)}, "has 11: expected whole numbers of steps up to 10"),
        ({"steps": 10, "save_at": (2.5,)}, "has 2.5: expected whole numbers of steps"),
        ({"steps": 10, "save_at": (2,), "save": 5}, "`save` does not go with `save_at`"),
        ({"steps": 10, "save_at": (2,), "keep_every_step": True}, "`keep_every_step` does not go"),
        ({"steps": 10, "save_at": (5, 2)}, "`save_at`"),
    ],
)
def test_what_cannot_be_recorded_is_refused(options, words):
    with pytest.raises(InputError, match=words):
        train(**options)


def test_the_command_has_it_and_a_rerun_gives_it_again(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = "train --width 3 --samples 4 --dim 6 --trajectories 1 --steps 20 --save-at 3 7"
    assert main([*words.split(), "--no-check", "--plot", "none", "--quiet"]) == 0
    assert flowfa.load("run.nc")["trajectory"]["step"].values.tolist() == [[0, 3, 7, 20]]
    assert main(["rerun", "run.nc", "--quiet"]) == 0
