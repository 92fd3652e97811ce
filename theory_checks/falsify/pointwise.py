"""Claims on the state of a network: an inequality at one time, with nothing to integrate.

The formulas are written once, for numbers of any kind: the search evaluates them in float64, the
verification of a counterexample in decimal numbers of `DIGITS` digits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, DecimalException, localcontext
from typing import Any

import numpy as np

from theory_checks.falsify.case import Case, Shape, case_of
from theory_checks.falsify.claim import CLAIMS, DROPPED, FAR, MISSED, Assessment
from theory_checks.falsify.network import Network

DIGITS = 50
ROUNDING = 1e-12
"""Share of the terms of an inequality that rounding may make up in float64."""
RULE = "RULE"
"""Placeholder of the rule's name in a formula."""
SAMPLED = 20
"""Random problems of a shape by which to see whether a dropped hypothesis can fail in it."""


@dataclass(frozen=True)
class Sides:
    """Two sides of the claim ``left >= right``, and the size of the terms they are made of.

    Attributes
    ----------
    left, right, scale : float or Decimal
    """

    left: Any
    right: Any
    scale: Any


@dataclass(frozen=True)
class Requirement:
    """A hypothesis, as an amount that must not be positive.

    Attributes
    ----------
    name, text : str
    excess : callable
        The amount as a function of a `Network`, in units in which 1 is a lot.
    measured : bool
        Whether the excess is an amount; otherwise it is 0 or 1, for a condition.
    """

    name: str
    text: str
    excess: Callable[[Network], Any]
    measured: bool = True


@dataclass(frozen=True)
class PointwiseClaim:
    """An inequality between functions of data, weights and feedback.

    Attributes
    ----------
    name, statement, unit : str
    sides : callable
        The two sides as a function of a `Network`.
    formula : str
        The same in plain numpy, independent of `sides`: it sets ``left`` and ``right`` from the
        arrays and ``leak``, and is what a snippet prints.
    requirements : tuple of Requirement
    family : tuple of Shape
    """

    name: str
    statement: str
    sides: Callable[[Network], Sides]
    formula: str
    requirements: tuple[Requirement, ...]
    family: tuple[Shape, ...]
    unit: str = "left / right"
    examples: int = 20000
    batch: int = field(default=1, init=False)

    def hypotheses(self) -> Mapping[str, str]:
        """Return name and text of each hypothesis."""
        return {requirement.name: requirement.text for requirement in self.requirements}

    def shapes(self, drop: frozenset[str]) -> tuple[Shape, ...]:
        """Return the shapes of problems to search.

        Shapes that never meet the hypotheses are left out. If hypotheses are dropped, so are the
        shapes in which none of these can fail.
        """
        random = np.random.default_rng(0)

        def excesses(shape: Shape, wanted: bool) -> Iterator[list[float]]:
            """Yield how far random problems miss each hypothesis that is dropped, or is not."""
            requirements = [
                requirement
                for requirement in self.requirements
                if (requirement.name in drop) is wanted
            ]
            for vector in random.uniform(-1.0, 1.0, (SAMPLED, shape.numbers)):
                network = Network.of(case_of(shape, vector))
                yield [float(requirement.excess(network)) for requirement in requirements]

        def can_meet(shape: Shape) -> bool:
            """Return whether no hypothesis is missed by the same in all problems."""
            return not any(
                len(set(excess)) == 1 and excess[0] > 0.0
                for excess in zip(*excesses(shape, wanted=False), strict=True)
            )

        possible = tuple(shape for shape in self.family if can_meet(shape)) or self.family
        if not drop:
            return possible

        def can_fail(shape: Shape) -> bool:
            return any(
                excess > 0.0 for amounts in excesses(shape, wanted=True) for excess in amounts
            )

        return tuple(shape for shape in possible if can_fail(shape)) or possible

    def assess(self, cases: Sequence[Case], drop: frozenset[str]) -> list[Assessment]:
        """Evaluate the inequality on each problem, in float64."""
        with np.errstate(all="ignore"):
            return [self._assess(Network.of(case), drop) for case in cases]

    def _assess(self, network: Network, drop: frozenset[str]) -> Assessment:
        kink = network.nearest_kink()
        if not kink > ROUNDING:
            # The slope of a neuron at its kink is any number in [leak, 1].
            return Assessment(FAR, missed="no preactivation is zero", missed_by=math.inf)
        missed = self._missed(network, drop)
        if missed is not None:
            return missed
        sides = self.sides(network)
        left, right, scale = float(sides.left), float(sides.right), float(sides.scale)
        margin, error = left - right, ROUNDING * scale
        if not (math.isfinite(margin) and scale > 0.0):
            return Assessment(FAR)
        ratio = left / right if right > 0.0 else math.nan
        return Assessment((margin + error) / scale, margin, error, ratio)

    def _missed(self, network: Network, drop: frozenset[str]) -> Assessment | None:
        """Say which hypothesis a problem misses, or that it respects those that were dropped."""
        slack = math.inf
        for requirement in self.requirements:
            excess = float(requirement.excess(network))
            if requirement.name in drop:
                # NaN is neither respected nor failed: it says nothing of the slack.
                slack = min(slack, -excess) if excess == excess else slack
            elif not excess <= 0.0:
                amount = min(excess, FAR) if excess == excess else FAR
                missed_by = excess if requirement.measured else math.inf
                return Assessment(MISSED + amount, missed=requirement.text, missed_by=missed_by)
        if drop and not slack < 0.0:
            amount = min(slack, FAR)
            return Assessment(MISSED + amount, missed=DROPPED, missed_by=slack)
        return None

    def verify(self, case: Case, drop: frozenset[str]) -> str | None:
        """Evaluate the inequality again with many digits."""
        with localcontext() as context:
            context.prec = DIGITS
            try:
                network = Network.of(case, Decimal)
                kept = [
                    requirement for requirement in self.requirements if requirement.name not in drop
                ]
                if network.nearest_kink() == 0 or any(e.excess(network) > 0 for e in kept):
                    return None
                sides = self.sides(network)
                if not sides.left < sides.right:
                    return None
                return (
                    f"verified with {DIGITS} digits: margin {float(sides.left - sides.right):.6g}"
                )
            except DecimalException:
                return None

    def snippet(self, case: Case, drop: frozenset[str]) -> str:
        """Return code that needs numpy only."""
        return "\n".join(
            [
                "import numpy as np",
                "",
                *case.lines(),
                f"leak = {case.shape.leak!r}",
                "",
                *self.formula.strip().replace(RULE, case.shape.rule).splitlines(),
                "margin = float(left - right)",
                'print(f"left {left:.6g}, right {right:.6g}, margin {margin:.6g}")',
            ]
        )


def claim(
    name: str,
    statement: str,
    formula: str,
    family: Sequence[Shape],
    requirements: Sequence[Requirement] = (),
    unit: str = "left / right",
) -> Callable[[Callable[[Network], Sides]], Callable[[Network], Sides]]:
    """Return a decorator that registers the claim whose sides a function computes.

    Raises
    ------
    InputError
        If the name is taken.
    """

    def enter(sides: Callable[[Network], Sides]) -> Callable[[Network], Sides]:
        claim_on_states = PointwiseClaim(
            name, statement, sides, formula, tuple(requirements), tuple(family), unit
        )
        CLAIMS.register(name)(claim_on_states)
        return sides

    return enter
