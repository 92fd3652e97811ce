"""Random problems: no statement is violated, and what is broken is found and made small.

HYPOTHESIS_PROFILE=nightly draws many more, at random; see docs/laboratory/random-tests.md.
"""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import find, given, settings

from flowfa.datasets import certify_each, load_npz
from flowfa.flow.network_flow import NetworkFlow
from flowfa.problems import Problem, build_ensemble
from flowfa.problems.starts import load_start
from flowfa.solvers.registry import make_solver
from tests.support.nightly import some_now
from theory_checks import CHECKS, Verdict, check_evidence
from theory_checks.evidence.rungs import Rung
from theory_checks.random_problems import (
    DATA_KINDS,
    START_KINDS,
    Architecture,
    Plan,
    build,
    plans,
    smallest,
)
from theory_checks.random_problems.judged import cases_of, explain, look_closer, run_randomised
from theory_checks.statements.conservation.laws import neuron_law
from theory_checks.statements.statement import chosen
from theory_checks.verdicts.judging import outcomes_of

EXAMPLES = max(4, settings().max_examples // 6)
OF_FLOWS = [name for name in CHECKS.names() if name not in ("record", "C-11")]
"""Those that speak of a flow, and not of a file or of discrete steps."""
NETWORKS = 4 if settings().max_examples > 25 else 2
"""A batch takes the steps of its hardest network: at night the batches are larger."""

PLAIN = Plan(
    seed=1,
    architecture=Architecture((3,), "none", 0.3),
    rule="fa",
    scale=1.0,
    loss="exponential",
    outputs=1,
    samples=3,
    dim=4,
    data=("orthogonally separable", "nearly orthogonal"),
    start=("aligned",),
    data_scale=1.0,
    horizon=1.0,
    smooth_kinks=None,
    networks=4,
)


def varied(**changes):
    """PLAIN with other values."""
    return Plan(**(PLAIN.__dict__ | changes))


@functools.cache
def evidence_on(plan):
    """Evidence on a plan, integrated once for all statements."""
    problems = build(plan)
    return problems, problems.evidence()


class Violation(AssertionError):
    """A statement is violated on a random problem."""

    def __init__(self, case):
        super().__init__(f"{case.statement} on network {case.network} of {case.problems!r}")
        self.case = case


@functools.cache
def violation_of(statement):
    """A class for each statement: hypothesis shrinks errors of different classes one by one."""
    return type(f"ViolationOf{statement}", (Violation,), {})


def judge(problems, evidence):
    """Raise a `Violation` if a statement is violated; return the statements that were judged."""
    of_flows = [name for name in CHECKS.names() if name != "record"]
    cases = [*cases_of(chosen(tuple(of_flows)), problems, evidence, look_closer)]
    cases += cases_of(chosen(("record",)), problems, problems.recorded())
    for case in cases:
        if case.verdict is Verdict.VIOLATED:
            raise violation_of(case.statement)(case)
    return {case.statement for case in cases}


def explained(group, **settings):
    """What is wrong with each of the statements of a group of violations, as programs."""
    cases = [one.case for one in group.exceptions]
    names = ", ".join(case.statement for case in cases)
    programs = [explain(case, ".", **settings) for case in cases]
    return "\n\n".join([f"violated: {names}", *programs])


def test_no_statement_is_violated_on_random_problems():
    """Each batch is integrated once, and all registered statements are judged on it."""

    @given(plan=plans(networks=NETWORKS))
    @settings(max_examples=EXAMPLES)
    def judge_all(plan):
        problems = build(plan)
        assert judge(problems, problems.evidence()) == set(CHECKS.names())

    try:
        judge_all()
    except* Violation as group:
        # Here, and not at each of the many failures that hypothesis goes through.
        pytest.fail(explained(group))


def test_a_statement_that_is_registered_is_judged_and_named_where_it_fails(monkeypatch):
    problems, evidence = evidence_on(varied(networks=1))
    assert judge(problems, evidence) == set(CHECKS.names())

    class OneMore(CHECKS.get("C-1")):
        """C-1 of a flow whose feedback drifts, whatever the flow."""

        spec = "C-1-more"

        def measure(self, evidence):
            return super().measure(problems.evidence(way="drifting feedback", saves=9))

    monkeypatch.setitem(CHECKS._entries, "C-1-more", OneMore)
    with pytest.raises(violation_of("C-1-more"), match=r"C-1-more on network 0 of build\(Plan"):
        judge(problems, evidence)


def test_all_statements_that_fail_are_named_and_shown_as_programs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    problems = build(
        varied(networks=1, samples=2, dim=2, architecture=Architecture((1,), "none", 0.3))
    )
    broken = problems.evidence(way="drifting feedback", saves=9)
    cases = cases_of(chosen(("C-1", "Eq-1")), problems, broken)
    failing = [violation_of(case.statement)(case) for case in cases]
    text = explained(ExceptionGroup("", failing), way="drifting feedback", saves=9)
    assert text.startswith("violated: C-1, Eq-1\n")
    assert text.count("theory_checks.chosen((") == 2 and (tmp_path / "Eq-1.npz").exists()


@pytest.mark.parametrize("statement", OF_FLOWS)
def test_every_statement_applies_to_some_random_problem(statement):
    """Otherwise the test above would be empty."""
    candidates = (
        PLAIN,
        varied(rule="signfa"),
        varied(architecture=Architecture((3,), "hidden", 1.0), start=("normal",)),
        varied(layer_rates=(0.5, 2.0)),
        varied(weight_decay=(0.1, 0.2)),
    )
    checks = chosen((statement,))
    found = {case.verdict for plan in candidates for case in cases_of(checks, *evidence_on(plan))}
    assert Verdict.HOLDS in found


def test_a_broken_flow_is_found_and_made_small(tmp_path, capsys):
    plan = varied(
        rule="gd",
        data=("gaussian", "duplicates"),
        start=("normal", "huge"),
        architecture=Architecture((5, 4), "hidden", 0.3),
        samples=5,
        dim=3,
    )
    problems = build(plan)
    cases = list(cases_of(chosen(("C-1",)), problems, problems.evidence(way="tanh")))
    case = next(case for case in cases if case.verdict is Verdict.VIOLATED)
    text = explain(case, tmp_path, way="tanh", saves=9)
    exec(text, {})
    assert "VIOLATED" in capsys.readouterr().out
    data, start = load_npz(tmp_path / "C-1.npz"), load_start(tmp_path / "C-1.npz")
    assert data.samples == 1 and data.dim == 1 and max(start.sizes) == 1


def test_hypothesis_shrinks_a_broken_flow_to_one_neuron():
    """What drifts is the feedback; one sample and one neuron are enough to see it."""
    check = chosen(("C-1",))

    def violated(plan):
        problems = build(plan)
        evidence = problems.evidence(way="drifting feedback", saves=9)
        cases = cases_of(check, problems, evidence)
        return any(case.verdict is Verdict.VIOLATED for case in cases)

    drawn = plans(networks=1, rules=("fa",), depths=(1,))
    few = settings(max_examples=20, derandomize=True, database=None)
    plan = find(drawn, violated, settings=few)
    assert plan.architecture.hidden == (1,) and plan.samples == 1 and plan.dim == 1


def test_feedback_that_drifts_is_found():
    problems = build(PLAIN)
    evidence = problems.evidence(way="drifting feedback", saves=9)
    assert check_evidence(evidence, chosen(("C-1",)))["C-1"].verdict is Verdict.VIOLATED


@given(plan=plans(networks=2))
@settings(max_examples=30)
def test_what_is_drawn_is_a_sound_problem(plan):
    problems = build(plan)
    flow = problems.flow()
    velocity = flow.field(torch.zeros(len(flow), dtype=torch.float64), flow.initial)
    assert velocity.isfinite().all() and problems.t_end > 0.0
    assert "nearly orthogonal" not in problems.data_kinds or plan.samples <= plan.dim


@pytest.mark.parametrize("kind", DATA_KINDS)
def test_data_are_of_the_kind_that_they_are_called(kind):
    problems = build(varied(data=(kind,), samples=4, networks=20))
    X = problems.X
    found = certify_each(problems.problem().data)
    norms = np.linalg.norm(X, axis=2)
    holds = {
        "gaussian": np.linalg.matrix_rank(X) == 4,
        "orthogonally separable": [0.009 < (one.lambda_ or 0.0) < 1.001 for one in found],
        "nearly orthogonal": [1.099 < one.gamma < 10.001 for one in found],
        "separable": [(one.margin or 0.0) >= 0.00999 for one in found],
        "duplicates": (X[:, 0] == X[:, 1]).all(1),
        "opposites": (X[:, 0] == -X[:, 1]).all(1),
        "zero rows": (X[:, 0, :2] == 0.0).all(1),
        "unequal norms": norms.max(1) < 1.0 + 1e-12,
        "whole numbers": (np.round(X) == X).all((1, 2)),
    }
    assert np.all(holds[kind])


@pytest.mark.parametrize("rule", ["fa", "gd", "signfa", "frsf", "dfa", "adafa"])
@pytest.mark.parametrize("outputs", some_now([1, 3], [3]))
def test_boundary_starts_have_kappa_zero(rule, outputs):
    """But for those that the exponential loss makes smaller."""
    loss = "logistic" if outputs == 1 else "cross-entropy"
    plan = varied(rule=rule, start=("boundary",), loss=loss, outputs=outputs, samples=6, scale=0.25)
    problems, evidence = evidence_on(plan)
    assert set(problems.start_kinds) == {"boundary"}
    kappa = evidence.along(neuron_law).values[:, 0]
    assert float(kappa.abs().max()) < 1e-15


def test_a_network_does_not_depend_on_the_size_of_its_batch():
    few, many = build(varied(networks=2)), build(varied(networks=7))
    np.testing.assert_array_equal(few.X, many.X[:2])
    for name, array in few.start.items():
        np.testing.assert_array_equal(array, many.start[name][:2])


def test_dominance_is_not_claimed_of_smoothed_kinks():
    """The update under gd has the slope s(z), the gradient s + z s': their product can be < 0."""
    plan = varied(
        seed=23,
        rule="gd",
        architecture=Architecture((2, 2, 1), "all", 0.3),
        start=("huge",),
        data_scale=1e-3,
        smooth_kinks=0.1,
        networks=1,
    )
    cases = cases_of(chosen(("A-2",)), *evidence_on(plan))
    failed = {str(case.outcome.failed_hypothesis) for case in cases}
    assert {text[:20] for text in failed} == {"the kinks are exact "}


def test_what_is_open_is_looked_at_again():
    """The verdict is that of the finer evidence, and the first one is kept."""
    problems, evidence = evidence_on(PLAIN)
    broken = problems.evidence(way="drifting feedback", saves=9)
    cases = list(cases_of(chosen(("C-1",)), problems, broken, look_closer))
    assert {case.verdict_before for case in cases} == {Verdict.VIOLATED}
    assert {case.verdict for case in cases} == {Verdict.HOLDS}
    assert {case.verdict_before for case in cases_of(chosen(("C-1",)), problems, evidence)} == {
        None
    }


def test_what_is_still_violated_gets_one_more_rung():
    """Two rungs that make the same error agree on a drift that is theirs."""

    def fine():
        return Rung("fine", lambda: make_solver("dopri5", rtol=1e-9))

    def deceived(problems):
        coarse = Rung("coarse", lambda: make_solver("heun", step=0.3), fine)
        return replace(problems.evidence(saves=9), rungs=(coarse, coarse), run_rung=0)

    problems, _ = evidence_on(varied(rule="gd", networks=1))
    (check,) = chosen(("C-1",))
    assert outcomes_of(check, deceived(problems))[0].verdict is Verdict.VIOLATED
    (case,) = cases_of((check,), problems, deceived(problems), deceived)
    assert case.verdict_before is Verdict.VIOLATED and case.verdict is not Verdict.VIOLATED


def test_smallest_leaves_nothing_out_that_the_failure_needs():
    """A failure that needs two samples and two neurons keeps two of each."""
    problems = build(varied(samples=5, dim=6, architecture=Architecture((4,), "all", 0.1)))

    def fails(one):
        return one.X.shape[1] >= 2 and one.sizes[1] >= 2

    best = smallest(problems, fails, network=3)
    assert best.X.shape == (1, 2, 1) and best.sizes == (1, 2, 1)
    assert not best.start["c1"].any()
    with pytest.raises(ValueError, match="no network"):
        smallest(problems, lambda one: False)


def test_saved_problems_are_read_as_data_and_start(tmp_path):
    problems = build(varied(rule="frsf", networks=3))
    problems.save(tmp_path / "many.npz")
    problems.select(1).save(tmp_path / "one.npz")
    for name, starts in (("many.npz", 3), ("one.npz", 1)):
        data, start = load_npz(tmp_path / name), load_start(tmp_path / name)
        again = Problem(data, leak=0.3, rule="frsf", loss="exponential", initial=start)
        flow = NetworkFlow(again, build_ensemble(again, starts, 0))
        expected = problems.flow() if starts == 3 else problems.select(1).flow()
        # In coordinates of the span: a product, whose last digits depend on the memory's layout.
        torch.testing.assert_close(flow.initial, expected.initial, rtol=1e-13, atol=1e-15)


def test_tally_counts_every_network_once_a_statement():
    tally = run_randomised(("C-1", "C-2"), [build(PLAIN), build(varied(rule="signfa"))])
    assert tally.networks == 8
    assert tally.count("statement", "C-1", Verdict.HOLDS) == 8
    assert tally.count("statement", "C-2", Verdict.NOT_APPLICABLE) == 8
    assert tally.count("rule", "fa", Verdict.HOLDS) == 4
    assert "| C-1 | 8 | 0 | 0 | 0 |" in tally.table()
    assert set(START_KINDS) >= set(tally.groups("start"))
