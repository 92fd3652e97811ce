"""The compiled passes of deep networks, and the drives of pairs that slide."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from flowfa.flow.locked_modes.network import network_of
from flowfa.flow.locked_modes.passes import forward, set_feedback, space_for
from flowfa.flow.locked_modes.signs import signs_of
from flowfa.flow.locked_modes.sliding import eliminate, evaluate, sliding_pairs, solve
from tests.support.sliding import network

RULES = ("gd", "fa", "signfa", "frsf", "dfa", "kolen-pollack")


def prepared(flow, row):
    """Return network, space, state and the modes that the signs of preactivations give."""
    net = network_of(flow.field, row)
    space, state = space_for(net), flow.initial[row].numpy().copy()
    set_feedback(net, signs_of(net, state), space.feedback)
    modes = np.ones(int(net.pair_at[-1]), np.int8)
    for layer in range(1, len(net.sizes) - 1):
        forward(net, space, state, modes)
        place = slice(int(net.pair_at[layer]), int(net.pair_at[layer + 1]))
        modes[place] = np.where(space.z[place] > 0.0, 1, -1)
    return net, space, state, modes


def evaluated(net, space, state, modes, velocity):
    """Write the velocity under locked modes, and return whether sliding has a solution."""
    members = sliding_pairs(net, modes)
    factors, order = np.empty((len(members), len(members))), np.empty(len(members), np.int64)
    return evaluate(net, space, state, modes, members, velocity, True, factors, order, True)


def samples(kind):
    X = np.random.default_rng(0).standard_normal((6, 4))
    if kind == "opposite":
        X[3], X[4], X[5] = -2.0 * X[0], 1.5 * X[1], X[2]
    return X


@pytest.mark.parametrize("kind", ["plain", "opposite"])
@pytest.mark.parametrize("loss", ["exponential", "cross-entropy", "squared"])
@pytest.mark.parametrize("bias", ["none", "all"])
def test_velocity_is_that_of_the_field(kind, loss, bias):
    """torch's field has no modes, and knows nothing of rays and surfaces."""
    for widths in ((6, 4), (4, 3, 5)):
        flow = network(loss, RULES, bias, 0.2, samples(kind), 1, widths=widths, outputs=2)
        expected = flow.field(torch.tensor(0.0), flow.initial).numpy()
        for row in range(len(flow)):
            net, space, state, modes = prepared(flow, row)
            velocity = np.empty_like(state)
            assert evaluated(net, space, state, modes, velocity)
            assert np.abs(velocity - expected[row]).max() < 1e-13 * np.abs(velocity).max()
            # The motion of preactivations, by differences along the velocity.
            motion, step = space.velocity.copy(), 1e-6
            forward(net, space, state + step * velocity, modes)
            ahead = space.z.copy()
            forward(net, space, state - step * velocity, modes)
            quotient = (ahead - space.z) / (2.0 * step)
            assert np.abs(quotient - motion).max() < 1e-5 * np.abs(motion).max()


@pytest.mark.parametrize("kind", ["plain", "opposite"])
@pytest.mark.parametrize("bias", ["none", "all"])
def test_pairs_that_slide_in_any_layer_stay_where_they_are(kind, bias):
    flow = network("squared", RULES, bias, 0.2, samples(kind), 1, widths=(5, 4, 6), outputs=2)
    random = np.random.default_rng(1)
    for row in range(len(flow)):
        net, space, state, modes = prepared(flow, row)
        before = modes.copy()
        modes[random.choice(len(modes), 5, replace=False)] = 0
        members, velocity = sliding_pairs(net, modes), np.empty_like(state)
        assert evaluated(net, space, state, modes, velocity)
        held, fastest = members[:, 3], np.abs(space.velocity).max()
        assert np.abs(space.velocity[held]).max() < 1e-12 * fastest
        # A control: with the slopes of their sides they move.
        assert evaluated(net, space, state, before, velocity)
        assert np.abs(space.velocity[held]).min() > 1e-9 * fastest


@pytest.mark.parametrize("size", [1, 7, 24, 25, 90])
def test_elimination_by_blocks_solves_like_numpy(size):
    random = np.random.default_rng(size)
    matrix, right = random.standard_normal((size, size)), random.standard_normal(size)
    factors, order, out = matrix.copy(), np.empty(size, np.int64), np.empty(size)
    assert eliminate(factors, order)
    solve(factors, order, right, out)
    expected = np.linalg.solve(matrix, right)
    allowed = 1e-14 * size * np.linalg.cond(matrix) * np.abs(expected).max()
    assert np.abs(out - expected).max() < allowed


def test_a_singular_matrix_is_told():
    assert not eliminate(np.ones((3, 3)), np.empty(3, np.int64))
