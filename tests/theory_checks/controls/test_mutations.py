"""Every plausible wrong implementation of a rule is called violated by some check."""

from __future__ import annotations

import pytest
import torch

from flowfa.errors import InputError
from flowfa.flow.field import NetworkField
from flowfa.problems.rules import RULES
from theory_checks import Verdict, check_evidence
from theory_checks.controls.mutants import (
    EQUIVALENT,
    MUTANTS,
    T_END,
    evidence_of_mutant,
    evidence_of_pieces,
    mutant_flow,
    names_of,
)
from theory_checks.controls.pieces import Assembled, Pieces
from theory_checks.evidence.from_flow import evidence_of_flow
from theory_checks.statements.statement import chosen

LAWS, RATE = ("C-1",), ("Eq-1",)
# A law in the weights knows neither a time scale nor a weighting of the samples.
LAWS_CANNOT_SEE = ("1/n missing", "derivative of the loss doubled", "a sample left out")


IN_FORM = (*MUTANTS, "kolen-pollack")
"""Rules with mutants of their own, and one that has those of any form."""


def verdict(evidence, specs):
    return check_evidence(evidence, chosen(specs)).findings[0].verdict


def test_every_rule_has_mutants():
    assert set(MUTANTS) >= {"gd", "fa", "adafa", "signfa", "dfa", "frsf"}
    assert all(name in RULES.names() for name in MUTANTS)


@pytest.mark.parametrize("rule", IN_FORM)
def test_pieces_as_they_should_be_are_the_flow(rule):
    """So that a mutant is wrong in what its name says, and in nothing else."""
    flow = mutant_flow(rule)
    time = torch.zeros(len(flow), dtype=torch.float64)
    expected = flow.field(time, flow.initial)
    found = Assembled(flow.field, Pieces())(time, flow.initial)
    torch.testing.assert_close(found, expected, rtol=1e-13, atol=1e-15)
    evidence = evidence_of_pieces(rule, Pieces())
    assert verdict(evidence, LAWS) is verdict(evidence, RATE) is Verdict.HOLDS


def cases():
    """Each rule with each of its mutants.

    Those in which a rule is not itself are slow: dfa, frsf and rules that move their feedback with
    the mutants of any rule, adafa and kolen-pollack with those of fa. The same pieces are wrong in
    the rules that are tested always, and the same statements see them.
    """
    of_any = set(MUTANTS["gd"]) & set(MUTANTS["fa"])
    shared = {"dfa": of_any, "frsf": of_any}
    shared |= {rule: set(MUTANTS["fa"]) for rule in ("adafa", "kolen-pollack")}
    shared |= {rule: of_any | {"momentum"} for rule in ("kolen-pollack-decay", "weight-mirror")}
    for rule in IN_FORM:
        for name in names_of(rule):
            slow = name in shared.get(rule, ())
            yield pytest.param(rule, name, marks=[pytest.mark.slow] if slow else [])


@pytest.mark.parametrize(("rule", "name"), [*cases()])
def test_mutant_is_caught(rule, name):
    evidence = evidence_of_mutant(rule, name).select(torch.tensor([0]))
    specs = RATE if name in LAWS_CANNOT_SEE else LAWS
    assert verdict(evidence, specs) is Verdict.VIOLATED


@pytest.mark.parametrize(
    ("rule", "name"), [(r, name) for r in EQUIVALENT for name in EQUIVALENT[r]]
)
def test_equivalent_mutant_is_not_called_violated(rule, name):
    evidence = evidence_of_pieces(rule, EQUIVALENT[rule][name][0])
    assert verdict(evidence, LAWS) is verdict(evidence, RATE) is Verdict.HOLDS


def without_first(signal):
    return signal * (torch.arange(signal.shape[2]) > 0)


RIGHT = {name: getattr(NetworkField, name) for name in ("output_signal", "_through", "rule_signal")}
# Method of the field, what it returns instead, and the statement that cannot hold then.
MISTAKES = {
    "1/n missing": ("output_signal", lambda self, *rest: self.samples * rest[-1], "Eq-1"),
    "derivative doubled": ("output_signal", lambda self, *rest: 2.0 * rest[-1], "Eq-1"),
    "a sample left out": ("output_signal", lambda self, *rest: without_first(rest[-1]), "Eq-1"),
    "slope missing": ("_through", lambda self, signal, *rest: signal, "C-1"),
    "feedback doubled": ("rule_signal", lambda self, *rest: 2.0 * rest[-1], "C-1"),
}


@pytest.mark.parametrize("name", MISTAKES)
@pytest.mark.parametrize("rule", ["gd", "fa", "signfa"])
def test_mistake_in_flowfas_own_field_is_caught(rule, name, monkeypatch):
    """Here the flow that is claimed has the mistake too: nothing right stands beside it."""
    method, wrong, spec = MISTAKES[name]
    right = RIGHT[method]
    monkeypatch.setattr(
        NetworkField, method, lambda self, *given: wrong(self, *given, right(self, *given))
    )
    evidence = evidence_of_flow(mutant_flow(rule), t_end=T_END, rtol=1e-5, saves=9)
    assert verdict(evidence.select(torch.tensor([0])), (spec,)) is Verdict.VIOLATED


def test_unknown_mutant_is_refused_with_the_nearest():
    with pytest.raises(InputError, match="did you mean 'momentum'"):
        evidence_of_mutant("fa", "momentm")
