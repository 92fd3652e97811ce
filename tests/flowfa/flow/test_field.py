"""The vector field against autograd, for all rules, losses, depths and biases."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from flowfa.datasets.dataset import Dataset
from flowfa.flow.network_flow import NetworkFlow
from flowfa.problems import Problem, build_ensemble
from flowfa.problems.losses import LOSSES
from flowfa.problems.rules import RULES
from flowfa.problems.starts import NormalStart
from flowfa.seeds import generator
from tests.support.oracles import direct_updates, updates

BUILT_IN = ("gd", "fa", "adafa", "signfa", "dfa", "frsf")
LABELS = {
    "exponential": "binary",
    "logistic": "binary",
    "cross-entropy": "classes",
    "squared": "targets",
}


def data(loss, samples=7, dim=5, trajectories=None):
    random = generator(1, "field test")
    leading = () if trajectories is None else (trajectories,)
    y = {
        "binary": random.choice((-1.0, 1.0), (*leading, samples)),
        "classes": np.broadcast_to(np.arange(samples) % 3, (*leading, samples)).astype(float),
        "targets": random.standard_normal((*leading, samples, 2)),
    }[LABELS[loss]]
    return Dataset(random.standard_normal((*leading, samples, dim)), y)


def flow_of(dataset, rules=BUILT_IN, widths=(4,), loss="exponential", bias="none", leak=0.2):
    problem = Problem(dataset, widths, leak, rules, loss, bias, initial=NormalStart(0.6))
    return NetworkFlow(problem, build_ensemble(problem, 2, seed=5))


def shaken(flow):
    noise = generator(2, "shake").standard_normal(tuple(flow.initial.shape))
    return flow.initial + 0.2 * torch.tensor(noise)


def kept_by(flow, row):
    group = next(g for g in flow.field.groups if g.start <= row < g.stop)
    return group, {name: matrix[row - group.start] for name, matrix in group.kept.items()}


@pytest.mark.parametrize(
    ("loss", "widths", "bias", "dim"),
    [
        (loss, widths, bias, dim)
        for (loss, bias), (widths, dim) in itertools.product(
            itertools.product(LABELS, ("none", "hidden", "all")), (((4,), 5), ((4, 3, 6), 12))
        )
    ],
)
def test_velocity_is_minus_the_update_of_autograd(loss, widths, bias, dim):
    """dim = 12 > 7 samples also goes through the reduction to the span of the data."""
    flow = flow_of(data(loss, dim=dim), widths=widths, loss=loss, bias=bias)
    states = shaken(flow)
    rows = torch.arange(len(flow))
    velocity = flow.field(torch.zeros(len(flow)), states)
    # The velocity of W_1 in the user's coordinates: a unit step, mapped back, minus the start.
    moved = flow.parameters(states + velocity, rows)
    here = flow.parameters(states, rows)
    X, y = torch.tensor(flow.problem.data.X), torch.tensor(flow.problem.data.y)
    depth = flow.layout.layers
    for row in range(len(flow)):
        weights = [here[f"W{layer}"][row] for layer in range(1, depth + 1)]
        biases = [
            here[f"c{layer}"][row] if f"c{layer}" in here else torch.zeros(len(weights[layer - 1]))
            for layer in range(1, depth + 1)
        ]
        biases = [c.double() for c in biases]
        group, kept = kept_by(flow, row)
        if group.rule.name == "dfa":
            direct = [kept[f"D{layer}"] for layer in range(1, depth)]
            expected = direct_updates(loss, X, y, weights, biases, 0.2, direct)
        else:
            matrix = {
                "gd": lambda w, layer: w.T,
                "fa": lambda w, layer, kept=kept: kept[f"B{layer}"],
                "adafa": lambda w, layer, row=row: _start(flow, row, layer).T,
                "signfa": lambda w, layer: torch.sign(w).T,
                "frsf": lambda w, layer, kept=kept: kept[f"M{layer}"] * torch.sign(w).T,
            }[group.rule.name]
            feedback = [matrix(w, layer) for layer, w in enumerate(weights[1:], start=2)]
            expected = updates(loss, X, y, weights, biases, 0.2, feedback)
        for layer in range(1, depth + 1):
            step = moved[f"W{layer}"][row] - here[f"W{layer}"][row]
            torch.testing.assert_close(step, -expected[0][layer - 1], rtol=1e-12, atol=1e-13)
            if f"c{layer}" in here:
                step = moved[f"c{layer}"][row] - here[f"c{layer}"][row]
                torch.testing.assert_close(step, -expected[1][layer - 1], rtol=1e-12, atol=1e-13)


def _start(flow, row, layer):
    return flow.layout.views(flow.initial)[f"W{layer}"][row]


def test_oracle_rejects_a_wrong_feedback_matrix():
    """Negative control: with one entry of B changed the comparison above must fail."""
    flow = flow_of(data("exponential"), rules=("fa",))
    velocity = flow.field(torch.zeros(2), flow.initial)
    flow.field.groups[0].kept["B2"][0, 1, 0] += 1e-6
    changed = flow.field(torch.zeros(2), flow.initial)
    assert not torch.allclose(velocity[0], changed[0], rtol=1e-12, atol=1e-13)
    assert torch.equal(velocity[1], changed[1])


@pytest.mark.parametrize(("samples", "dim", "widths"), [(7, 5, (4, 3)), (15, 7, (31,))])
def test_rules_side_by_side_equal_rules_alone(samples, dim, widths):
    """Odd numbers of entries let every second matrix of a batch begin between multiples of 16."""
    dataset = data("exponential", samples, dim)
    together = flow_of(dataset, widths=widths)
    velocity = together.field(torch.zeros(len(together)), together.initial)
    for index, rule in enumerate(BUILT_IN):
        alone = flow_of(dataset, rules=(rule,), widths=widths)
        expected = alone.field(torch.zeros(2), alone.initial)
        assert torch.equal(velocity[2 * index : 2 * index + 2], expected)


def test_a_velocity_does_not_depend_on_how_many_stand_before_it():
    flow = flow_of(data("exponential", 15, 7), widths=(31,))
    together = flow.field(torch.zeros(len(flow)), flow.initial)
    for row in range(len(flow)):
        chosen = torch.tensor([row])
        alone = flow.field.select(chosen)(torch.zeros(1), flow.initial[chosen])
        assert torch.equal(together[chosen], alone)


def test_data_of_their_own_equal_runs_on_each_data_set():
    own = data("squared", trajectories=2)
    flow = flow_of(own, loss="squared", widths=(4, 3))
    velocity = flow.field(torch.zeros(len(flow)), flow.initial)
    for start in range(2):
        single = flow_of(Dataset(own.X[start], own.y[start]), loss="squared", widths=(4, 3))
        expected = single.field(torch.zeros(len(flow)), flow.initial)
        mine = torch.arange(start, len(flow), 2)
        torch.testing.assert_close(velocity[mine], expected[mine], rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("trajectories", [None, 2])
def test_reduction_to_the_span_changes_nothing(trajectories):
    """The same data padded by samples of weight zero are not reduced: n >= d."""
    wide = data("squared", samples=4, dim=9, trajectories=trajectories)
    flow = flow_of(wide, loss="squared", widths=(3,))
    assert flow.layout.sizes[0] == 4
    rows = torch.arange(len(flow))
    states = shaken(flow)
    original = flow.parameters(flow.initial, rows)["W1"]
    problem = flow.problem
    expected = build_ensemble(problem, 2, seed=5).weights[0]
    assert torch.equal(original, torch.tensor(np.tile(expected, (6, 1, 1))))
    X = torch.tensor(wide.X if trajectories is None else wide.X[flow.starts])
    W1 = flow.parameters(states, rows)["W1"]
    direct = W1 @ (X if X.ndim == 3 else X.expand(len(flow), *X.shape)).transpose(1, 2)
    seen = flow.field.forward(states).preactivations[0]
    torch.testing.assert_close(seen, direct, rtol=1e-12, atol=1e-13)
    norms = flow.observe(states, rows)["weight_norm"][:, 0]
    torch.testing.assert_close(norms, W1.flatten(1).norm(dim=1), rtol=1e-13, atol=0.0)


def test_eq_1_factorises_the_loss_rate():
    """dLoss/dt by central differences along the flow equals -cos ||grad|| ||G|| of Eq. (1)."""
    flow = flow_of(data("logistic"), loss="logistic", widths=(4, 3))
    rows, states = torch.arange(len(flow)), shaken(flow)
    seen = flow.observe(states, rows)
    velocity = flow.field(torch.zeros(len(flow)), states)
    h = 1e-6
    ahead = flow.observe(states + h * velocity, rows)["loss"]
    behind = flow.observe(states - h * velocity, rows)["loss"]
    # Rounding in the losses, 1e-16 / 2h, bounds the accuracy of the difference quotient.
    torch.testing.assert_close(seen["loss_rate"], (ahead - behind) / (2 * h), rtol=1e-6, atol=1e-9)
    product = -seen["cosine"] * seen["gradient_norm"] * seen["update_norm"]
    torch.testing.assert_close(seen["loss_rate"], product, rtol=1e-13, atol=0.0)


def test_field_runs_on_every_device(device):
    problem = Problem(data("exponential"), (4,), 0.2, BUILT_IN)
    ensemble = build_ensemble(problem, 2, seed=5)
    here = NetworkFlow(problem, ensemble)
    there = NetworkFlow(problem, ensemble, device)
    velocity = there.field(torch.zeros(12, device=device), there.initial)
    expected = here.field(torch.zeros(12), here.initial)
    assert velocity.dtype == torch.float64
    torch.testing.assert_close(velocity.cpu(), expected, rtol=1e-12, atol=1e-14)


def test_every_built_in_rule_and_loss_is_tested_here():
    assert set(BUILT_IN) <= set(RULES.names())
    assert set(LABELS) == set(LOSSES.names())
