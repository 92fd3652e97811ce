"""The search for counterexamples: it finds what is false, spares what is true, and can be run."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
import torch

import flowfa
import theory_checks
from flowfa.cli.main import main
from tests.support.oracles import updates
from theory_checks.falsify import Case, Shape, find, search
from theory_checks.falsify.case import case_of
from theory_checks.falsify.claims.dominance import descent
from theory_checks.falsify.drawing import SPECIAL, draw_problems
from theory_checks.falsify.network import Network
from theory_checks.falsify.parts import vector_of, without_one_part
from theory_checks.falsify.report import to_json_dict

FALSE = (
    ("paper-C.3", ()),
    pytest.param("paper-5.7", (), marks=pytest.mark.slow),
    ("paper-5.4", ()),
    ("descent", ("sign-condition",)),
    ("L-1-state", ("scalar-output",)),
)
TRUE = ("C.3", "L-1-state", "P-1-state", "descent")


@functools.cache
def found(name, drop):
    """What a search of a false claim comes to."""
    return search(*find(name, drop), seed=0, seconds=60.0)


def spec_case():
    """The counterexample of the list of the theory: its own inner products and preactivations."""
    X = np.array([[1.0, 0.0], [-1.0 / 6.0, np.sqrt(35.0) / 6.0]])
    arrays = {
        "X": X,
        "y": np.array([1.0, 1.0]),
        "W1": np.linalg.solve(X, [3.0, -0.01])[None],
        "W2": np.array([[1.0]]),
    }
    return Case(Shape((2, 1, 1), 2, "gd"), arrays)


@pytest.mark.parametrize(("name", "drop"), FALSE)
def test_a_false_claim_is_falsified_from_scratch_and_confirmed_with_more_digits(name, drop):
    result = found(name, drop)
    assert result.falsified
    assert "50 digits" in result.verified
    assert result.assessment.margin < -result.assessment.uncertainty


@pytest.mark.parametrize(("name", "drop"), FALSE)
def test_the_printed_program_runs_and_gives_the_margin(name, drop):
    result = found(name, drop)
    names = {}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(result.claim.snippet(result.case, frozenset(drop)), names)
    assert names["margin"] == pytest.approx(result.assessment.margin, rel=1e-6)


def test_the_smallest_rising_loss_has_one_neuron_one_sample_and_one_feature():
    case = found("descent", ("sign-condition",)).case
    assert (case.shape.sizes, case.shape.samples) == ((1, 1, 1), 1)
    assert float((case["W2"] * case["B2"]).item()) < 0.0


@pytest.fixture(scope="module")
def told():
    """What ``flowfa falsify --json`` says of the true claims, by name."""
    answers = {}
    for name in TRUE:
        line = f"falsify {name} --seed 2 --quiet --json --examples 600"
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            main(line.split())
        answers[name] = json.loads(printed.getvalue())
    return answers


@pytest.mark.parametrize("name", TRUE)
def test_a_true_claim_is_not_falsified_and_its_tightest_case_is_told(told, name):
    found = told[name]
    assert not found["falsified"]
    assert found["unconfirmed"] == 0
    assert found["met_hypotheses"] > 200
    assert found["margin"] > -found["uncertainty"]


@pytest.mark.slow
def test_the_constant_of_dominance_is_tight():
    result = search(*find("P-2-state"), seed=0, examples=500, seconds=300.0)
    assert not result.falsified
    assert 1.0 - 1e-9 < result.assessment.tightness < 1.05


def test_the_counterexample_of_the_theorys_list_has_its_numbers():
    claim, _ = find("paper-C.3")
    case = spec_case()
    sides = claim.sides(Network.of(case))
    assert sides.left == pytest.approx(0.06166, abs=5e-6)
    assert sides.right == pytest.approx(0.06224, abs=5e-6)
    assert claim.assess([case], frozenset())[0].violated
    corrected, _ = find("C.3")
    assert corrected.assess([case], frozenset())[0].margin > 0.0


@pytest.mark.parametrize("rule", ["fa", "signfa", "gd"])
def test_gradient_times_update_agrees_with_automatic_differentiation(rule):
    shape = Shape((3, 4, 1), 5, rule, leak=0.1)
    case = case_of(shape, np.random.default_rng(3).uniform(-1.0, 1.0, shape.numbers))
    network = Network.of(case)
    X, y = torch.tensor(case["X"]), torch.tensor(case["y"])
    weights = [torch.tensor(case["W1"]), torch.tensor(case["W2"])]
    biases = [torch.zeros(4, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)]
    back = {"fa": lambda: torch.tensor(case["B2"]), "signfa": weights[1].sign, "gd": None}[rule]
    own = weights[1].T if back is None else back()
    own = own.T if rule == "signfa" else own
    update, _ = updates("exponential", X, y, weights, biases, 0.1, [own])
    gradient, _ = updates("exponential", X, y, weights, biases, 0.1, [weights[1].T])
    expected = sum(float((g * u).sum()) for g, u in zip(gradient, update, strict=True))
    assert descent(network)[0] == pytest.approx(expected, rel=1e-12)


def test_decimal_numbers_give_what_floats_give():
    case = spec_case()
    for name in ("paper-C.3", "C.3", "P-2-state", "P-1-state"):
        claim, _ = find(name)
        exact, rounded = claim.sides(Network.of(case, Decimal)), claim.sides(Network.of(case))
        assert isinstance(exact.left, Decimal)
        assert float(exact.left) == pytest.approx(rounded.left, rel=1e-12)
        assert float(exact.right) == pytest.approx(rounded.right, rel=1e-12)


@pytest.mark.parametrize("rule", ["fa", "dfa", "frsf", "gd"])
def test_parts_come_out_of_a_problem_with_matching_arrays(rule):
    shape = Shape((2, 3, 2, 3), 2, rule, "squared", biased=True)
    case = case_of(shape, np.random.default_rng(0).uniform(-1.0, 1.0, shape.numbers))
    smaller = list(without_one_part(case))
    assert len(smaller) == 2 + 2 + 3 + 2 + 3
    for each in smaller:
        assert {name: a.shape for name, a in each.arrays.items()} == each.shape.names
        again = case_of(each.shape, vector_of(each))
        assert all(np.allclose(again[name], each[name], atol=1e-6) for name in each.arrays)


def test_a_problem_at_a_kink_is_not_judged():
    case = spec_case().changed("W1", np.array([[0.0, 0.0]]))
    claim, _ = find("paper-C.3")
    assessment = claim.assess([case], frozenset())[0]
    assert not assessment.violated
    assert assessment.missed is not None
    assert claim.verify(case, frozenset()) is None


def test_the_same_seed_finds_the_same():
    first, second = (search(*find("paper-5.4"), seed=5, examples=500) for _ in range(2))
    assert first.tried == second.tried
    assert first.claim.snippet(first.case, frozenset()) == second.claim.snippet(
        second.case, frozenset()
    )


def test_draws_vary_the_best_problem_and_have_special_numbers():
    shapes = (Shape((2, 2, 1), 2), Shape((1, 1, 1), 1))
    random = np.random.default_rng(0)
    best = {shapes[0]: (0.5, np.full(shapes[0].numbers, 0.25))}
    drawn = [draw_problems(shapes, 3, best, random) for _ in range(200)]
    assert {shape for shape, _ in drawn} == set(shapes)
    points = np.concatenate([points.ravel() for _, points in drawn])
    assert abs(points).max() <= 1.0
    assert all((points == number).any() for number in (*SPECIAL, 0.25))
    assert (np.unique(points, return_counts=True)[1] == 1).sum() > 0.5 * len(points)


def told_of(result):
    """What a search tells, but for the time it took."""
    return to_json_dict(result) | {"seconds": None}


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """A folder in which an installed copy of the packages ran a search, and what that told."""
    place, work = tmp_path_factory.mktemp("copy") / "site-packages", tmp_path_factory.mktemp("work")
    for package in (flowfa, theory_checks):
        source = Path(package.__file__).parent
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, place / source.name, ignore=ignored)
    code = (
        "import json, theory_checks\n"
        "from theory_checks.falsify import find, search\n"
        "from theory_checks.falsify.report import to_json_dict\n"
        "told = to_json_dict(search(*find('L-1-state'), seed=3, examples=400))\n"
        "print(json.dumps([theory_checks.__file__, told | {'seconds': None}]))"
    )
    environment = os.environ | {"PYTHONPATH": str(place)}
    line = [sys.executable, "-c", code]
    ran = subprocess.run(line, capture_output=True, check=True, cwd=work, env=environment)
    loaded, told = json.loads(ran.stdout)
    assert Path(loaded).is_relative_to(place)
    return work, told


def test_the_same_seed_finds_the_same_wherever_the_package_is(elsewhere):
    _, told = elsewhere
    here = told_of(search(*find("L-1-state"), seed=3, examples=400))
    assert json.loads(json.dumps(here)) == told


def test_a_search_leaves_nothing_in_the_working_folder(elsewhere):
    work, _ = elsewhere
    assert list(work.iterdir()) == []


def test_a_search_does_not_depend_on_what_else_is_loaded(tmp_path, monkeypatch):
    before = told_of(search(*find("L-1-state"), seed=3, examples=300))
    numbers = ", ".join(repr(number) for number in np.linspace(-1.0, 1.0, 199).round(2).tolist())
    (tmp_path / "full_of_constants.py").write_text(f"NUMBERS = [{numbers}]\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "full_of_constants", None)
    del sys.modules["full_of_constants"]
    importlib.import_module("full_of_constants")
    assert told_of(search(*find("L-1-state"), seed=3, examples=300)) == before


def test_a_law_with_a_hypothesis_dropped_is_falsified_along_a_flow():
    claim, drop = find("C-5", ["linear-activation"])
    # Few problems, so that few go into making the counterexample smaller.
    claim = dataclasses.replace(claim, examples=30)
    result = search(claim, drop, seed=4, seconds=60.0)
    assert result.falsified
    assert "verified at rtol 1e-10" in result.verified
    names = {}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(claim.snippet(result.case, drop), names)
    assert names["outcome"].verdict.value == "violated"
    assert names["margin"] == pytest.approx(result.assessment.margin, rel=1e-3)


def test_a_law_that_holds_is_not_falsified_along_flows():
    result = search(*find("C-3"), examples=9, seconds=20.0)
    assert not result.falsified
    assert result.applicable > 0


def test_the_saved_file_is_data_and_start_of_a_run_whose_loss_rises(tmp_path, capsys):
    path = tmp_path / "found.npz"
    line = f"falsify descent --drop-hypothesis sign-condition --seed 0 --json --out {path}"
    assert main(line.split()) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["falsified"]
    assert told["dropped_hypotheses"] == ["sign-condition"]
    case = told["case"]
    data = flowfa.datasets.load_npz(path)
    np.testing.assert_array_equal(data.X, case["arrays"]["X"])
    run = tmp_path / "run.nc"
    line = (
        f"simulate --solver dopri5 --t-end 1e-4 --dataset {path} --init {path} --trajectories 1 "
        f"--rule {case['rule']} --loss {case['loss']} --leak {case['leak']} "
        f"--plot none --quiet --out {run}"
    )
    assert main(line.split()) == 0
    trajectory = flowfa.load(run)["trajectory"]
    assert trajectory["loss"].values[0, 1] > trajectory["loss"].values[0, 0]
    # The rate that flowfa's own field gives.
    assert trajectory["loss_rate"].values[0, 0] == pytest.approx(-told["margin"], rel=1e-9)


def test_the_report_of_a_true_claim_names_problems_and_the_tightest_case(capsys):
    assert main(["falsify", "l-1-STATE", "--examples", "300", "--seed", "3"]) == 0
    text = capsys.readouterr().out
    assert "no counterexample in 300 problems" in text
    assert "tightest case: margin" in text


def test_ctrl_c_ends_with_what_was_found_so_far(capsys, monkeypatch):
    from theory_checks.falsify import budget

    judged, sent = budget.Judge.__call__, []

    def interrupted(self, cases):
        if self.tried == 50 and not sent:
            sent.append(True)
            os.kill(os.getpid(), signal.SIGINT)
        return judged(self, cases)

    monkeypatch.setattr(budget.Judge, "__call__", interrupted)
    assert main(["falsify", "C.3"]) == 130
    text = capsys.readouterr().out
    assert "stopped" in text
    assert "tightest case" in text


@pytest.mark.parametrize(
    ("line", "fragment"),
    [
        ("falsify paper-C3", "did you mean 'paper-C.3'?"),
        ("falsify L-1 --drop-hypothesis scalar", "did you mean 'scalar-output'?"),
        ("falsify P-2-state --drop-hypothesis x", "known: kappa-positive, separable, sign-cond"),
        ("falsify P-1-state --drop-hypothesis x", "P-1-state has no hypothesis to drop"),
        ("falsify C.3 --seed -1", "--seed is -1"),
        ("falsify C.3 --examples 0", "--examples is 0"),
        ("falsify C.3 --time-limit 0", "--time-limit is 0"),
        ("falsify C.3 --out a.txt", "ends in .npz"),
        ("falsify C.3 --out absent/a.npz", "there is no folder absent"),
    ],
)
def test_bad_input_ends_with_64_and_one_line(tmp_path, monkeypatch, capsys, line, fragment):
    monkeypatch.chdir(tmp_path)
    assert main(line.split()) == 64
    shown = capsys.readouterr()
    assert fragment in shown.err
    assert shown.err.count("\n") == 1
    assert shown.out == ""
