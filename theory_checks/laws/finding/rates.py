"""The rates of candidates along random fields at random points, modulo a prime."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from theory_checks.laws.arithmetic.elimination import Span
from theory_checks.laws.arithmetic.modular import Modular
from theory_checks.laws.formulas.law import Factor, Monomial
from theory_checks.laws.motion.dynamics import Dynamics
from theory_checks.laws.motion.motion import Motion
from theory_checks.laws.motion.orthants import generic_signs
from theory_checks.laws.motion.products import with_products

SPARE_ROWS = 12
"""Fields beyond the number of candidates: what passes all of them is no accident."""


class Rates:
    """Random fields at random points, along which candidates are tried.

    Every row is another point, in another orthant, with another sample.

    Parameters
    ----------
    dynamics : Dynamics
    prime, seed : int
    fresh : bool
        Whether each row has feedback of its own: then coefficients of laws are numbers, and
        feedback is a factor of candidates. By default all rows have the same feedback.
    orthant : numpy.ndarray, optional
        The signs of all points, (1, number); by default each point has its own.

    Attributes
    ----------
    given : dict
        What the rule keeps, and products of it (`with_products`), as residues.
    """

    def __init__(
        self,
        dynamics: Dynamics,
        prime: int,
        seed: int,
        fresh: bool = False,
        orthant: np.ndarray | None = None,
    ) -> None:
        self.numbers = Modular(prime)
        self.motion = Motion(dynamics, self.numbers, np.random.default_rng(seed))
        self.fresh = fresh
        self.orthant = orthant
        self._states = np.zeros((0, dynamics.layout.size), dtype=np.int64)
        self._signs, self._fields = self._states, self._states
        self.given = with_products(dynamics, self.numbers, self.motion.feedback.kept)
        self._kept = {
            name: np.zeros((0, *matrix.shape), dtype=np.int64)
            for name, matrix in self.given.items()
        }

    @property
    def least_rows(self) -> int:
        """How many fields there have to be so that every given sample is in one."""
        inputs = self.motion.dynamics.inputs
        return 0 if inputs is None else len(inputs)

    @property
    def signs(self) -> np.ndarray:
        """The signs of the numbers at the first point, (1, number)."""
        self._grow(1)
        return self._signs[:1]

    def null_vectors(self, candidates: Sequence[Monomial]) -> tuple[np.ndarray, np.ndarray]:
        """Return the combinations of candidates that no field changes.

        Returns
        -------
        vectors : numpy.ndarray
            (law, candidate), each with a one at its own free candidate.
        free : numpy.ndarray
            The free candidates.
        """
        span = Span(self.numbers, len(candidates))
        span.add(self.rates(candidates, max(len(candidates) + SPARE_ROWS, self.least_rows)))
        return span.null_vectors()

    def rates(self, candidates: Sequence[Monomial], rows: int) -> np.ndarray:
        """Return the rates of candidates along the first rows, (row, candidate)."""
        self._grow(rows)
        result = np.zeros((rows, len(candidates)), dtype=np.int64)
        for degree, columns in _by_degree(candidates).items():
            factors = [[candidates[column][part] for column in columns] for part in range(degree)]
            tables = [self._factors(part, rows) for part in factors]
            value, rate = tables[0]
            for other_value, other_rate in tables[1:]:
                rate = self.numbers.reduce(rate * other_value + value * other_rate)
                value = self.numbers.reduce(value * other_value)
            result[:, columns] = rate
        return result

    def gradients(self, candidates: Sequence[Monomial]) -> np.ndarray:
        """Return the gradients of candidates at the first point, (candidate, parameter)."""
        self._grow(1)
        layout = self.motion.layout
        result = np.zeros((len(candidates), layout.size), dtype=np.int64)
        for row, monomial in enumerate(candidates):
            for part, factor in enumerate(monomial):
                if factor.name in self._kept:
                    continue
                slope = self._slope(factor, 1)
                for other in monomial[:part] + monomial[part + 1 :]:
                    value = self._value(other, 1)
                    slope = self.numbers.reduce(slope * value)
                place = layout.places[factor.entry]
                result[row, place] = self.numbers.reduce(result[row, place] + slope[0])
        return result

    def _factors(self, factors: list[Factor], rows: int) -> tuple[np.ndarray, np.ndarray]:
        """Return values and rates, (row, factor)."""
        value = np.zeros((rows, len(factors)), dtype=np.int64)
        rate = np.zeros_like(value)
        plain = [
            column
            for column, factor in enumerate(factors)
            if factor.form == "value" and factor.power == 1 and factor.name not in self._kept
        ]
        places = [self.motion.layout.places[factors[column].entry] for column in plain]
        value[:, plain] = self._states[:rows, places]
        rate[:, plain] = self._fields[:rows, places]
        for column in set(range(len(factors))).difference(plain):
            factor = factors[column]
            value[:, column] = self._value(factor, rows)
            if factor.name not in self._kept:
                place = self.motion.layout.places[factor.entry]
                rate[:, column] = self._slope(factor, rows) * self._fields[:rows, place]
        return value, self.numbers.reduce(rate)

    def _value(self, factor: Factor, rows: int) -> np.ndarray:
        if factor.name in self._kept:
            return self._kept[factor.name][(slice(rows), *factor.index)]
        place = self.motion.layout.places[factor.entry]
        if factor.form == "sign":
            return self.numbers.reduce(self._signs[:rows, place])
        if factor.form == "abs":
            return self.numbers.reduce(self._signs[:rows, place] * self._states[:rows, place])
        return self._power(self._states[:rows, place], factor.power)

    def _slope(self, factor: Factor, rows: int) -> np.ndarray:
        place = self.motion.layout.places[factor.entry]
        if factor.form == "sign":
            return np.zeros(rows, dtype=np.int64)
        if factor.form == "abs":
            return self.numbers.reduce(self._signs[:rows, place])
        power = self._power(self._states[:rows, place], factor.power - 1)
        # Rates of decay far apart make powers that do not fit into 63 bits with a residue.
        return self.numbers.reduce(factor.power % self.numbers.prime * power)

    def _power(self, values: np.ndarray, exponent: int) -> np.ndarray:
        result, power = np.ones_like(values), values
        while exponent:
            if exponent & 1:
                result = self.numbers.reduce(result * power)
            power = self.numbers.reduce(power * power)
            exponent >>= 1
        return result

    def _grow(self, rows: int) -> None:
        """Draw more points and fields, if there are fewer than `rows`."""
        missing = rows - len(self._states)
        if missing <= 0:
            return
        missing = max(missing, 64)
        points, samples = self.motion.points(missing), self.motion.samples(missing, self.fresh)
        signs = points.signs
        if not len(self._signs):
            signs[:1] = generic_signs(self.motion, signs[:1])
        if self.orthant is not None:
            signs = np.broadcast_to(self.orthant, signs.shape)
        field = self.motion.field(points.state, signs, samples).values[0]
        given = (
            {name: matrix[None] for name, matrix in self.given.items()}
            if samples.kept is None
            else with_products(self.motion.dynamics, self.numbers, samples.kept)
        )
        for name, matrix in given.items():
            more = np.broadcast_to(matrix, (missing, *matrix.shape[1:]))
            self._kept[name] = np.concatenate([self._kept[name], more])
        self._states = np.concatenate([self._states, points.state.values[0]])
        self._signs = np.concatenate([self._signs, signs])
        self._fields = np.concatenate([self._fields, field])


def _by_degree(candidates: Sequence[Monomial]) -> dict[int, list[int]]:
    columns: dict[int, list[int]] = {}
    for column, monomial in enumerate(candidates):
        columns.setdefault(len(monomial), []).append(column)
    return columns
