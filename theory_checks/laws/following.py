"""Laws as statements that a run is held to, from the file that ``flowfa laws --out`` wrote."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from flowfa.errors import InputError
from flowfa.machine.thread_scope import in_chosen_threads
from flowfa.simulation.run import Run
from theory_checks.controls import broken
from theory_checks.controls.control import Control
from theory_checks.evidence.evidence import Evidence
from theory_checks.evidence.from_run import evidence_of_run
from theory_checks.evidence.networks import Networks
from theory_checks.laws.formulas.evaluation import Arrays, Evaluator
from theory_checks.laws.formulas.law import Law
from theory_checks.laws.motion.dynamics import Dynamics
from theory_checks.laws.same_flow import (
    check_same_flow,
    moving_otherwise,
    other_network,
    stored_parameters,
)
from theory_checks.laws.stored import stored_laws
from theory_checks.margins.bounds import constant
from theory_checks.margins.measurement import Hypothesis, Item, Measurement
from theory_checks.statements.conservation.c1_per_neuron import DRIFT
from theory_checks.statements.statement import Check, chosen
from theory_checks.verdicts.check import check_evidence
from theory_checks.verdicts.report import Report
from theory_checks.verdicts.traces import Traces

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
    laws : tuple of Law
    reading : str
    """

    spec: str
    statement: str
    dynamics: Dynamics
    laws: tuple[Law, ...]
    reading: str = DRIFT

    def hypotheses(self, evidence: Evidence) -> tuple[Hypothesis, ...]:
        """Assume the rule, the architecture and the kind of flow that the laws are of."""
        problem, of = evidence.flow.problem, self.dynamics
        name = of.rule.name
        of_laws = stored_parameters(of.rule)
        same_rule = [
            rule.name
            for rule in problem.rules
            if rule.name == name and stored_parameters(rule) == of_laws
        ]
        alike = not any(other_network(of, problem))
        sizes = "-".join(map(str, of.sizes))
        plain = not any(moving_otherwise(of))
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
                evidence.for_all(plain),
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


@in_chosen_threads
def check_laws(
    run: Run | str | Path,
    laws: str | Path | Mapping[str, Any],
    only: str | Iterable[str] | None = (),
    ladder: bool = False,
    watch: Callable[[str], None] | None = None,
    *,
    traces: Traces | None = None,
) -> Report:
    """Check laws along a run, and built-in statements beside them.

    Parameters
    ----------
    run : Run, str or Path
    laws : str, Path or mapping
        The file that ``flowfa laws --out`` wrote, or its document, `Laws.to_json_dict`.
    only : iterable of str, optional
        Built-in statements that are checked too; none by default, all if None.
    ladder, watch, traces
        As `theory_checks.check`.

    Raises
    ------
    InputError
        If the file has no laws that a run can be held to, or they are of another flow.
    """
    checks = law_checks(laws)
    wanted = only if only is None or isinstance(only, str) else tuple(only)
    built_in = () if wanted == () else chosen(wanted)
    evidence = evidence_of_run(run, ladder)
    check_same_flow(checks[0].dynamics, evidence.flow.problem)
    # Their names and statements are of each object, those of other checks are of the class.
    beside = cast("tuple[Check, ...]", checks)
    return check_evidence(evidence, (*built_in, *beside), watch=watch, traces=traces, confirm=True)


def law_checks(laws: str | Path | Mapping[str, Any]) -> tuple[LawCheck, ...]:
    """Return the statements of a file of laws, those that a run can be held to.

    Raises
    ------
    InputError
        If it is no such file, or has no laws that a run can be held to.
    """
    dynamics, families = stored_laws(laws)
    checks = tuple(
        LawCheck(f"law-{number}", f"{family} is constant", dynamics, family.laws)
        for number, family in enumerate(families, 1)
        if family.kind in FOLLOWED
    )
    if not checks:
        raise InputError(
            f"{_name(laws)} no formula that a run can be held to, only laws of other kinds, or "
            "none: take the laws of another rule, network or motion"
        )
    return checks


def _name(laws: str | Path | Mapping[str, Any]) -> str:
    return "the laws have" if isinstance(laws, Mapping) else f"{laws} has"
