"""The keywords of `flowfa.simulate` and `flowfa.train`, and slips in them."""

import inspect

import numpy as np
import pytest
import torch

import flowfa
from flowfa.errors import InputError
from flowfa.settings import (
    FlowSettings,
    StartsSettings,
    StorageSettings,
    TrainingSettings,
    declarations,
)
from flowfa.settings.recording import ThreadsSettings
from flowfa.training import Schedule

BESIDES = {"problem", "path", "progress", "argv"}


def data():
    return flowfa.datasets.gaussian(samples=4, dim=3, seed=0)


def problem(**more):
    return flowfa.Problem(data(), widths=(3,), **more)


@pytest.mark.parametrize(
    ("function", "group"),
    [(flowfa.simulate, FlowSettings), (flowfa.train, TrainingSettings)],
)
def test_keywords_are_the_settings_with_their_defaults(function, group):
    parameters = inspect.signature(function).parameters
    declared = {}
    for part in (group, StartsSettings, StorageSettings, ThreadsSettings):
        declared |= {name: entry.default for name, entry in declarations(part).items()}
    assert set(parameters) - BESIDES == set(declared)
    for name, default in declared.items():
        assert parameters[name].default == default, name
        assert parameters[name].kind is not inspect.Parameter.VAR_KEYWORD
        assert name in function.__doc__, name


@pytest.mark.parametrize("function", [flowfa.simulate, flowfa.train])
def test_an_unknown_keyword_is_pythons_own_error(function):
    with pytest.raises(TypeError, match="tend"):
        function(problem(), tend=1.0)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"trajectories": "8"}, "`trajectories` is '8': expected a whole number"),
        ({"trajectories": 0}, "`trajectories` is 0"),
        ({"seed": -1}, "`seed` is -1"),
        ({"threads": 0}, "`threads` is 0"),
        ({"threads": "two"}, "`threads` is 'two': expected a whole number"),
        ({"seed": 0.5}, "`seed` is 0.5: expected a whole number"),
        ({"t_end": "10"}, "`t_end` is '10': expected a number"),
        ({"save": 1}, "`save` is 1: expected a whole number of at least 2"),
        ({"rtol": True}, "`rtol` is True: expected a number"),
        ({"solver": None}, "`solver` is None: expected a text; leave it out for its default auto"),
        ({"device": None}, "`device` is None"),
        ({"dtype": np.float64}, "`dtype` is"),
        ({"resume": "yes"}, "`resume` is 'yes': expected true or false"),
        ({"checkpoint_every": 0}, "`checkpoint_every` is 0.0"),
    ],
)
def test_a_slip_is_answered_by_one_line(settings, told):
    with pytest.raises(InputError) as caught:
        flowfa.simulate(problem(), **settings)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"rule": []}, "no rule was given"),
        ({"rule": None}, "`rule` is None: expected a name"),
        ({"rule": 5}, "`rule` is of type int"),
        ({"widths": "5"}, "`widths` is '5': expected a whole number"),
        ({"widths": 0}, "`widths` is 0"),
        ({"widths": []}, "`widths` has no number"),
        ({"leak": "0.1"}, "`leak` is '0.1': expected a number"),
        ({"loss": 5}, "`loss` is of type int"),
        ({"initial": None}, "`initial` is None"),
        ({"bias": None}, "`bias` is None"),
    ],
)
def test_a_slip_in_a_problem_is_answered_by_one_line(given, told):
    with pytest.raises(InputError) as caught:
        flowfa.Problem(data(), **given)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_data_that_are_no_dataset_are_answered_by_one_line():
    with pytest.raises(InputError, match="of type ndarray: expected a Dataset"):
        flowfa.Problem(np.ones((3, 2)))


def test_a_width_alone_is_one_hidden_layer():
    assert flowfa.Problem(data(), widths=5).sizes == (3, 5, 1)
    assert flowfa.Problem(data(), widths=np.int64(5)).sizes == (3, 5, 1)


def test_numbers_of_numpy_give_the_run_of_pythons_numbers():
    plain = flowfa.simulate(problem(), 2, t_end=0.1, save=5, rtol=1e-5, solver="bosh3")
    given = flowfa.simulate(
        problem(),
        np.int64(2),
        seed=np.uint8(0),
        t_end=np.float64(0.1),
        save=np.int32(5),
        rtol=np.float64(1e-5),
        solver="bosh3",
        device=torch.device("cpu"),
        dtype=torch.float64,
    )
    assert given.tree.attrs["config"] == plain.tree.attrs["config"]
    np.testing.assert_array_equal(
        given.tree["trajectory"]["loss"].values, plain.tree["trajectory"]["loss"].values
    )


def test_a_schedule_and_its_text_are_the_same_training():
    runs = [
        flowfa.train(problem(), 1, steps=6, rate=0.1, schedule=schedule)
        for schedule in ("2@3", Schedule(2.0, at=(3,)))
    ]
    assert runs[0].tree.attrs["config"] == runs[1].tree.attrs["config"]


@pytest.mark.parametrize("function", [flowfa.simulate, flowfa.train])
def test_resuming_without_a_path_is_answered_by_one_line(function):
    data = flowfa.datasets.orthogonally_separable(samples=4, dim=3, seed=0)
    with pytest.raises(InputError, match="`resume` is True, but there is no `path`"):
        function(flowfa.Problem(data, 3), 1, resume=True)
