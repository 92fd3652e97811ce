"""The terms of a law, gathered to sums over whole rows and columns."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from theory_checks.laws.formulas.law import Law, Term
from theory_checks.laws.motion.dynamics import Dynamics

LETTERS = ("j", "k")


@dataclass(frozen=True)
class Part:
    """An array in a term: name, indices as text, form (``"fixed"`` for feedback), power."""

    name: str
    index: tuple[str, ...]
    form: str
    power: int = 1


@dataclass(frozen=True)
class Piece:
    """A term, or several that are a sum over one index, which is ``:`` in the indices.

    Its `growth` is the power of u, the exponential of the time unit times t.
    """

    number: Fraction
    scalar: tuple[str, float] | None
    parts: tuple[Part, ...]
    summed: bool = False
    growth: int = 0


class Pieces:
    """Gathers the terms of laws.

    Parameters
    ----------
    dynamics : Dynamics
    letters : bool
        Whether the neurons and the column that a law is of are letters, not numbers.
    """

    def __init__(self, dynamics: Dynamics, letters: bool = True) -> None:
        self.shapes = dynamics.layout.shapes
        self.letters = letters

    def of(self, law: Law) -> list[Piece]:
        """Return the terms, sums over a row or a column as one."""
        terms = list(law.terms)
        pieces: list[Piece] = []
        while terms:
            first = terms[0]
            for axis in (1, 0) if first.monomial[0].name == f"W{law.layer}" else (0, 1):
                key = self._summed(first, axis, law)
                same = [term for term in terms if key and self._summed(term, axis, law) == key]
                if key and len(same) == self.shapes[first.monomial[0].name][axis]:
                    pieces.append(key)
                    terms = [term for term in terms if term not in same]
                    break
            else:
                pieces.append(self._single(first, law))
                terms = terms[1:]
        return pieces

    def _single(self, term: Term, law: Law) -> Piece:
        return Piece(
            term.coefficient.number,
            term.coefficient.scalar,
            self._parts(term, law, None, None),
            growth=_growth(term),
        )

    def _summed(self, term: Term, axis: int, law: Law) -> Piece | None:
        """Return a term with one index as that of a sum; None if its parts do not share one."""
        moving = [one for one in term.monomial if one.name != "u"]
        if any(len(one.index) < 2 for one in moving):
            return None
        values = {one.index[axis] for one in moving}
        # Feedback into neuron j from r belongs to the out-weight from j to r.
        values |= {index[1] for (_, index), _ in term.coefficient.entries}
        if len(values) > 1 or (term.coefficient.entries and axis == 1):
            return None
        parts = self._parts(term, law, axis, values.pop())
        return Piece(term.coefficient.number, term.coefficient.scalar, parts, True, _growth(term))

    def _parts(self, term: Term, law: Law, axis: int | None, value: int | None) -> tuple[Part, ...]:
        moving = [
            Part(one.name, self._index(one.name, one.index, law, axis), one.form, one.power)
            for one in term.monomial
            if one.name != "u"
        ]
        fixed = [
            Part(
                name,
                self._index(name, index, law, None if axis is None else 1),
                "fixed",
                power,
            )
            for (name, index), power in term.coefficient.entries
        ]
        return tuple([*moving, *fixed])

    def _index(
        self, name: str, index: tuple[int, ...], law: Law, summed: int | None
    ) -> tuple[str, ...]:
        """Return indices as text: ``:`` for a sum, letters for the neurons of the law."""
        return tuple(
            ":" if place == summed else self._letter(name, place, number, law)
            for place, number in enumerate(index)
        )

    def _letter(self, name: str, place: int, number: int, law: Law) -> str:
        if not self.letters:
            return str(number)
        base = name[1:] if name[0] == "V" else name
        if number in law.neurons and law.layer is not None:
            own = {f"W{law.layer}": 0, f"c{law.layer}": 0, f"W{law.layer + 1}": 1}
            own[f"A{law.layer}"] = 1
            feedback = base not in self.shapes
            if place == (0 if feedback else own.get(base, -1)):
                return LETTERS[law.neurons.index(number)]
        if law.layer is not None and not law.neurons and base == f"W{law.layer}" and place == 1:
            return "k"
        return str(number)


def _growth(term: Term) -> int:
    return sum(one.power for one in term.monomial if one.name == "u")
