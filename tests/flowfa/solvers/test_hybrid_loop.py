"""The hybrid solver's loop: threads, calls, save times and losses make no difference."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import flowfa
from flowfa.datasets.dataset import Dataset
from flowfa.flow.network_flow import NetworkFlow
from flowfa.problems.ensemble import build_ensemble
from flowfa.problems.losses.squared import Squared
from tests.support.sliding import integrate, network


@pytest.mark.parametrize(("rules", "width", "end"), [(("gd", "fa"), 30, 1.0), (("fa",), 520, 0.2)])
def test_bits_do_not_depend_on_the_threads(rules, width, end):
    """Several trajectories have a thread each; the neurons of a large single one share them."""
    flow = network(rules=rules, width=width, starts=1)
    one, _ = integrate(flow, end=end, rtol=1e-4)
    torch.set_num_threads(2)
    try:
        two, _ = integrate(flow, end=end, rtol=1e-4)
    finally:
        torch.set_num_threads(1)
    assert torch.equal(one.state, two.state) and (one.counters["steps"] >= 3).all()


def test_bits_do_not_depend_on_how_many_steps_a_call_takes(monkeypatch):
    flow = network(starts=1)
    whole, saved = integrate(flow, saves=5, rtol=1e-4)
    monkeypatch.setattr("flowfa.solvers.hybrid.solver.MOST_STEPS", 1)
    stepped, saved_stepped = integrate(flow, saves=5, rtol=1e-4)
    assert torch.equal(whole.state, stepped.state) and torch.equal(saved, saved_stepped)
    for name, count in whole.counters.items():
        np.testing.assert_array_equal(count, stepped.counters[name])


DATA = Dataset(
    np.random.default_rng(5).standard_normal((7, 4)), np.random.default_rng(6).standard_normal(7)
)


@pytest.mark.parametrize("rules", [("fa", "gd"), ("signfa",)])
def test_a_loss_of_ones_own_has_the_numbers_of_the_compiled_one(rules):
    """Its derivative is taken in torch, sweep by sweep; Newton's correction needs its slope too."""

    class Own(Squared):
        """Not compiled, because it is another class."""

    known, own = (
        NetworkFlow(problem, build_ensemble(problem, 1, 0))
        for problem in (
            flowfa.Problem(DATA, (8,), 0.1, rules, loss, initial="xavier")
            for loss in ("squared", Own())
        )
    )
    (one, saved), (other, saved_other) = (
        # Later on decisions that rounding can change make a difference of the tolerance's size.
        integrate(flow, end=2.0, saves=7, rtol=1e-5)
        for flow in (known, own)
    )
    np.testing.assert_allclose(saved_other, saved, atol=1e-9)
    for name in ("steps", "evaluations", "crossings", "slidings", "exits"):
        np.testing.assert_array_equal(one.counters[name], other.counters[name])


def test_more_save_times_in_a_step_than_there_is_room_for_are_all_saved():
    flow = network(rules=("fa",), starts=1)
    _, few = integrate(flow, end=1.0, saves=3, rtol=1e-3)
    _, many = integrate(flow, end=1.0, saves=601, rtol=1e-3)
    assert bool(many.isfinite().all())
    np.testing.assert_allclose(many[:, [0, 300, 600]], few, rtol=1e-12, atol=1e-14)
