"""A law written as a formula: sums over a whole row or column are one term."""

from __future__ import annotations

from dataclasses import replace

from theory_checks.laws.formulas.law import Law, Term
from theory_checks.laws.formulas.pieces import LETTERS, Part, Piece, Pieces
from theory_checks.laws.formulas.style import Style
from theory_checks.laws.motion.dynamics import Dynamics


class Writer:
    """Writes the laws of a training flow.

    Parameters
    ----------
    dynamics : Dynamics
    style : Style
    """

    def __init__(self, dynamics: Dynamics, style: Style) -> None:
        self.dynamics = dynamics
        self.style = style
        self.pieces = Pieces(dynamics)

    def formula(self, law: Law) -> str:
        """Return the formula, with letters for the neurons and the column that it is of."""
        if law.vector:
            row = self.style.array("W1", (LETTERS[0], ":"))
            bias = len(law.vector) > self.dynamics.sizes[0]
            if bias:
                row = f"({row}, {self.style.array('c1', (LETTERS[0],))})"
            return self.style.inner(row, "v")
        part = law.terms[0].coefficient.component
        if part is not None:
            return self._annihilated(law)
        pieces = self.pieces.of(law)
        if len({piece.growth for piece in pieces}) == 1:
            return self._grown(pieces)
        # Terms that decay at several rates: those of one rate stand together.
        text = ""
        for growth in dict.fromkeys(piece.growth for piece in pieces):
            same = [piece for piece in pieces if piece.growth == growth]
            sign = -1 if same[0].number < 0 else 1
            part = self._grown([replace(piece, number=sign * piece.number) for piece in same])
            lead = "-" if sign < 0 else ""
            text += f" {lead or '+'} {part}" if text else f"{lead}{part}"
        return text

    def _annihilated(self, law: Law) -> str:
        """Return the inner product of n and a column, of velocities and weights with momentum."""
        shares = {term.monomial[0].name: term.coefficient.number for term in law.terms}
        index = (":", "k") if len(law.terms[0].monomial[0].index) > 1 else (":",)
        parts = []
        for name, share in reversed(shares.items()):
            number = "" if abs(share) == 1 else f"{self.style.number(abs(share))}{self.style.dot}"
            sign = "-" if share < 0 else "+"
            lead = f" {sign} " if parts else "-" if share < 0 else ""
            parts.append(f"{lead}{number}{self.style.array(name, index)}")
        text = self.style.inner("n", "".join(parts))
        power = sum(one.power for one in law.terms[0].monomial if one.name == "u")
        if not power:
            return text
        return self.style.growth(f"{float(power * self.dynamics.time_unit):g}", text, alone=True)

    def condition(self, law: Law) -> str:
        """Return what a vector in the formula is; empty if there is none."""
        part = law.terms[0].coefficient.component if law.terms else None
        if law.vector:
            return "(X, 1) v = 0" if len(law.vector) > self.dynamics.sizes[0] else "X v = 0"
        if part is None:
            return ""
        rows = ", ".join(map(str, part.rows))
        return f"{self.style.annihilated(part.matrices)}, n on rows {rows}"

    def step(self, law: Law) -> str:
        """Return what a step of rate eta along U adds to a law: eta^2 its quadratic part at U.

        That is exact for laws of degree 2, as long as no weight changes its sign under a law with
        absolute values (C-11).
        """
        degrees = {self._degree(term) for term in law.terms}
        if law.vector or degrees == {1}:
            signed = any(one.form == "abs" for term in law.terms for one in term.monomial)
            return "nothing while no sign flips" if signed else "nothing"
        if max(degrees) > 2 or any(one.name == "u" for one in law.terms[0].monomial):
            return "no closed form"
        moved = tuple(
            replace(
                term, monomial=tuple(replace(one, name=f"W{one.name[1:]}") for one in term.monomial)
            )
            for term in law.terms
            if self._degree(term) == 2
        )
        pieces = self.pieces.of(replace(law, terms=moved))
        renamed = [
            replace(
                piece,
                parts=tuple(replace(part, name=f"U{part.name[1:]}") for part in piece.parts),
            )
            for piece in pieces
        ]
        signed = any(one.form != "value" for term in law.terms for one in term.monomial)
        rest = " while no sign flips" if signed else ""
        return f"eta^2 ({self._sum(renamed)}){rest}"

    def _degree(self, term: Term) -> int:
        return sum(one.form != "sign" for one in term.monomial if one.name != "u")

    def _grown(self, pieces: list[Piece]) -> str:
        """Return a sum of pieces that grow at one rate."""
        text, growth = self._sum(pieces), pieces[0].growth
        if not growth:
            return text
        rate = f"{float(growth * self.dynamics.time_unit):g}"
        if len(pieces) == 1:
            return self.style.growth(rate, text, alone=True)
        return self.style.growth(rate, text)

    def _sum(self, pieces: list[Piece]) -> str:
        text = ""
        for piece in pieces:
            sign = "-" if piece.number < 0 else "+"
            body = self._piece(piece)
            if text:
                text += f" {sign} {body}"
            else:
                text = body if sign == "+" else f"-{body}"
        return text

    def _piece(self, piece: Piece) -> str:
        size = abs(piece.number)
        factors = [] if size == 1 else [self.style.number(size)]
        if piece.scalar is not None:
            factors.append(f"{piece.scalar[1]:.6g}")
        factors.append(self._product(piece))
        return self.style.dot.join(factors)

    def _product(self, piece: Piece) -> str:
        style = self.style
        moving = [part for part in piece.parts if part.form != "fixed"]
        fixed = [part for part in piece.parts if part.form == "fixed"]
        names = [style.array(part.name, part.index) for part in moving]
        shown = [
            {"value": name, "abs": style.absolute(name), "sign": style.sign(name)}[part.form]
            for name, part in zip(names, moving, strict=True)
        ]
        above = [style.array(one.name, one.index) for one in fixed if one.power > 0]
        below = [style.array(one.name, one.index) for one in fixed if one.power < 0]
        if not piece.summed:
            return self._alone(shown, moving, above, below)
        square = len(moving) == 2 and moving[0] == moving[1] and moving[0].form == "value"
        if square and not above:
            return style.square(names[0])
        if len(moving) == 1 and moving[0].form == "abs" and not above:
            return style.one_norm(names[0])
        if len(moving) > 2 and len(set(moving)) == 1 and moving[0].form == "value" and not above:
            return f"{style.inner(f'{names[0]}^{len(moving)}', '1')}"
        if square:
            shown = [f"{names[0]}^2"]
        parts = [*shown, *above]
        if len(parts) == 1:
            return style.inner(parts[0], "1")
        return style.inner(parts[0], f"{style.dot}*{style.dot}".join(parts[1:][::-1]))

    def _alone(
        self, shown: list[str], moving: list[Part], above: list[str], below: list[str]
    ) -> str:
        if len(moving) == 2 and moving[0] == moving[1]:
            shown = [f"{shown[0]}^2"]
        if below:
            shown = [self.style.quotient(" ".join(above) or "1", " ".join(below)), *shown]
        else:
            shown = [*above, *shown]
        return self.style.dot.join(shown)
