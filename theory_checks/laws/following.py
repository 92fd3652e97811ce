"""Laws as statements that a run is held to, from the file that ``flowfa laws --out`` wrote."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from flowfa.errors import InputError
from flowfa.problems.activations.stored import stored_activation
from flowfa.problems.rules import RULES, Rule
from flowfa.simulation.run import Run
from theory_checks.controls import broken
from theory_checks.controls.control import Control
from theory_checks.evidence.evidence import Evidence
from theory_checks.evidence.networks import Networks
from theory_checks.laws.formulas.evaluation import Arrays, Evaluator
from theory_checks.laws.formulas.law import Law, Term
from theory_checks.laws.motion.dynamics import Dynamics
from theory_checks.laws.result import FORMAT
from theory_checks.margins.bounds import constant
from theory_checks.margins.measurement import Hypothesis, Item, Measurement
from theory_checks.statements.conservation.c1_per_neuron import DRIFT
from theory_checks.statements.statement import Check
from theory_checks.verdicts.check import check
from theory_checks.verdicts.report import Report

LARGEST = 1e300
"""Of a coefficient."""
FOLLOWED = ("universal",)
"""Kinds of laws that the states of a run show; what never moves is not in them."""


@dataclass(frozen=True)
class LawCheck:
    """One family of laws as a statement: each is constant along the run.

    Attributes
    ----------
    spec : str
        ``law-1`` and so on.
    statement : str
        The formula.
    dynamics : Dynamics
        The flow that the laws are of.
    parameters : dict
        Those of its rule.
    laws : tuple of Law
    reading : str
    """

    spec: str
    statement: str
    dynamics: Dynamics
    parameters: dict[str, Any]
    laws: tuple[Law, ...]
    reading: str = DRIFT

    def hypotheses(self, evidence: Evidence) -> tuple[Hypothesis, ...]:
        """Assume the rule, the architecture and the kind of flow that the laws are of."""
        problem, of = evidence.flow.problem, self.dynamics
        name = of.rule.name
        same_rule = [
            rule.name for rule in problem.rules if rule.name == name and self._has_parameters(rule)
        ]
        alike = (
            tuple(problem.sizes) == of.sizes
            and tuple(problem.has_bias) == of.has_bias
            and problem.activation.name == of.activation.name
            and (problem.activation.leak == 1.0) == (of.activation.leak == 1.0)
        )
        sizes = "-".join(map(str, of.sizes))
        plain = of.friction is None and not of.decays and len(set(of.rates)) == 1
        reduced = evidence.flow.layout.sizes[0] < of.sizes[0]
        columns = {_input_column(law) for law in self.laws} - {None}
        return (
            Hypothesis.of(
                "rule", f"the rule is {name}, as of the laws", evidence.under(*same_rule)
            ),
            Hypothesis.of(
                "architecture",
                f"sizes {sizes}, biases and activation are those of the laws",
                evidence.for_all(alike),
            ),
            Hypothesis.of(
                "plain-flow",
                "the laws are of a flow without momentum, weight decay and rates of layers",
                evidence.for_all(plain and not of.readouts),
            ),
            Hypothesis.of(
                "whole-inputs",
                "single inputs are seen: there are as many samples as features",
                evidence.for_all(not reduced or len(columns) in (0, of.sizes[0])),
            ),
        )

    def measure(self, evidence: Evidence) -> tuple[Measurement, ...]:
        """Return how much room the drift of each law leaves."""
        evaluator = Evaluator(self.dynamics)
        items = tuple(Item(law.layer, law.neurons[0] if law.neurons else None) for law in self.laws)

        def value(law: Law, moving: Arrays, kept: Arrays) -> Tensor:
            return evaluator.value(law, moving, kept)

        # Of laws of all columns of W_1 those in the span of the data are seen, in coordinates.
        seen = [(_input_column(law) or 0) < evidence.flow.layout.sizes[0] for law in self.laws]
        return constant(
            evidence,
            lambda networks: self._of_rows(networks, value),
            lambda networks: self._of_rows(networks, evaluator.turnover),
            items,
            speaks_of=torch.tensor(seen).expand(len(evidence), -1),
        )

    def controls(self) -> Mapping[str, Control]:
        """Return flows that break the laws, of networks with four inputs and one output."""
        of = self.dynamics
        if of.sizes[0] != 4 or of.sizes[-1] != 1 or of.activation.leak is None:
            return {}
        bias = "all" if of.has_bias[-1] else "hidden" if of.has_bias[0] else "none"
        leak, widths = of.activation.leak, of.sizes[1:-1]
        return {"weight decay": broken(of.rule, "weight decay", bias, leak, widths)}

    def _has_parameters(self, rule: Rule) -> bool:
        return json.loads(json.dumps(rule.parameters())) == self.parameters

    def _of_rows(
        self, networks: Networks, function: Callable[[Law, Arrays, Arrays], Tensor]
    ) -> Tensor:
        """Return a function of each law, (row, law); NaN in rows of other rules."""
        parts = []
        for group in networks.field.groups:
            rows = slice(group.start, group.stop)
            if group.rule.name != self.dynamics.rule.name:
                empty = networks.state.new_full(
                    (group.stop - group.start, len(self.laws)), torch.nan
                )
                parts.append(empty)
                continue
            moving = {name: array[rows] for name, array in networks.parameters.items()}
            nothing = networks.state.new_zeros(group.stop - group.start)
            columns = networks.field.layout.sizes[0]
            values = [
                function(law, moving, group.kept)
                if (_input_column(law) or 0) < columns
                else nothing
                for law in self.laws
            ]
            parts.append(torch.stack(values, 1))
        return torch.cat(parts)


def _input_column(law: Law) -> int | None:
    """Return which column of W_1 a law is of; None if of none alone."""
    factor = law.terms[0].monomial[0]
    return factor.index[1] if factor.name == "W1" and not law.neurons else None


def check_laws(
    run: Run | str | Path,
    laws: str | Path | Mapping[str, Any],
    only: str | Iterable[str] | None = (),
    ladder: bool = False,
    watch: Callable[[str], None] | None = None,
) -> Report:
    """Check laws along a run, and built-in statements beside them.

    Parameters
    ----------
    run : Run, str or Path
    laws : str, Path or mapping
        The file that ``flowfa laws --out`` wrote, or its document, `Laws.to_json_dict`.
    only : iterable of str, optional
        Built-in statements that are checked too; none by default, all if None.
    ladder, watch
        As `theory_checks.check`.

    Raises
    ------
    InputError
        If the file has no laws that a run can be held to.
    """
    return check(run, only, ladder, watch=watch, beside=law_checks(laws))


def law_checks(laws: str | Path | Mapping[str, Any]) -> tuple[Check, ...]:
    """Return the statements of a file of laws.

    Raises
    ------
    InputError
        If it is no such file, or has no laws that a run can be held to.
    """
    document = laws if isinstance(laws, Mapping) else _read(Path(laws))
    dynamics, formulas = _dynamics_of(document), document.get("formulas")
    if not isinstance(formulas, list):
        raise InputError("the laws have no list of formulas: write them with flowfa laws")
    checks = []
    for number, formula in enumerate(formulas, 1):
        if not isinstance(formula, Mapping) or formula.get("kind") not in FOLLOWED:
            continue
        members = _members_of(formula)
        check = LawCheck(
            f"law-{number}",
            f"{formula.get('text')} is constant",
            dynamics,
            dict(document["rule_parameters"]),
            members,
        )
        checks.append(check)
    if not checks:
        raise InputError("the laws have no formula that a run can be held to")
    # Their names and statements are of each object, those of other checks are of the class.
    return cast("tuple[Check, ...]", tuple(checks))


def _members_of(formula: Mapping[str, Any]) -> tuple[Law, ...]:
    listed = formula.get("members")
    if not isinstance(listed, list) or not listed:
        raise InputError(
            f"the formula {formula.get('text')} has no members: write it with flowfa laws"
        )
    laws = tuple(Law.from_json_dict(law) for law in listed)
    for law in laws:
        if not law.terms or not all(_usable(term) for term in law.terms):
            raise InputError(
                f"the formula {formula.get('text')} has a law without terms, or with a coefficient "
                "beyond all numbers: write it with flowfa laws"
            )
    return laws


def _usable(term: Term) -> bool:
    return bool(term.monomial) and abs(term.coefficient.number) < LARGEST


def _read(path: Path) -> Mapping[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError):
        document = None
    if not isinstance(document, Mapping) or document.get("format") != FORMAT:
        raise InputError(f"{path} has no laws: expected a file that flowfa laws wrote")
    return document


def _dynamics_of(document: Mapping[str, Any]) -> Dynamics:
    """Return the flow that the laws of a document are of."""
    try:
        rule = RULES.get(document["rule"])(**document["rule_parameters"])
        return Dynamics(
            rule,
            tuple(document["sizes"]),
            stored_activation(document),
            tuple(document["bias"]),
            None,
            document["momentum"],
            tuple(document["weight_decay"]),
            tuple(document["rates"]),
            document["readouts"],
        )
    except (IndexError, KeyError, TypeError) as error:
        raise InputError(f"the laws lack {error}: write them with flowfa laws") from None
