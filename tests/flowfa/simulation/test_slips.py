"""Natural slips of a caller: one line that says what was given, what was expected, how to mend."""

from __future__ import annotations

import pytest

import flowfa
import theory_checks
from flowfa.errors import InputError
from flowfa.problems.activations import ACTIVATIONS
from flowfa.problems.losses import LOSSES
from flowfa.problems.rules import RULES
from flowfa.problems.starts import STARTS


@pytest.fixture(scope="module")
def data():
    return flowfa.datasets.orthogonally_separable(samples=3, dim=2, seed=0)


@pytest.fixture(scope="module")
def problem(data):
    return flowfa.Problem(data, (2,))


@pytest.fixture(scope="module")
def run(problem):
    return flowfa.simulate(problem, 1, t_end=0.1, save=2)


@pytest.mark.parametrize(
    ("argument", "given"),
    [
        ("rule", RULES.get("fa")),
        ("rule", ["gd", RULES.get("fa")]),
        ("loss", LOSSES.get("logistic")),
        ("initial", STARTS.get("xavier")),
        ("activation", ACTIVATIONS.get("tanh")),
    ],
)
def test_class_given_for_an_object_is_named(data, argument, given):
    name = (given[-1] if isinstance(given, list) else given).__name__
    with pytest.raises(InputError, match=rf"`{argument}` is the class {name} and not .*{name}\("):
        flowfa.Problem(data, **{argument: given})


def test_class_of_a_solver_is_named(problem):
    class Mine:
        name = "mine"

        def start(self): ...

        def advance(self): ...

    with pytest.raises(InputError, match=r"`solver` is the class Mine .* give Mine\("):
        flowfa.simulate(problem, 1, solver=Mine)


@pytest.mark.parametrize("function", [flowfa.simulate, flowfa.train])
def test_what_is_no_problem_is_refused(data, function):
    for given, told in (("fa", "of type str"), (None, "None"), (data, "of type Dataset")):
        with pytest.raises(InputError, match=rf"`problem` is {told}: .*flowfa\.Problem\(data"):
            function(given, 1)


@pytest.mark.parametrize("function", [flowfa.simulate, flowfa.train])
def test_what_is_no_path_is_refused_before_the_run(problem, function):
    with pytest.raises(InputError, match="`path` is 3: expected the name of a file"):
        function(problem, 1, path=3)


@pytest.mark.parametrize("given", [None, 3, True])
def test_what_names_no_file_is_refused(run, given):
    for function in (run.save, flowfa.load, flowfa.Run.open):
        with pytest.raises(InputError, match=f"`path` is {given}: expected the name of a file"):
            function(given)


@pytest.mark.parametrize(("given", "told"), [(None, "None"), (3, "of type int")])
def test_what_is_no_run_is_refused(given, told):
    with pytest.raises(InputError, match=f"`run` is {told}: expected what flowfa.simulate"):
        theory_checks.check(given)
    with pytest.raises(InputError, match=f"the result is {told}: expected what flowfa.simulate"):
        flowfa.plots.overview(given)


@pytest.mark.parametrize("only", [3, [3]])
def test_what_is_no_statement_is_refused(run, only):
    with pytest.raises(InputError, match=r"`only` is \(3,\): expected IDs of statements"):
        theory_checks.check(run, only)


def test_data_set_nearly_spelled_is_suggested():
    with pytest.raises(InputError, match="did you mean 'mixture'"):
        flowfa.datasets.make("mixtur")
    with pytest.raises(InputError, match="unknown data set None"):
        flowfa.datasets.make(None)


def test_name_in_capitals_suggests_itself(data):
    with pytest.raises(InputError, match="did you mean 'fa'"):
        flowfa.Problem(data, rule="FA")


def test_observable_may_be_one_name(problem):
    for function in (flowfa.simulate, flowfa.train):
        made = function(problem, 1, t_end=0.1, save=2, observe="normalised-margin")
        assert "normalised-margin" in made.tree["trajectory"]
