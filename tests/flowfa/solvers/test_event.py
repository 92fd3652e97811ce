"""The event solver, and the hybrid solver against it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import flowfa
from flowfa.errors import InputError
from flowfa.solvers.event.selection import select
from flowfa.solvers.registry import make_solver
from flowfa.solvers.stepping.integration import Integration
from flowfa.solvers.stepping.solve import solve
from flowfa.solvers.stepping.status import Status
from tests.support.nightly import some_now
from tests.support.sliding import integrate, network


@pytest.mark.parametrize(
    ("loss", "bias", "outputs"),
    some_now(
        [("exponential", "none", 1), ("cross-entropy", "all", 3), ("squared", "none", 1)],
        [("cross-entropy", "all", 3)],
    ),
)
def test_hybrid_agrees_with_the_event_solver(loss, bias, outputs):
    """All six rules: they share nothing of their dynamics, and count the same events."""
    flow = network(loss, bias=bias, starts=1, outputs=outputs)
    event, _ = integrate(flow, "event", rtol=1e-8)
    assert event.status == [Status.OK] * len(flow)
    assert event.counters["slidings"].sum() > 5
    hybrid, _ = integrate(flow, rtol=1e-6)
    assert float((hybrid.state - event.state).abs().max()) < 1e-5
    for name in ("crossings", "slidings", "exits", "flips", "repelling"):
        assert hybrid.counters[name].tolist() == event.counters[name].tolist()


def test_saved_states_lie_on_the_trajectory():
    flow = network(rules=("fa", "signfa"), starts=1)
    _, states = integrate(flow, "event", end=4.0, saves=9, rtol=1e-8)
    _, others = integrate(flow, end=4.0, saves=9, rtol=1e-9)
    assert float((states - others).abs().max()) < 1e-6


def test_law_holds_to_the_tolerance():
    flow = network(rules=("fa", "gd"), starts=1)
    rows = torch.arange(len(flow))
    before = flow.observe(flow.initial, rows)["conserved"]
    run, _ = integrate(flow, "event", rtol=1e-9)
    drift = (flow.observe(run.state, rows)["conserved"] - before).abs()
    assert float(drift.max()) < 1e-6


def test_stored_and_restored_run_continues_bit_for_bit():
    flow = network(rules=("gd", "signfa"), starts=1)
    whole, _ = integrate(flow, "event", rtol=1e-6)
    solver = make_solver("event", rtol=1e-6)
    run = Integration.begin(flow.initial, torch.tensor([0.0, 8.0], dtype=torch.float64))

    def stop(run):
        if run.counters["steps"].max() >= 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        solve(flow.field, run, solver, lambda *_: None, stop)
    restored = Integration.from_arrays(run.to_arrays(), torch.device("cpu"))
    solve(flow.field, restored, make_solver("event", rtol=1e-6), lambda *_: None)
    assert torch.equal(restored.state, whole.state)


def test_one_sliding_surface_keeps_its_velocity_zero():
    """One surface has a closed form: it slides if the ends of the box push it both ways."""
    E = np.array([[1.0, 0.0], [0.6, 0.8]])
    push, offset = np.array([-1.0, 1.0]), np.zeros(2)
    modes, undecided = select(E, np.array([0]), np.array([1, 1]), push, offset, 0.1)
    assert modes.tolist() == [0, 1] and undecided == 0
    modes, _ = select(E, np.array([0]), np.array([1, 1]), push * [1.0, 2.0], offset, 0.1)
    assert modes.tolist() == [1, 1]
    modes, _ = select(E, np.array([0]), np.array([1, 1]), push * [1.0, 0.1], offset, 0.1)
    assert modes.tolist() == [-1, 1]


def test_what_it_cannot_treat_is_refused_with_the_remedy():
    data = flowfa.datasets.gaussian(samples=5, dim=4)
    with pytest.raises(InputError, match="leave out `dtype`"):
        flowfa.simulate(flowfa.Problem(data, (4,)), 1, solver="event", dtype="float32")
