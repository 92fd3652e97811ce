"""How problems, data sets, runs, rules, losses and starts show themselves."""

from __future__ import annotations

import numpy as np
import pytest

import flowfa
from flowfa.datasets import Dataset
from flowfa.problems.losses import LOSSES
from flowfa.problems.rules import RULES, FeedbackAlignment, SignFeedbackAlignment
from flowfa.problems.starts import STARTS, given_start


@pytest.fixture(scope="module")
def problem():
    data = flowfa.datasets.orthogonally_separable(samples=6, dim=4, seed=0)
    return flowfa.Problem(data, (5, 3), rule=("fa", "gd"), bias="hidden", smooth_kinks=0.01)


@pytest.fixture(scope="module")
def run(problem):
    simple = flowfa.Problem(problem.data, (3,), rule=("gd", "fa"))
    return flowfa.simulate(simple, 2, t_end=1.0, save=3, solver="rk4", step=0.1)


def test_data_set_tells_its_shape_and_labels():
    X = np.ones((2, 3, 4))
    assert repr(Dataset(X[0], np.array([0.0, 1.0, 2.0]), "mine")) == (
        "<Dataset: mine; 3 samples, 4 features; 3 classes>"
    )
    assert repr(Dataset(X, np.ones((2, 3)))) == (
        "<Dataset: arrays; 2 sets of 3 samples, 4 features; labels -1/+1>"
    )


def test_problem_tells_all_that_it_is_made_of(problem):
    assert repr(problem) == (
        "<Problem: orthogonally-separable (6 samples, 4 features); sizes 4-5-3-1; "
        "leak 0.1, kinks smoothed over 0.01; bias in layer 1, 2; rules fa, gd; "
        "exponential loss; aligned start>"
    )


def test_rules_losses_and_starts_show_the_call_that_constructs_them():
    assert repr(SignFeedbackAlignment("xavier")) == "SignFeedbackAlignment(scale='xavier')"
    assert repr(LOSSES.get("squared")()) == "Squared()"
    assert repr(STARTS.get("normal")(0.5)) == "NormalStart(scale=0.5)"


def test_class_that_does_not_say_its_parameters_can_be_shown():
    class Secretive(FeedbackAlignment):
        def __init__(self, secret):
            self._secret = secret

    assert repr(Secretive(1)) == "Secretive(...)"


def test_given_start_tells_what_it_gives():
    start = given_start({"W1": np.ones((3, 2)), "c1": np.ones(3), "W2": np.ones((1, 3))}, "a.npz")
    assert repr(start) == (
        "<GivenStart: a.npz; one start for all; sizes 2-3-1; bias in layer 1; feedback to be drawn>"
    )


def test_run_tells_its_rules_how_they_ended_and_where_it_is(run, tmp_path):
    assert repr(run) == "<Run: 2 x gd, 2 x fa; 4 ok; to t = 1; 1 thread; in memory>"
    run.save(tmp_path / "run.nc")
    assert repr(flowfa.Run.open(tmp_path / "run.nc")).endswith("run.nc>")


def test_notebook_shows_the_numbers_of_the_summary_by_rule(run):
    html = run._repr_html_()
    for rule, entry in run.summary()["rules"].items():
        cells = f"<td>{rule}</td><td>2 ok</td><td>{entry['loss']:.4g}</td>"
        assert cells in html


@pytest.mark.parametrize("name", RULES.names())
def test_notebook_shows_what_each_rule_conserves(name):
    rule = RULES.get(name)()
    assert rule.conserved_formula.replace("<", "&lt;").replace(">", "&gt;") in rule._repr_html_()


def test_text_from_outside_is_escaped():
    data = Dataset(np.ones((1, 1)), np.ones(1), "<script>alert(1)</script>")
    problem = flowfa.Problem(data, (1,))
    for shown in (data, problem):
        assert "<script>" not in shown._repr_html_()
        assert "&lt;script&gt;" in shown._repr_html_()
