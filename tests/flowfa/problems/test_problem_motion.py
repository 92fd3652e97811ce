"""Rates and decay of layers, and weights of samples: what a problem takes and refuses."""

from __future__ import annotations

import numpy as np
import pytest

import flowfa
from flowfa.errors import InputError
from flowfa.problems.starts import MeanFieldStart, NTKStart
from flowfa.settings import SimulateSettings
from flowfa.simulation.from_settings import problem_from
from tests.support.moved_runs import kinked_data


def test_one_number_is_of_all_layers_and_nothing_is_kept_where_nothing_differs():
    problem = flowfa.Problem(kinked_data(), (4, 3), layer_rates=0.5, weight_decay=(0.1, 0, 0.2))
    assert problem.layer_rates == (0.5, 0.5, 0.5)
    assert problem.weight_decay == (0.1, 0.0, 0.2)
    assert "rates 0.5 0.5 0.5" in repr(problem) and "decay 0.1 0 0.2" in repr(problem)
    plain = flowfa.Problem(kinked_data(), (4, 3), layer_rates=(1, 1, 1), weight_decay=0)
    assert plain.layer_rates == plain.weight_decay == ()


def test_another_motion_leaves_the_problem_as_it_was():
    problem = flowfa.Problem(kinked_data(), 4, initial="ntk", weight_decay=0.1)
    other = problem.moving(weight_decay=0.3)
    assert (problem.weight_decay, other.weight_decay) == ((0.1, 0.1), (0.3, 0.3))
    assert problem.layer_rates == other.layer_rates == (1 / 3, 1 / 4)
    assert problem.moving(layer_rates=2.0).layer_rates == (2 / 3, 2 / 4)


@pytest.mark.parametrize(
    ("settings", "words"),
    (
        ({"layer_rates": (1.0, 2.0, 3.0)}, "`layer_rates` has 3 numbers for 2 layers"),
        ({"layer_rates": 0.0}, "`layer_rates` is 0.0: expected a positive"),
        ({"weight_decay": -1.0}, "`weight_decay` is -1.0"),
        ({"weight_decay": float("nan")}, "`weight_decay` is nan"),
        ({"weight_decay": ()}, "`weight_decay` has no number"),
        ({"weight_decay": 0.1, "rule": "kolen-pollack"}, "learns its feedback"),
        ({"parametrisation": "mup"}, "`parametrisation`"),
        ({"parametrisation": "ntk", "initial": "xavier"}, "give one of them"),
        ({"parametrisation": "mean-field", "widths": (4, 3)}, "one hidden layer"),
    ),
)
def test_a_slip_is_answered_by_one_line(settings, words):
    with pytest.raises(InputError, match=words) as refused:
        flowfa.Problem(kinked_data(), **{"widths": 4, **settings})
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("weights", "words"),
    (
        ([1.0, 2.0], "there are 5 samples"),
        ([1.0, 2.0, 3.0, 4.0, -1.0], "has -1"),
        ([1.0, 2.0, 3.0, 4.0, np.nan], "has nan"),
        ([0.0] * 5, "all 0"),
    ),
)
def test_weights_that_do_not_fit_the_samples_are_refused(weights, words):
    data = kinked_data()
    with pytest.raises(InputError, match=words):
        flowfa.Dataset(data.X, data.y, sample_weights=weights)


def test_weights_are_part_of_what_tells_data_sets_apart(tmp_path):
    data = kinked_data()
    plain = flowfa.Dataset(data.X, data.y)
    assert data.digest() != plain.digest()
    flowfa.datasets.save_npz(data, tmp_path / "data.npz")
    assert flowfa.datasets.load_npz(tmp_path / "data.npz").digest() == data.digest()


def test_the_settings_of_the_command_line_make_the_same_problem():
    settings = SimulateSettings(
        dataset="gaussian",
        samples=3,
        dim=2,
        width=(4,),
        layer_rates=(0.5,),
        weight_decay=(0.1, 0.2),
        sample_weights=(1.0, 2.0, 0.0),
        parametrisation="ntk",
        init_scale=2.0,
    )
    problem = problem_from(settings)
    assert isinstance(problem.initial, NTKStart) and problem.initial.scale == 2.0
    assert problem.layer_rates == (0.25, 0.125) and problem.weight_decay == (0.1, 0.2)
    assert problem.data.sample_weights is not None
    assert problem.data.sample_weights.tolist() == [1.0, 2.0, 0.0]


def test_starts_of_a_parametrisation_draw_with_their_factors():
    random = np.random.default_rng(0)
    first, second = NTKStart(3.0).draw_weights((100, 400, 1), random)
    assert np.std(first) == pytest.approx(0.3, rel=0.02)
    assert np.std(second) == pytest.approx(0.15, rel=0.1)
    feedback = MeanFieldStart().draw_feedback("B", 2, (400, 5), (first, second), random)
    assert np.std(feedback) == pytest.approx(1 / 400, rel=0.1)
