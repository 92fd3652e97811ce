"""Gaussian elimination modulo a prime: the span of rows that grows, and null spaces."""

from __future__ import annotations

import numpy as np

from theory_checks.laws.arithmetic.modular import MOST_TERMS, Modular


class Span:
    """A space of rows, held as a reduced echelon form, to which rows are added.

    Parameters
    ----------
    numbers : Modular
    width : int
        Number of columns.

    Attributes
    ----------
    rows : numpy.ndarray
        The reduced echelon form, (rank, width).
    pivots : numpy.ndarray
        The column of the leading one of each row, (rank,), in the order in which they were found.
    """

    def __init__(self, numbers: Modular, width: int) -> None:
        self.numbers = numbers
        self.rows = np.zeros((0, width), dtype=np.int64)
        self.pivots = np.zeros(0, dtype=np.int64)

    @property
    def rank(self) -> int:
        """The dimension."""
        return len(self.pivots)

    @property
    def free(self) -> np.ndarray:
        """The columns without a leading one, increasing."""
        return np.setdiff1d(np.arange(self.rows.shape[1]), self.pivots)

    def add(self, rows: np.ndarray) -> int:
        """Add rows, (row, width), and return by how much the dimension grew."""
        before = self.rank
        rest = self.remainders(rows)
        free = self.free
        new, pivots = _reduced(self.numbers, rest[:, free])
        if not len(new):
            return 0
        full = np.zeros((len(new), self.rows.shape[1]), dtype=np.int64)
        full[:, free] = new
        # The old rows have to be zero where the new ones lead.
        lead = free[pivots]
        self.rows = self.numbers.reduce(self.rows - _times(self.numbers, self.rows[:, lead], full))
        self.rows = np.concatenate([self.rows, full])
        self.pivots = np.concatenate([self.pivots, lead])
        return self.rank - before

    def remainders(self, rows: np.ndarray) -> np.ndarray:
        """Return what is left of rows when the span is taken off; zero if they lie in it."""
        rows = self.numbers.reduce(rows)
        if not self.rank:
            return rows
        return self.numbers.reduce(rows - _times(self.numbers, rows[:, self.pivots], self.rows))

    def null_vectors(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the vectors that all rows annihilate, one for each free column.

        Returns
        -------
        vectors : numpy.ndarray
            (free column, width), each with a one in its own free column and zeros in the others.
        free : numpy.ndarray
            The free columns.
        """
        free = self.free
        vectors = np.zeros((len(free), self.rows.shape[1]), dtype=np.int64)
        vectors[np.arange(len(free)), free] = 1
        vectors[:, self.pivots] = self.numbers.reduce(-self.rows[:, free].T)
        return vectors, free


def rank(numbers: Modular, rows: np.ndarray) -> int:
    """Return the rank of rows."""
    span = Span(numbers, rows.shape[1])
    return span.add(rows)


def _reduced(numbers: Modular, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the reduced echelon form and its leading columns."""
    prime = numbers.prime
    rows = rows[rows.any(1)].copy()
    pivots = []
    for column in range(rows.shape[1]):
        done = len(pivots)
        if done == len(rows):
            break
        candidates = np.flatnonzero(rows[done:, column])
        if not len(candidates):
            continue
        other = done + candidates[0]
        if other != done:
            rows[[done, other]] = rows[[other, done]]
        lead = rows[done, column:]
        lead[:] = lead * pow(int(lead[0]), -1, prime) % prime
        factors = rows[:, column].copy()
        factors[done] = 0
        touched = np.flatnonzero(factors)
        if len(touched):
            changed = rows[touched, column:] - factors[touched, None] * lead
            rows[touched, column:] = changed % prime
        pivots.append(column)
    return rows[: len(pivots)], np.array(pivots, dtype=np.int64)


def _times(numbers: Modular, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return a product of matrices of residues, in pieces whose sums fit into an int64."""
    total = np.zeros((left.shape[0], right.shape[1]), dtype=np.int64)
    for start in range(0, left.shape[1], MOST_TERMS - 1):
        piece = slice(start, start + MOST_TERMS - 1)
        total = numbers.reduce(total + left[:, piece] @ right[piece])
    return total
