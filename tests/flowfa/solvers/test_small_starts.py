"""The hybrid solver from small starts, which grow by orders of magnitude."""

from __future__ import annotations

import pytest
import torch

from flowfa.solvers.registry import make_solver
from flowfa.solvers.stepping.integration import Integration
from flowfa.solvers.stepping.solve import solve
from tests.support.nightly import some_now
from tests.support.sliding import integrate
from tests.support.units import small_start

END = 30.0


def largest_so_far(flow, states):
    """The largest preactivation or out-weight up to each time, (save,)."""
    views = flow.layout.views(states)
    z = views["W1"] @ flow.field.inputs.T
    size = torch.maximum(z.abs().amax((1, 2)), views["W2"].abs().amax((1, 2)))
    return size.cummax(0).values


@pytest.mark.parametrize("rule", ["gd", "fa", "signfa"])
@pytest.mark.parametrize("loss", some_now(["squared", "logistic"], ["squared"]))
def test_error_is_a_share_of_the_size_so_far_while_it_grows(rule, loss):
    flow = small_start(rule, loss, 1e-6)
    reference, exact = integrate(flow, "event", end=END, saves=13, rtol=1e-11, atol=1e-22)
    assert reference.counters["repelling"] == 0
    size = largest_so_far(flow, exact[0])
    assert size[-1] > 5.0 * size[0]
    for rtol in (1e-4, 1e-6):
        run, states = integrate(flow, end=END, saves=13, rtol=rtol)
        assert run.counters["repelling"] == 0
        assert float(((states - exact)[0].abs().amax(1) / size).max()) < rtol


@pytest.mark.parametrize("rule", ["fa", "signfa"])
def test_steps_from_a_small_start_are_not_those_of_its_size(rule):
    """What has grown to the size of 1 is integrated with the steps of a start of that size."""
    counts = {}
    for size in (1.0, 1e-6):
        run, _ = integrate(small_start(rule, "squared", size), end=END, rtol=1e-7)
        counts[size] = int(run.counters["steps"][0])
    assert counts[1e-6] < 2.0 * counts[1.0] + 30.0


def test_sizes_so_far_are_kept_in_checkpoints():
    """Continued after the weights have grown and shrunk, the run takes the same steps."""
    flow = small_start("fa", "squared", 1e-3)
    whole, _ = integrate(flow, end=END, rtol=1e-6)
    run = Integration.begin(flow.initial, torch.tensor([0.0, END], dtype=torch.float64))

    def stop(run):
        if run.counters["steps"].max() >= whole.counters["steps"][0] // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        solve(flow.field, run, make_solver("hybrid", rtol=1e-6), lambda *_: None, stop)
    restored = Integration.from_arrays(run.to_arrays(), torch.device("cpu"))
    assert (restored.memory["size"] > 10.0 * flow.initial.abs().max()).all()
    solve(flow.field, restored, make_solver("hybrid", rtol=1e-6), lambda *_: None)
    assert torch.equal(restored.state, whole.state)
    assert restored.counters["steps"] == whole.counters["steps"]
