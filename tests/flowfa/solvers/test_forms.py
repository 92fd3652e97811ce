"""The hybrid and the event solver on feedback of every form a v + B + M * sign(v) (C-12)."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from flowfa.flow.surfaces import find_surfaces
from flowfa.problems.rules import LowRankFeedbackAlignment
from flowfa.solvers.hybrid.first import first_memory
from flowfa.solvers.hybrid.layers import Setting
from flowfa.solvers.hybrid.newton import tangent_kernel
from flowfa.solvers.hybrid.records import Memory
from flowfa.solvers.one_hidden_layer.network import augmented_inputs, feedback_of
from flowfa.solvers.stepping.status import Status
from tests.support.rules import Mixed
from tests.support.sliding import agrees_with_euler, integrate, network

FORMS = (
    "kolen-pollack",
    LowRankFeedbackAlignment(1),
    Mixed(share=0.5, magnitude=0.0),
    Mixed(share=0.0, magnitude=0.7),
    Mixed(share=0.5, magnitude=0.7),
    Mixed(share=-0.3, magnitude=0.7),
)


def _named(rule):
    """Return a rule whose name tells its parameters, so that several stand side by side."""
    if isinstance(rule, Mixed):
        rule.name = f"mixed {rule.share:g} {rule.magnitude:g}"
    return rule


RULES = tuple(_named(rule) for rule in FORMS)


@pytest.mark.parametrize(
    ("loss", "bias", "outputs"),
    [
        ("squared", "none", 1),
        pytest.param("cross-entropy", "all", 3, marks=pytest.mark.slow),
    ],
)
def test_hybrid_agrees_with_the_event_solver(loss, bias, outputs):
    """They share nothing of their dynamics, and count the same events."""
    flow = network(loss, RULES, bias, starts=1, outputs=outputs)
    event, _ = integrate(flow, "event", end=5.0, rtol=1e-8)
    assert event.status == [Status.OK] * len(flow)
    hybrid, _ = integrate(flow, end=5.0, rtol=1e-6)
    assert float((hybrid.state - event.state).abs().max()) < 1e-5
    for name in ("crossings", "slidings", "exits", "flips", "repelling"):
        assert hybrid.counters[name].tolist() == event.counters[name].tolist(), name
    if outputs > 1:
        # Signs flip under feedback that moves within the step too.
        assert hybrid.counters["slidings"].sum() > 5
        assert hybrid.counters["flips"][4:].min() > 0


def test_hybrid_agrees_with_extrapolated_euler():
    flow = network("exponential", RULES, starts=1)
    run, _ = integrate(flow, end=4.0, rtol=1e-6)
    assert run.status == [Status.OK] * len(flow)
    agrees_with_euler(flow, run, 4.0)


def test_hybrid_agrees_with_dopri5_on_smooth_flows():
    flow = network("logistic", RULES, starts=1, leak=1.0)
    run, _ = integrate(flow, end=3.0, rtol=1e-8)
    other, _ = integrate(flow, "dopri5", end=3.0, rtol=1e-9, atol=1e-11)
    # The signs of out-weights jump, which dopri5 meets with short steps.
    assert float((run.state - other.state).abs().max()) < 1e-6


def _drift(flow, rtol):
    rows = torch.arange(len(flow))
    before = flow.observe(flow.initial, rows)["conserved"]
    run, _ = integrate(flow, rtol=rtol)
    return float((flow.observe(run.state, rows)["conserved"] - before).abs().max())


def test_law_holds_to_rounding_where_the_feedback_does_not_move():
    """C-1 at any tolerance: the paths are exact under the guessed signals."""
    assert _drift(network(rules=(RULES[1], RULES[3])), 1e-3) < 1e-12


def test_law_holds_to_the_tolerance_where_the_feedback_moves():
    """As under gd: b is a polynomial through the nodes, and v is not."""
    flow = network(rules=(RULES[0], RULES[2], RULES[4]))
    coarse, fine = _drift(flow, 1e-4), _drift(flow, 1e-6)
    assert coarse < 1e-3 and fine < coarse / 20.0


def test_weights_without_magnitudes_meet_no_flip():
    flow = network("cross-entropy", (RULES[2],), starts=2, outputs=3)
    run, _ = integrate(flow, rtol=1e-4)
    assert run.counters["flips"].sum() == 0


@pytest.mark.parametrize("rule", RULES)
def test_newton_knows_how_the_output_moves(rule):
    """df/dt = Theta r at a state, for every form: Theta by hand, df/dt by the field."""
    flow = network("cross-entropy", (rule,), "all", starts=2, outputs=3)
    field = flow.field
    surfaces = find_surfaces(augmented_inputs(field))
    setting = Setting(field, surfaces, feedback_of(field))
    arrays, _ = first_memory(setting, flow.initial, 1.0, 1.0)
    kernel = np.stack(
        [
            tangent_kernel(
                setting.layer(row),
                Memory(
                    flow.initial[row].numpy(),
                    arrays["zeta"][row],
                    arrays["modes"][row],
                    arrays["farthest"][row],
                    arrays["weights"][row],
                    arrays["signals"][row],
                    np.zeros(5),
                    arrays["flags"][row],
                ),
            )
            for row in range(2)
        ]
    )
    forward = field.forward(flow.initial)
    r = field.output_signal(forward)
    moved = np.einsum("icskt,ikt->ics", kernel, r.numpy())
    velocity = field(torch.zeros(2), flow.initial)
    _, exact = torch.autograd.functional.jvp(
        lambda state: field.forward(state).output, flow.initial, velocity
    )
    np.testing.assert_allclose(moved, exact.numpy(), rtol=1e-11, atol=1e-13)
