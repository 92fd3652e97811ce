"""Names of coefficients: which rational number times which feedback a residue is.

A null vector is solved for with several draws of what the rule keeps, and modulo two primes. What
a coefficient is made of is read off the first draw and has to hold in all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise

import numpy as np
import torch

from theory_checks.laws.arithmetic.elimination import Span
from theory_checks.laws.arithmetic.simple import simple_fraction
from theory_checks.laws.finding.rates import Rates
from theory_checks.laws.formulas.law import Coefficient, Component, Monomial
from theory_checks.laws.motion.layout import Entry


class Names:
    """What coefficients may be made of.

    Parameters
    ----------
    draws : sequence of Rates
        The same training flow with several draws of its feedback.
    """

    def __init__(self, draws: Sequence[Rates]) -> None:
        self.draws = draws
        kept = draws[0].given
        self.entries: list[Entry] = [
            (name, index) for name, matrix in kept.items() for index in np.ndindex(*matrix.shape)
        ]
        self.kept = frozenset(kept)
        self._places = {entry: place for place, entry in enumerate(self.entries)}
        self._values = [
            np.concatenate(
                [
                    np.zeros(0, dtype=np.int64),
                    *(one.given[name].ravel() for name in kept),
                ]
            )
            for one in draws
        ]
        self._inverses = [
            one.numbers.inverse(values) for one, values in zip(draws, self._values, strict=True)
        ]
        self._scalars = dict(_scalars(draws[0]))

    def of(self, residues: Sequence[int]) -> Coefficient | None:
        """Return what a coefficient is, given its residue in each draw; None if it has no name."""
        number = self._rational(residues)
        if number is not None:
            return Coefficient(number)
        scaled = self._with_scalar(residues)
        if scaled is not None or self.draws[0].fresh:
            return scaled
        for place, entry in enumerate(self.entries):
            for power, table in ((1, self._inverses), (-1, self._values)):
                quotient = [
                    int(one.numbers.reduce(residue * values[place]))
                    for one, residue, values in zip(self.draws, residues, table, strict=True)
                ]
                number = self._rational(quotient)
                # An entry that is zero makes zero of every coefficient.
                if number:
                    return Coefficient(number, ((entry, power),))
        return self._ratio(residues)

    def residue(self, coefficient: Coefficient, number: int = 0) -> int:
        """Return a coefficient in a draw that has the same feedback in all fields."""
        draw = self.draws[number]
        numbers = draw.numbers
        value = numbers.of_fraction(coefficient.number)
        for (name, index), power in coefficient.entries:
            entry = int(self._values[number][self._places[name, index]])
            value = value * pow(entry, power, numbers.prime) % numbers.prime
        if coefficient.scalar is not None:
            value = value * int(numbers.of(np.array(coefficient.scalar[1]))) % numbers.prime
        part = coefficient.component
        if part is not None:
            vector = _null_vector(draw, part.matrices, part.rows)
            assert vector is not None
            value = value * int(vector[part.rows.index(part.row)]) % numbers.prime
        return value

    def components(
        self,
        candidates: Sequence[Monomial],
        residues: Sequence[np.ndarray],
        layer: int | None,
    ) -> list[Coefficient] | None:
        """Return the coefficients of a law in one column of W_l as those of a null vector.

        Parameters
        ----------
        candidates : sequence of Monomial
            Those that are in the law.
        residues : sequence of numpy.ndarray
            Their coefficients in each draw, that of the last one.
        layer : int or None

        Returns
        -------
        list or None
            None if there is no product of feedback matrices that annihilates these rows alone.
        """
        factors = [monomial[0] for monomial in candidates]
        grown = {monomial[1:] for monomial in candidates}
        if layer is None or len(grown) > 1 or any(one.name != "u" for one in next(iter(grown))):
            return None
        # With momentum a column of velocities may stand beside that of weights.
        names = list(dict.fromkeys(one.name for one in factors))
        if any(name.removeprefix("V") not in (f"W{layer}", f"c{layer}") for name in names):
            return None
        if any(one.form != "value" for one in factors):
            return None
        blocks = [[place for place, one in enumerate(factors) if one.name == n] for n in names]
        rows = tuple(factors[place].index[0] for place in blocks[-1])
        if any(tuple(factors[place].index[0] for place in block) != rows for block in blocks):
            return None
        shares = [self._rational([int(each[block[-1]]) for each in residues]) for block in blocks]
        for matrices in self._products(layer):
            vectors = [_null_vector(draw, matrices, rows) for draw in self.draws]
            same = all(
                share is not None
                and vector is not None
                and np.array_equal(
                    draw.numbers.reduce(draw.numbers.of_fraction(share) * vector), residue[block]
                )
                for draw, vector, residue in zip(self.draws, vectors, residues, strict=True)
                for share, block in zip(shares, blocks, strict=True)
            )
            if same:
                return [
                    Coefficient(share, component=Component(matrices, rows, row))
                    for share in shares
                    if share is not None
                    for row in rows
                ]
        return None

    def _products(self, layer: int) -> Iterator[tuple[str, ...]]:
        kept = self.draws[0].motion.feedback.kept
        layers = self.draws[0].motion.dynamics.layers
        for last in range(layer + 1, layers + 1):
            names = tuple(f"B{each}" for each in range(layer + 1, last + 1))
            if all(name in kept for name in names):
                yield names
            if self._is_signs(layer + 1, last):
                yield tuple(f"F{each}" for each in range(layer + 1, last + 1))
        if f"D{layer}" in kept:
            yield (f"D{layer}",)

    def _is_signs(self, first: int, last: int) -> bool:
        """Return whether the feedback of some layers is M * sign(W)^T and nothing else."""
        draw = self.draws[0]
        if draw.orthant is None or not draw.motion.dynamics.rule.in_form:
            return False
        parts = [
            draw.motion.feedback.parts(layer, draw.numbers) for layer in range(first, last + 1)
        ]
        return all(a is None and b is None and m is not None for a, b, m in parts)

    def _rational(self, residues: Sequence[int]) -> Fraction | None:
        """Return the simple fraction that all residues are."""
        number = self.draws[0].numbers.as_fraction(residues[0])
        if number is None:
            return None
        same = all(
            draw.numbers.of_fraction(number) == residue
            for draw, residue in zip(self.draws, residues, strict=True)
        )
        return number if same else None

    def _with_scalar(self, residues: Sequence[int]) -> Coefficient | None:
        for name, value in self._scalars.items():
            quotient = []
            for draw, residue in zip(self.draws, residues, strict=True):
                inverse = draw.numbers.inverse(draw.numbers.of(np.array(value)))
                quotient.append(int(draw.numbers.reduce(residue * inverse)))
            number = self._rational(quotient)
            if number is not None:
                return Coefficient(number, scalar=(name, value))
        return None

    def _ratio(self, residues: Sequence[int]) -> Coefficient | None:
        """Return a quotient of two entries of what the rule keeps."""
        first = self.draws[0]
        for place, entry in enumerate(self.entries):
            above = first.numbers.reduce(self._values[0][place] * self._inverses[0])
            for number in (1, -1):
                found = np.flatnonzero(
                    first.numbers.reduce(number * above) == residues[0] % first.numbers.prime
                )
                for other in found.tolist():
                    if self._is_ratio(residues, number, place, other):
                        powers = ((entry, 1), (self.entries[other], -1))
                        return Coefficient(Fraction(number), powers)
        return None

    def _is_ratio(self, residues: Sequence[int], number: int, above: int, below: int) -> bool:
        return all(
            int(draw.numbers.reduce(residue * values[below] - number * values[above])) == 0
            for draw, residue, values in zip(self.draws, residues, self._values, strict=True)
        )


def _scalars(draw: Rates) -> Iterator[tuple[str, float]]:
    """Yield numbers in the form of the feedback, by name: the share of W^T and a scale of signs."""
    motion = draw.motion
    if not motion.dynamics.rule.in_form:
        return
    kept = {name: torch.as_tensor(m)[None] for name, m in motion.feedback.kept.items()}
    for layer, (into, out) in enumerate(pairwise(motion.dynamics.sizes[1:]), start=2):
        form = motion.dynamics.rule.form(layer, (out, into), kept)
        assert form is not None
        numbers = {f"a{layer}": form.weight_share}
        if isinstance(form.magnitudes, int | float):
            numbers[f"s{layer}"] = float(form.magnitudes)
        yield from (entry for entry in numbers.items() if simple_fraction(entry[1]) is None)


def _product(draw: Rates, matrices: tuple[str, ...]) -> np.ndarray:
    """Return a product of feedback matrices; F_l is the feedback itself, at the first signs."""
    product = None
    for name in matrices:
        matrix = _matrix(draw, name)
        product = matrix if product is None else draw.numbers.reduce(product @ matrix)
    assert product is not None
    return product


def _matrix(draw: Rates, name: str) -> np.ndarray:
    feedback, numbers = draw.motion.feedback, draw.numbers
    if name in feedback.kept:
        return numbers.of(feedback.kept[name])
    layer = int(name[1:])
    magnitudes = feedback.parts(layer, numbers)[2]
    assert magnitudes is not None
    signs = draw.motion.layout.view_of(draw.signs, f"W{layer}")[0].T
    return numbers.reduce(magnitudes.values[0, 0] * signs)


def _null_vector(
    draw: Rates, matrices: tuple[str, ...], rows: tuple[int, ...]
) -> np.ndarray | None:
    """Return the only n on some rows with n^T (product of matrices) = 0, its last entry one."""
    span = Span(draw.numbers, len(rows))
    span.add(_product(draw, matrices)[list(rows)].T)
    vectors, free = span.null_vectors()
    return vectors[0] if free.tolist() == [len(rows) - 1] else None
