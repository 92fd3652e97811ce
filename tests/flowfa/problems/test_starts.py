"""Starts: what the aligned one promises, and what given ones must be."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import flowfa
from flowfa.datasets.dataset import Dataset
from flowfa.errors import InputError
from flowfa.flow.network_flow import NetworkFlow
from flowfa.problems import Problem, build_ensemble
from flowfa.problems.rules import SignFeedbackAlignment
from flowfa.problems.starts import STARTS, BalancedStart, given_start, load_start
from flowfa.settings import ProblemSettings
from flowfa.simulation.from_settings import problem_from
from flowfa.testing import StartTestCase

RULES = ("gd", "fa", "adafa", "signfa", "frsf")


def classes_data(outputs, dim=3):
    labels = np.arange(max(4, outputs)) % outputs if outputs > 1 else np.array([1.0, -1, 1, -1])
    return Dataset(np.ones((len(labels), dim)), labels)


def kappa(problem, starts=3, seed=0):
    flow = NetworkFlow(problem, build_ensemble(problem, starts, seed))
    rows = torch.arange(len(flow))
    return -flow.observe(flow.initial, rows)["conserved"]


@given(
    widths=st.lists(st.integers(1, 60), min_size=1, max_size=3),
    outputs=st.sampled_from([1, 2, 3, 10]),
    seed=st.integers(0, 2**31),
)
def test_aligned_start_has_positive_kappa_under_every_rule(widths, outputs, seed):
    """L-1 and P-2: for every neuron of every hidden layer, in every built-in rule."""
    for rules in (RULES, (SignFeedbackAlignment("xavier"),)):
        problem = Problem(classes_data(outputs), widths, rule=rules)
        assert float(kappa(problem, seed=seed).min()) > 0.0


def test_aligned_direct_feedback_has_positive_kappa_in_the_last_hidden_layer():
    values = kappa(Problem(classes_data(3), (7, 5), rule="dfa"))
    assert values[:, :7].isnan().all()
    assert float(values[:, 7:].min()) > 0.0


class TestAligned(StartTestCase):
    def make(self):
        return STARTS.get("aligned")()


class TestXavier(StartTestCase):
    def make(self):
        return STARTS.get("xavier")()


class TestNormal(StartTestCase):
    def make(self):
        return STARTS.get("normal")()


class TestBalanced(StartTestCase):
    def make(self):
        return STARTS.get("balanced")()


def test_balanced_start_has_nothing_for_gradient_flow_to_conserve():
    """||w_in||^2 = ||w_out||^2 at every neuron of every layer; a normal start is not so."""
    data = classes_data(3)
    largest = [
        abs(kappa(Problem(data, (7, 5, 4), rule="gd", initial=initial))).max()
        for initial in ("balanced", "normal")
    ]
    assert float(largest[0]) < 1e-14 < 1e-3 < float(largest[1])


def test_balanced_start_has_the_same_directions_at_all_scales():
    draws = [
        build_ensemble(Problem(classes_data(3), (7, 5), initial=BalancedStart(scale)), 2, seed=0)
        for scale in (1.0, 1e-3)
    ]
    for large, small in zip(draws[0].weights, draws[1].weights, strict=True):
        np.testing.assert_allclose(small, 1e-3 * large, rtol=1e-12)
    assert np.array_equal(draws[0].feedback[0]["B2"], draws[1].feedback[0]["B2"])


@pytest.mark.parametrize("scale", [0.0, -1.0, np.inf, np.nan])
def test_scale_of_a_balanced_start_is_positive(scale):
    with pytest.raises(InputError, match="positive"):
        BalancedStart(scale)


def test_a_registered_start_is_found_by_name():
    @flowfa.start("ones")
    class Ones(flowfa.RandomStart):
        def draw_weights(self, sizes, generator):
            return tuple(np.ones((sizes[i + 1], sizes[i])) for i in range(len(sizes) - 1))

        def draw_feedback(self, kind, layer, shape, weights, generator):
            return np.ones(shape)

    try:
        problem = Problem(classes_data(1), (4,), initial="ones")
        assert problem.initial.name == "ones"
        assert (build_ensemble(problem, 2, 0).weights[0] == 1.0).all()
        with pytest.raises(InputError, match="the start name 'ones' is taken"):
            flowfa.start("ones")(type("Other", (Ones,), {}))
    finally:
        STARTS.forget("ones")


def test_xavier_start_is_not_always_aligned():
    """Negative control of the two tests above: a start without the care fails them."""
    problem = Problem(classes_data(1), (50,), rule="fa", initial="xavier")
    assert float(kappa(problem).min()) < 0.0


@pytest.mark.parametrize("initial", ["aligned", "xavier", "normal"])
def test_start_depends_on_seed_and_trajectory_alone(initial):
    def weights(rules, starts, seed):
        problem = Problem(classes_data(1), (6, 5), rule=rules, initial=initial)
        return build_ensemble(problem, starts, seed)

    alone, many = weights("fa", 1, 4), weights(("gd", "dfa", "fa"), 9, 4)
    for layer in range(3):
        assert np.array_equal(alone.weights[layer][0], many.weights[layer][0])
        assert not np.array_equal(many.weights[layer][0], many.weights[layer][1])
    assert np.array_equal(alone.feedback[0]["B2"][0], many.feedback[2]["B2"][0])
    assert not np.array_equal(alone.weights[0], weights("fa", 1, 5).weights[0])


def arrays(**changes):
    random = np.random.default_rng(0)
    start = {
        "W1": random.standard_normal((4, 3)),
        "W2": random.standard_normal((1, 4)),
        "c1": random.standard_normal(4),
        "B2": random.standard_normal((4, 1)),
    }
    return {k: v for k, v in (start | changes).items() if v is not None}


def test_given_start_fixes_widths_biases_and_feedback(tmp_path):
    np.savez(tmp_path / "start.npz", **arrays())
    start = load_start(tmp_path / "start.npz")
    problem = Problem(classes_data(1), rule=("fa", "gd"), initial=start)
    assert problem.sizes == (3, 4, 1)
    assert problem.has_bias == (True, False)
    ensemble = build_ensemble(problem, 5, 0)
    assert np.array_equal(ensemble.weights[0], np.tile(arrays()["W1"], (5, 1, 1)))
    assert np.array_equal(ensemble.feedback[0]["B2"][3], arrays()["B2"])
    assert ensemble.feedback[1] == {}


def test_leading_dimension_of_a_start_is_the_number_of_trajectories():
    stacked = {name: np.stack([array] * 6) for name, array in arrays().items()}
    problem = Problem(classes_data(1), rule="fa", initial=given_start(stacked))
    assert build_ensemble(problem, None, 0).starts == 6
    with pytest.raises(InputError, match="`trajectories` has 4"):
        build_ensemble(problem, 4, 0)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"W1": None}, "expected W1, W2"),
        ({"W2": np.ones((1, 5))}, "its columns must match"),
        ({"c1": np.ones(3)}, "one bias per row"),
        ({"B2": np.ones((1, 4))}, r"expected \(4, 1\), the shape of W2 transposed"),
        ({"B3": np.ones((4, 1))}, "did you mean 'B2'"),
        ({"W1": np.full((4, 3), np.nan)}, "not finite"),
        ({"c1": np.ones((2, 4))}, "same leading trajectory dimension"),
        ({"M2": -np.ones((4, 1))}, "M >= 0"),
        ({"W2": np.array([["a"] * 4])}, "expected real numbers"),
    ],
)
def test_unusable_start_is_refused(changes, told):
    with pytest.raises(InputError, match=told):
        given_start(arrays(**changes))


@pytest.mark.parametrize(
    ("rule", "changes", "told"),
    [
        ("gd", {}, "B2 in arrays is not used by gd"),
        ("brsf", {"B2": None, "M2": np.ones((4, 1))}, "M2 in arrays is not used by brsf"),
        ("fa", {"W1": np.ones((4, 2))}, "2 columns but the samples"),
        ("fa", {"W2": np.ones((2, 4)), "B2": None}, r"needs 1 output\(s\)"),
    ],
)
def test_start_that_does_not_fit_the_problem_is_refused(rule, changes, told):
    with pytest.raises(InputError, match=told):
        Problem(classes_data(1), rule=rule, initial=given_start(arrays(**changes)))


def test_pickled_truncated_and_foreign_files_are_refused(tmp_path):
    np.savez(tmp_path / "pickled.npz", W1=np.array([{"a": 1}], dtype=object))
    np.savez(tmp_path / "whole.npz", **arrays())
    (tmp_path / "cut.npz").write_bytes((tmp_path / "whole.npz").read_bytes()[:100])
    (tmp_path / "text.npz").write_text("not an archive")
    np.save(tmp_path / "single.npy", np.ones(3))
    for name, told in [
        ("pickled.npz", "pickled objects, which are never loaded"),
        ("cut.npz", "truncated"),
        ("text.npz", "not an .npz file"),
        ("single.npy", "not an .npz file"),
        ("absent.npz", "there is no file"),
        (".", "is a directory"),
    ]:
        with pytest.raises(InputError, match=told):
            load_start(tmp_path / name)


@pytest.mark.parametrize("rule", ["adafa", "fa", "kolen-pollack", "low-rank-fa", "frsf", "dfa"])
def test_last_state_of_a_run_is_a_start(rule):
    """The run that begins there is the rest of a longer run."""
    data = flowfa.datasets.orthogonally_separable(samples=4, dim=3, seed=0)
    problem = Problem(data, (5,), rule=rule, initial="xavier")
    settings = {"save": 3, "snapshots": 3, "rtol": 1e-9}
    whole = flowfa.simulate(problem, 2, t_end=2.0, **settings).tree["weights"]
    state = {
        str(name): (whole[name][:, 1] if "snapshot" in whole[name].dims else whole[name]).values
        for name in whole.data_vars
    }
    problem = Problem(data, rule=rule, initial=given_start(state))
    rest = flowfa.simulate(problem, t_end=1.0, **settings).tree["weights"]
    for name in ("W1", "W2"):
        np.testing.assert_allclose(rest[name][:, -1], whole[name][:, -1], rtol=0, atol=1e-8)


def test_feedback_in_a_file_is_that_of_fa_where_adafa_is_beside_it():
    both = Problem(classes_data(1), rule=("fa", "adafa"), initial=given_start(arrays()))
    of_fa, of_adafa = build_ensemble(both, None, 0).feedback
    np.testing.assert_array_equal(of_fa["B2"][0], arrays()["B2"])
    np.testing.assert_array_equal(of_adafa["B2"][0], arrays()["W2"].T)
    alone = Problem(classes_data(1), rule=("gd", "adafa"), initial=given_start(arrays()))
    np.testing.assert_array_equal(
        build_ensemble(alone, None, 0).feedback[1]["B2"][0], arrays()["B2"]
    )


@pytest.mark.parametrize("name", ["normal", "balanced"])
def test_scale_of_a_start_is_a_setting(name):
    settings = ProblemSettings(samples=4, dim=8, width=(5,), init=name, init_scale=1e-3)
    initial = problem_from(settings).initial
    assert initial.name == name and initial.parameters() == {"scale": 1e-3}


def test_scale_is_refused_for_a_start_that_has_none():
    with pytest.raises(InputError, match="balanced"):
        problem_from(ProblemSettings(init="xavier", init_scale=0.1))
