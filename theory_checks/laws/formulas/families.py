"""Laws of the same formula, put together: one line for all neurons of a layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from theory_checks.laws.formulas.law import Law
from theory_checks.laws.formulas.style import LATEX, TEXT
from theory_checks.laws.formulas.writing import Writer
from theory_checks.laws.motion.dynamics import Dynamics


@dataclass(frozen=True)
class Family:
    """Laws that differ only in the neurons, or the column, that they are of.

    Attributes
    ----------
    text, latex : str
        The formula, with letters for neurons and column.
    condition : str
        What a vector in the formula is.
    members : str
        Which neurons or columns there are laws of.
    kind : str
        As `Law.kind`.
    layer : int or None
    laws : tuple of Law
    step : str
        What a discrete step adds to each of them.
    """

    text: str
    latex: str
    condition: str
    members: str
    kind: str
    layer: int | None
    laws: tuple[Law, ...]
    step: str

    @property
    def independent(self) -> int:
        """How many of its laws do not follow from laws before them."""
        return sum(law.independent for law in self.laws)

    def __str__(self) -> str:
        """Return the formula with what it holds for."""
        where = f", {self.condition}" if self.condition else ""
        return f"{self.text}{where}{self.members}"

    def to_json_dict(self) -> dict[str, Any]:
        """Return it ready for JSON: what is said of its laws, and the laws."""
        return {
            "text": str(self),
            "latex": self.latex,
            "kind": self.kind,
            "step": self.step,
            "independent": self.independent,
            "members": [law.to_json_dict() for law in self.laws],
        }


def families(dynamics: Dynamics, laws: Sequence[Law]) -> tuple[Family, ...]:
    """Return the laws in families, in the order of the first of each."""
    text, latex = Writer(dynamics, TEXT), Writer(dynamics, LATEX)
    groups: dict[tuple[object, ...], list[Law]] = {}
    for law in laws:
        condition = text.condition(law)
        key = (text.formula(law), condition.split(", n on rows")[0], law.kind, law.layer)
        groups.setdefault(key, []).append(law)
    return tuple(
        Family(
            str(key[0]),
            latex.formula(members[0]),
            str(key[1]),
            _members(dynamics, members),
            str(key[2]),
            members[0].layer,
            tuple(members),
            text.step(members[0]),
        )
        for key, members in groups.items()
    )


def _members(dynamics: Dynamics, laws: list[Law]) -> str:
    """Return for which neurons or columns a formula holds."""
    first = laws[0]
    if first.layer is None:
        return ""
    width = dynamics.sizes[first.layer]
    if first.vector:
        number = len({law.vector for law in laws})
        return f" for every j of layer 1, {number} independent v"
    if len(first.neurons) == 1:
        if len(laws) == width:
            return f" for every j of layer {first.layer}"
        return f" for j = {', '.join(str(law.neurons[0]) for law in laws)} of layer {first.layer}"
    if len(first.neurons) == 2:
        if len(laws) == len(list(combinations(range(width), 2))):
            return f" for all j < k of layer {first.layer}"
        pairs = ", ".join(str(law.neurons) for law in laws)
        return f" for (j, k) = {pairs} of layer {first.layer}"
    factor = first.terms[0].monomial[0]
    part = first.terms[0].coefficient.component
    if len(factor.index) < 2:
        return f" of layer {first.layer}"
    named = sorted({law.terms[0].monomial[0].index[1] for law in laws})
    columns = len(named)
    whole = columns == dynamics.sizes[first.layer - 1]
    every = "every k" if whole else f"k = {', '.join(map(str, named))}"
    if part is None:
        return f" for {every} of layer {first.layer}"
    each = "" if len(laws) % columns else f", {len(laws) // columns} independent n"
    return f" for {every} of layer {first.layer}{each}"
