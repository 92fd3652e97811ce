"""A run made again from its file alone is the run of the file, bit for bit."""

from __future__ import annotations

import json

import numpy as np
import pytest

import flowfa
from flowfa.cli.main import main
from flowfa.errors import InputError
from flowfa.problems.rules import RULES
from flowfa.problems.starts import NormalStart, given_start
from flowfa.simulation.rerunning import find_difference
from tests.support.rules import Doubled


class DoubledAgain(Doubled):
    name = "doubled-again"


def problem(rule=("gd", "fa"), **options):
    data = flowfa.datasets.nearly_orthogonal(samples=6, dim=15, gamma=2.0, seed=0)
    return flowfa.Problem(data, **{"widths": (5,)} | options, rule=rule)


def assert_made_again(run, tmp_path):
    """The file is opened as a stranger would: nothing but the file is at hand."""
    run.save(tmp_path / "run.nc")
    again = flowfa.rerun(tmp_path / "run.nc")
    assert find_difference(run.tree, again.tree) is None
    assert json.loads(again.tree.attrs["config"]) == json.loads(run.tree.attrs["config"])


@pytest.mark.parametrize(
    "rule", ["gd", "fa", "adafa", "signfa", "dfa", "frsf", "kolen-pollack", "low-rank-fa"]
)
def test_every_rule_is_made_again_bit_for_bit(rule, tmp_path):
    run = flowfa.simulate(problem(rule, initial=NormalStart(0.4)), 2, t_end=5.0, save=5)
    assert_made_again(run, tmp_path)


@pytest.mark.parametrize(
    "settings",
    [
        {"solver": "bosh3", "rtol": 1e-6, "save_at": (0.5, 2.0), "snapshots": 3},
        {"solver": "euler", "step": 0.1, "spacing": "log", "first_save": 0.1},
        {"until_loss": 0.6, "observe": ("normalised-margin", "dead-neurons")},
        {"dtype": "float32", "solver": "dopri5", "controller": "i"},
        {"extendable": False, "atol": 1e-9},
    ],
    ids=["list-of-times", "fixed-step", "stopped-observed", "float32", "not-extendable"],
)
def test_settings_come_from_the_file(settings, tmp_path):
    assert_made_again(flowfa.simulate(problem(), 2, t_end=4.0, **settings), tmp_path)


def test_a_start_given_as_arrays_is_in_the_file(tmp_path):
    generator = np.random.default_rng(3)
    start = given_start(
        {"W1": generator.normal(size=(2, 5, 15)), "W2": generator.normal(size=(2, 1, 5))}
    )
    assert_made_again(flowfa.simulate(problem(initial=start), t_end=3.0), tmp_path)


def test_data_of_each_trajectory_and_classes_without_a_sample_are_in_the_file(tmp_path):
    generator = np.random.default_rng(4)
    numbers = np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 1.0]])
    data = flowfa.Dataset(generator.normal(size=(2, 3, 4)), numbers, classes=3)
    run = flowfa.simulate(flowfa.Problem(data, (4,), bias="all", rule=("fa", "dfa")), t_end=3.0)
    assert_made_again(run, tmp_path)


def test_a_deep_network_of_another_activation_is_made_again(tmp_path):
    run = flowfa.simulate(problem(widths=(4, 3), activation="tanh"), 2, t_end=2.0)
    assert_made_again(run, tmp_path)


def test_an_extended_run_is_made_again_at_once(tmp_path):
    flowfa.simulate(problem(), 2, t_end=4.0, path=tmp_path / "run.nc")
    extended = flowfa.extend(tmp_path / "run.nc", 9.0, path=tmp_path / "long.nc")
    again = flowfa.rerun(tmp_path / "long.nc")
    assert find_difference(extended.tree, again.tree) is None


@pytest.mark.parametrize(
    "settings",
    [
        {"rate": (0.1, 0.05), "momentum": (0.0, 0.5), "t_end": 2.0},
        {"batch_size": 2, "schedule": "2@5", "steps": 12},
        {"steps": 9, "keep_every_step": True, "observe": ("sharpness",)},
    ],
    ids=["several-rates", "minibatches", "every-step"],
)
def test_training_is_made_again_bit_for_bit(settings, tmp_path):
    assert_made_again(flowfa.train(problem(("gd", "fa", "signfa")), 2, **settings), tmp_path)


def test_feedback_drawn_at_each_step_has_the_scale_of_the_start(tmp_path):
    scaled = [
        flowfa.train(problem("brsf", initial=NormalStart(scale)), 2, steps=10)
        for scale in (0.3, 0.7)
    ]
    configs = [json.loads(run.tree.attrs["config"]) for run in scaled]
    assert [config["init_parameters"] for config in configs] == [{"scale": 0.3}, {"scale": 0.7}]
    assert_made_again(scaled[1], tmp_path)


def test_feedback_drawn_at_each_step_without_a_scale_in_the_file_is_refused():
    run = flowfa.train(problem("brsf", initial=NormalStart(0.3)), 2, steps=3)
    config = json.loads(run.tree.attrs["config"])
    del config["init_parameters"]
    run.tree.attrs["config"] = json.dumps(config)
    with pytest.raises(InputError, match="does not say the parameters of its start 'normal'"):
        flowfa.rerun(run)


@pytest.mark.parametrize(
    "changes",
    [
        {"rtol": 1e-7},
        {"t_end": 2.0},
        {"solver": "bosh3", "rtol": 1e-6},
        {"save": 3},
        {"save_at": (1.0, 1.5)},
        {"until_loss": 0.7},
    ],
    ids=["rtol", "t_end", "solver", "save", "save_at", "until_loss"],
)
def test_a_changed_run_is_the_one_asked_for_so_at_first(changes):
    first = {"t_end": 3.0, "rtol": 1e-5}
    again = flowfa.rerun(flowfa.simulate(problem(), 2, **first), **changes)
    whole = flowfa.simulate(problem(), 2, **first | changes)
    assert find_difference(again.tree, whole.tree) is None
    assert json.loads(again.tree.attrs["config"]) == json.loads(whole.tree.attrs["config"])


def test_a_changed_training_is_the_one_asked_for_so_at_first():
    run = flowfa.train(problem(), 2, rate=(0.1, 0.05), steps=10)
    again = flowfa.rerun(run, rate=0.02, t_end=1.0)
    whole = flowfa.train(problem(), 2, rate=0.02, t_end=1.0)
    assert find_difference(again.tree, whole.tree) is None


@pytest.mark.parametrize(
    ("group", "name"), [("weights", "W2"), ("solver", "steps"), ("trajectory", "loss")]
)
def test_one_changed_number_is_a_difference(group, name):
    run = flowfa.simulate(problem("fa"), 2, t_end=1.0, save=3)
    other = run.tree.copy(deep=True)
    values = other[group][name].values
    values.flat[0] = np.nextafter(values.flat[0], 9) if values.dtype.kind == "f" else 0
    assert find_difference(run.tree, other) == f"/{group}/{name}"


def test_a_rule_that_is_not_registered_is_refused_in_one_line(tmp_path):
    RULES.named("doubled-again")(DoubledAgain)
    try:
        flowfa.simulate(problem("doubled-again"), 1, t_end=1.0, path=tmp_path / "run.nc")
        assert flowfa.rerun(tmp_path / "run.nc").statuses == ["ok"]
    finally:
        RULES.forget("doubled-again")
    with pytest.raises(InputError, match="'doubled-again', which is not known here"):
        flowfa.rerun(tmp_path / "run.nc")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rtoll": 1e-5}, "unknown setting of the run: 'rtoll': did you mean 'rtol'"),
        ({"rate": 0.1}, "unknown setting of the run: 'rate'"),
        ({"rtol": -1.0}, "`rtol` is -1.0"),
        ({"solver": "gauss6", "device": "nowhere"}, "nowhere"),
    ],
)
def test_settings_that_do_not_fit_are_refused(changes, words):
    run = flowfa.simulate(problem("fa"), 1, t_end=1.0, save=3)
    with pytest.raises(InputError, match=words):
        flowfa.rerun(run, **changes)


def test_the_command_says_whether_the_run_is_the_same(tmp_path, capsys):
    flowfa.simulate(problem("fa"), 2, t_end=2.0, path=tmp_path / "run.nc")
    assert main(["rerun", str(tmp_path / "run.nc")]) == 0
    out = capsys.readouterr().out
    assert "again, as it was" in out and "bit for bit" in out
    assert (tmp_path / "run-rerun.nc").exists()
    assert main(["rerun", str(tmp_path / "run.nc")]) == 64
    assert "run-rerun.nc" in capsys.readouterr().err
    finer = ["--rtol", "1e-6", "--json", "--overwrite"]
    assert main(["rerun", str(tmp_path / "run.nc"), *finer]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["identical"] is None and document["status"] == "ok"


def test_the_command_names_the_variable_that_another_machine_gave_differently(
    tmp_path, capsys, monkeypatch
):
    flowfa.simulate(problem("fa"), 2, t_end=2.0, path=tmp_path / "run.nc")
    flowfa.simulate(problem("fa"), 2, t_end=2.0, seed=1, path=tmp_path / "other.nc")
    monkeypatch.setattr(
        "flowfa.simulation.rerunning.rerun",
        lambda *args, **more: flowfa.Run.open(tmp_path / "other.nc"),
    )
    assert main(["rerun", str(tmp_path / "run.nc")]) == 1
    assert "/trajectory/accuracy differs" in capsys.readouterr().out
