"""Numbers near the ends of what a double holds: a result, or a reason, and no warning or hang."""

from __future__ import annotations

import numpy as np
import pytest

import flowfa
from flowfa.datasets import Dataset
from flowfa.errors import InputError
from flowfa.problems.starts.from_file import GivenStart
from flowfa.problems.starts.normal import NormalStart
from tests.support.damage import SOAK

EXPONENTS = range(-150, 151, 25 if SOAK else 75)
RULES = ("gd", "fa", "adafa", "signfa", "dfa")
MOST_STEPS = 100


def problem_of(scale_of_data, scale_of_start, loss="exponential"):
    data = flowfa.datasets.gaussian(samples=4, dim=3, seed=0)
    scaled = Dataset(data.X * scale_of_data, data.y)
    start = NormalStart(scale_of_start)
    return flowfa.Problem(scaled, (3,), rule=RULES, loss=loss, initial=start)


def assert_honest(run, steps=None):
    """Every trajectory that is ok has a number at every time; every other one has a reason."""
    trajectory, solver = run.tree["trajectory"], run.tree["solver"]
    loss, reached = trajectory["loss"].values, solver["t_reached"].values
    for row, status in enumerate(solver["status"].values):
        if status == "ok":
            assert not np.isnan(loss[row]).any()
            assert reached[row] == 1.0 if steps is None else solver["steps"].values[row] == steps
        else:
            assert str(solver["message"].values[row])
            assert not np.isnan(loss[row, 0]) or status == "non-finite"
    for name in ("loss", "weight_norm", "gradient_norm", "update_norm"):
        values = trajectory[name].values
        assert (values[np.isfinite(values)] >= 0.0).all()


@pytest.mark.parametrize("loss", ["exponential", "squared"])
@pytest.mark.parametrize("exponent", EXPONENTS)
@pytest.mark.parametrize("scaled", ["data", "start", "both"])
def test_a_flow_of_any_scale_ends_with_numbers_or_a_reason(scaled, exponent, loss):
    scale = 10.0**exponent
    problem = problem_of(
        scale if scaled != "start" else 1.0, scale if scaled != "data" else 1.0, loss
    )
    run = flowfa.simulate(problem, 1, t_end=1.0, save=3, max_steps=MOST_STEPS)
    assert_honest(run)
    solver = run.tree["solver"]
    tried = solver["steps"].values + solver["rejected"].values
    assert (tried <= MOST_STEPS).all()
    # Sweeps, of which a step takes 25 at most: a run that goes on and on does more.
    assert (solver["evaluations"].values <= 25 * MOST_STEPS).all()


@pytest.mark.parametrize("exponent", EXPONENTS)
def test_training_at_any_scale_and_rate_ends_with_numbers_or_a_reason(exponent):
    problem = problem_of(1.0, 10.0 ** (exponent / 3))
    rates = (1e-300, 1.0, 10.0 ** abs(exponent), 1e300)
    for rate in rates:
        run = flowfa.train(problem, 1, rate=rate, steps=20, save=3)
        assert_honest(run, steps=20)


def test_gd_that_explodes_diverges_and_keeps_what_it_was_before():
    data = flowfa.datasets.gaussian(samples=4, dim=3, seed=0)
    problem = flowfa.Problem(data, (3,), rule="gd", loss="squared")
    run = flowfa.train(problem, 2, rate=100.0, steps=60, save=61)
    assert run.statuses == ["diverged"] * 2
    loss = run.tree["trajectory"]["loss"].values
    for row in loss:
        known = row[~np.isnan(row)]
        assert np.isfinite(known[0]) and len(known) < len(row)
        assert known[-1] > 1e10 * known[0]


def problem_of_margin(margin):
    """Two samples on the axes and a neuron for each, so that all is known in closed form."""
    root = np.sqrt(margin)
    data = Dataset(np.eye(2), np.array([1.0, -1.0]))
    weights = (root * np.eye(2)[None], root * np.array([[[1.0, -1.0]]]))
    start = GivenStart(weights, (None, None), {}, None, "closed form")
    return flowfa.Problem(data, (2,), rule="gd", leak=0.0, loss="exponential", initial=start)


@pytest.mark.parametrize("margin", [100.0, 400.0, 690.0])
def test_a_loss_of_1e_300_and_its_gradient_have_all_their_digits(margin):
    run = flowfa.simulate(problem_of_margin(margin), 1, t_end=1.0, save=3)
    assert run.statuses == ["ok"]
    trajectory = run.tree["trajectory"]
    loss = trajectory["loss"].values
    np.testing.assert_allclose(loss, np.exp(-margin), rtol=1e-9)
    # Four numbers move, each by half of the loss times the root of the margin.
    gradient = trajectory["gradient_norm"].values
    np.testing.assert_allclose(gradient, loss * np.sqrt(margin), rtol=1e-9)
    np.testing.assert_allclose(trajectory["cosine"].values, 1.0, rtol=1e-12)


def test_a_gradient_of_1e_173_is_not_below_1e_200():
    run = flowfa.simulate(problem_of_margin(400.0), 1, t_end=1.0, save=3, until_gradient=1e-200)
    assert run.statuses == ["ok"]
    with pytest.raises(InputError, match="reached at the start"):
        flowfa.simulate(problem_of_margin(690.0), 1, t_end=1.0, save=3, until_gradient=1e-200)
