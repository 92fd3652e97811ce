"""Whole numbers as labels: classes for losses of classes, targets for the squared loss."""

from __future__ import annotations

import numpy as np
import pytest

import flowfa
from flowfa.cli.main import main
from flowfa.simulation.rerunning import find_difference

X = np.random.default_rng(0).normal(size=(4, 3))
NUMBERS = np.array([0, 2, 1, 1])


def problem(y, loss=None, classes=0):
    return flowfa.Problem(flowfa.Dataset(X, y, classes=classes), widths=(2,), loss=loss)


def test_the_squared_loss_regresses_on_whole_numbers_as_they_are():
    regression = problem(NUMBERS, "squared")
    assert regression.sizes == (3, 2, 1)
    np.testing.assert_array_equal(regression.loss.encode(regression.data), NUMBERS[None, :])
    assert regression.targets == "labels as real targets"


@pytest.mark.parametrize("loss", [None, "cross-entropy"])
def test_other_losses_take_them_for_classes(loss):
    assert problem(NUMBERS, loss).sizes == (3, 2, 3)
    assert problem(NUMBERS, loss).targets == "3 classes"


def test_classes_that_are_told_stay_classes_under_the_squared_loss(tmp_path):
    told = problem(NUMBERS, "squared", classes=3)
    assert told.sizes == (3, 2, 3) and told.targets == "3 classes"
    flowfa.datasets.save_npz(told.data, tmp_path / "data.npz")
    assert flowfa.datasets.load_npz(tmp_path / "data.npz").told_classes == 3
    untold = flowfa.Dataset(X, NUMBERS)
    flowfa.datasets.save_npz(untold, tmp_path / "untold.npz")
    assert flowfa.datasets.load_npz(tmp_path / "untold.npz").told_classes == 0
    assert flowfa.datasets.make("digits", classes=(1, 2, 3), samples=6).told_classes == 3


@pytest.mark.parametrize("classes", [0, 3])
def test_a_file_gives_back_what_they_were(classes):
    run = flowfa.simulate(problem(NUMBERS, "squared", classes), 2, t_end=1.0, save=3)
    assert find_difference(run.tree, flowfa.rerun(run).tree) is None


@pytest.mark.parametrize(
    ("y", "more", "said"),
    [
        (NUMBERS, [], "network 3-2-3, leak 0.1, data data.npz (4 samples, 3 classes), cross-"),
        (NUMBERS, ["--loss", "squared"], "network 3-2-1, leak 0.1, data data.npz (4 samples, lab"),
        (NUMBERS, ["--loss", "squared"], "labels as real targets), squared loss, start aligned"),
        (NUMBERS + 0.5, [], "labels as real targets), squared loss, start aligned"),
        (np.array([1, -1, 1, 1]), [], "network 3-2-1, leak 0.1, data data.npz (4 samples, labels"),
        (np.ones((4, 2)), [], "(4 samples, 2 real targets each), squared loss"),
    ],
)
@pytest.mark.parametrize("verb", ["simulate", "train"])
def test_the_header_says_what_the_outputs_learn(verb, y, more, said, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("data.npz", X=X, y=y)
    length = ["--t-end", "0.1"] if verb == "simulate" else ["--steps", "1"]
    words = ["--dataset", "data.npz", "--width", "2", "--trajectories", "1", *length, *more]
    assert main([verb, *words, "--no-check", "--plot", "none", "--save", "2"]) == 0
    assert said in capsys.readouterr().out.splitlines()[0]
