"""Counts against closed forms of the literature, and of the theory (C-9, C-14)."""

from __future__ import annotations

import numpy as np
import pytest

from flowfa.errors import InputError
from flowfa.problems.activations import SmoothedLeakyReLU, SquaredReLU, Tanh
from flowfa.problems.rules import FeedbackAlignment
from tests.support.laws import LINEAR, WithFeedback, dynamics, one_entry_drifts, random_sizes
from theory_checks.laws.counting.rank import count_laws

NETS = [random_sizes(np.random.default_rng(seed)) for seed in range(8)]


def laws(rule, *sizes, **more):
    counted = count_laws(dynamics(rule, *sizes, **more))
    assert counted.finished
    return counted.laws


@pytest.mark.parametrize("sizes", NETS, ids=str)
@pytest.mark.parametrize("rule", ["gd", "fa", "signfa", "frsf", "adafa", "kolen-pollack"])
def test_leaky_networks_have_a_law_for_each_hidden_neuron(rule, sizes):
    assert laws(rule, *sizes) == sum(sizes[1:-1])


@pytest.mark.parametrize("sizes", NETS, ids=str)
def test_dfa_has_laws_of_the_last_hidden_layer(sizes):
    assert laws("dfa", *sizes) == sizes[-2]


@pytest.mark.parametrize("sizes", NETS, ids=str)
def test_redrawn_signs_leave_no_law(sizes):
    assert laws("brsf", *sizes) == 0


@pytest.mark.parametrize("rule", ["gd", "fa"])
@pytest.mark.parametrize("sizes", NETS[:4], ids=str)
def test_momentum_leaves_no_law(rule, sizes):
    assert laws(rule, *sizes, friction=0.1) == 0


@pytest.mark.parametrize("rule", ["gd", "fa"])
@pytest.mark.parametrize("seed", range(6))
def test_biases_change_no_count(rule, seed):
    source = np.random.default_rng(seed)
    sizes = random_sizes(source)
    has_bias = tuple(bool(one) for one in source.integers(0, 2, len(sizes) - 1))
    assert laws(rule, *sizes, has_bias=has_bias) == sum(sizes[1:-1])


@pytest.mark.parametrize("n", [1, 2, 4])
@pytest.mark.parametrize("m", [1, 2, 3])
@pytest.mark.parametrize("r", [1, 2, 3, 5, 7])
def test_linear_gd_of_two_layers_has_the_count_of_the_literature(n, m, r):
    """Marcotte et al. 2023, for U of n x r and V of m x r."""
    known = r * (r + 1) // 2 if n + m > r else (n + m) * (2 * r + 1 - n - m) // 2
    assert laws("gd", n, r, m, activation=LINEAR) == known


@pytest.mark.parametrize(
    ("sizes", "gd", "fa"), [((3, 4, 2), 10, 13), ((2, 6, 2), 18, 19), ((3, 4, 3, 2), 16, 22)]
)
def test_linear_counts_of_the_theory(sizes, gd, fa):
    assert laws("gd", *sizes, activation=LINEAR) == gd
    assert laws("fa", *sizes, activation=LINEAR) == fa


@pytest.mark.parametrize("rule", ["gd", "fa"])
def test_tanh_has_none(rule):
    assert laws(rule, 3, 4, 2, activation=Tanh()) == 0


@pytest.mark.parametrize("activation", [SquaredReLU(), SmoothedLeakyReLU(0.1, 0.05)])
def test_other_activations_with_the_property_of_c1_have_one_each(activation):
    assert laws("fa", 3, 4, 3, 2, activation=activation) == 7


def test_weight_decay_leaves_what_c13_says():
    assert laws("gd", 3, 4, 2, weight_decay=0.1) == 4
    assert laws("fa", 3, 4, 2, weight_decay=(0.1, 0.2)) == 4
    assert laws("fa", 3, 4, 2, weight_decay=0.1) == 0
    assert laws("gd", 3, 4, 2, weight_decay=(0.1, 0.2)) == 0


def test_rates_of_layers_keep_the_count():
    assert laws("fa", 3, 4, 3, 2, rates=(1.0, 0.5, 0.3)) == 7


def test_virtual_readouts_give_dfa_a_law_for_each_neuron():
    assert laws("dfa", 3, 4, 3, 2, readouts=True) == 7


def test_one_drifting_entry_of_the_feedback_takes_one_law():
    assert laws(WithFeedback(one_entry_drifts), 3, 4, 2) == 3
    assert laws(WithFeedback(lambda weight, fixed: fixed), 3, 4, 2) == 4


def test_low_rank_feedback_has_its_rank_exactly():
    """In floating point B has full rank, by rounding, and the linear network fewer laws."""
    assert laws("low-rank-fa", 3, 4, 3, 2, activation=LINEAR) == 24


def test_fields_of_scalar_outputs_commute_and_those_of_more_do_not():
    one = count_laws(dynamics("fa", 3, 4, 1, activation=LINEAR))
    two = count_laws(dynamics("fa", 3, 4, 2, activation=LINEAR))
    assert one.rank_by_level == [3, 3, 3]
    assert two.rank_by_level == [6, 7, 7, 7]


def test_given_samples_leave_the_part_of_w1_outside_their_span():
    inputs = np.random.default_rng(0).normal(size=(2, 5))
    assert laws("fa", 5, 3, 1, inputs=inputs) == 3 + 3 * 3
    assert laws("fa", 5, 3, 1, inputs=np.vstack([inputs, np.eye(5)])) == 3


def test_two_samples_meet_in_brackets():
    """On two samples a linear network is one with two inputs, and a part that never moves."""
    inputs = np.random.default_rng(0).normal(size=(2, 4))
    for rule, outputs in (("gd", 1), ("gd", 2), ("fa", 2)):
        given = laws(rule, 4, 2, outputs, activation=LINEAR, inputs=inputs)
        assert given == laws(rule, 2, 2, outputs, activation=LINEAR) + 2 * 2


def test_one_sample_among_many_is_seen():
    inputs = np.repeat([[1.0, 0.0]], 200, axis=0)
    assert laws("fa", 2, 2, 1, inputs=inputs) == 2 + 2
    inputs[-1] = [0.0, 1.0]
    assert laws("fa", 2, 2, 1, inputs=inputs) == 2


def test_every_seed_counts_the_same():
    counts = {count_laws(dynamics("gd", 3, 4, 3, 2, activation=LINEAR), s).laws for s in range(5)}
    assert counts == {16}


def test_a_stopped_count_is_an_upper_bound_of_the_laws():
    seen = []

    def stop(count):
        seen.append(count.so_far)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        count_laws(dynamics("fa", 20, 20, 10), watch=stop)
    assert 0 < seen[0] <= 20 * 30 - 20


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sizes": (3, 500, 400)}, "at most 1000: shrink the widest layers"),
        ({"sizes": (3, 4)}, "expected inputs, hidden widths and outputs"),
        ({"sizes": (3, 0, 1)}, "expected whole numbers of at least 1"),
        ({"rule": "ffa"}, "did you mean 'fa'"),
        ({"rates": (1.0, 0.0)}, "expected positive finite numbers"),
        ({"weight_decay": (0.1, 0.1, 0.1)}, "has 3 numbers for 2 layers"),
        ({"inputs": np.ones((2, 5))}, "have 5 features"),
    ],
)
def test_bad_input_is_refused_in_one_line(arguments, message):
    from theory_checks.laws import Dynamics

    with pytest.raises(InputError, match=message) as caught:
        Dynamics(**{"rule": "fa", "sizes": (3, 4, 2)} | arguments)
    assert "\n" not in str(caught.value)


def test_given_samples_under_tanh_are_refused():
    """The same sample has the same tanh in every field."""
    with pytest.raises(InputError, match="the same tanh in every field"):
        laws("gd", 3, 2, 1, activation=Tanh(), inputs=np.array([[0.3, 0.7, -0.2]]))


def test_samples_that_are_dependent_but_for_rounding_are_refused():
    X = np.random.default_rng(0).normal(size=(3, 4))
    with pytest.raises(InputError, match="rank 2 but for rounding, and 3 with it"):
        laws("fa", 4, 2, 1, inputs=X - X.mean(axis=0))
    whole = np.array([[2.0, -1.0, 3.0, 0.0], [-1.0, 2.0, 0.0, 1.0], [-1.0, -1.0, -3.0, -1.0]])
    assert laws("fa", 4, 2, 1, inputs=whole) == 2 + 2 * 2


class Drawn(FeedbackAlignment):
    """Feedback that is made of what `fa` draws."""

    def __init__(self, change):
        self.change = change

    def draw_feedback(self, weights, draw):
        return {name: self.change(B) for name, B in super().draw_feedback(weights, draw).items()}


def test_a_neuron_without_feedback_never_moves_whatever_the_scale_of_the_others():
    def first_row_zero(B):
        return np.concatenate([0.0 * B[:1], B[1:] / 7.0**0.5])

    assert laws(Drawn(first_row_zero), 2, 2, 2) == 3


def test_products_beyond_whole_doubles_keep_their_rank():
    def of_rank_one(B):
        return np.outer(B[:, 0], B[0]) * B[0, 0] * 2.0**20 / 3.0

    counted = laws(Drawn(of_rank_one), 2, 4, 3, activation=LINEAR)
    assert counted == laws("low-rank-fa", 2, 4, 3, activation=LINEAR)


def test_low_rank_with_zeros_in_between_is_refused():
    def checkered(B):
        return np.where((np.add.outer(range(len(B)), range(B.shape[1])) % 2) == 0, 0.3, 0.0)

    with pytest.raises(InputError, match="return whole numbers"):
        laws(Drawn(checkered), 3, 4, 4)
