"""Numbers modulo a prime of 26 bits, in arrays of int64.

A product of two residues has 52 bits, so that a sum of 2048 products fits into 63.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

PRIMES = (67108859, 67108837, 67108819)
"""The largest primes below 2^26: the first counts, the others hold its results against others."""
MOST_TERMS = 2048
"""Products of residues that one sum may have."""


@dataclass(frozen=True)
class Modular:
    """The field of residues of a prime.

    Attributes
    ----------
    prime : int
        Of at most 26 bits.
    """

    prime: int = PRIMES[0]

    @property
    def exact(self) -> bool:
        """Whether a number that is zero is told from one that is small."""
        return True

    def reduce(self, values: np.ndarray) -> np.ndarray:
        """Return values as residues from 0 on."""
        return values % self.prime

    def zeros(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return zeros."""
        return np.zeros(shape, dtype=np.int64)

    def random(self, source: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Return residues drawn evenly, zero left out."""
        return source.integers(1, self.prime, shape, dtype=np.int64)

    def of(self, values: object) -> np.ndarray:
        """Return the residues of numbers, exactly: a float is a fraction over a power of two."""
        array = np.asarray(values)
        if array.dtype.kind in "iu":
            # Unsigned numbers of 64 bits are no int64 before they are residues.
            return (array % self.prime).astype(np.int64)
        flat = [self.of_fraction(Fraction(value)) for value in array.ravel().tolist()]
        return np.array(flat, dtype=np.int64).reshape(array.shape)

    def of_fraction(self, value: Fraction) -> int:
        """Return the residue of a fraction whose denominator the prime does not divide."""
        return value.numerator * pow(value.denominator, -1, self.prime) % self.prime

    def inverse(self, values: np.ndarray) -> np.ndarray:
        """Return 1 / values, by Fermat's little theorem; 0 of 0."""
        result, power, left = np.ones_like(values), values % self.prime, self.prime - 2
        while left:
            if left & 1:
                result = result * power % self.prime
            power = power * power % self.prime
            left >>= 1
        return result

    def as_fraction(self, residue: int, largest: int = 1000) -> Fraction | None:
        """Return the fraction of small terms that has a residue, or None (Wang 1981).

        Parameters
        ----------
        residue : int
        largest : int
            Of numerator and denominator, below the square root of half the prime.
        """
        above, below = (self.prime, 0), (int(residue) % self.prime, 1)
        while below[0] > largest:
            quotient = above[0] // below[0]
            above, below = (
                below,
                (above[0] - quotient * below[0], above[1] - quotient * below[1]),
            )
        if not 0 < abs(below[1]) <= largest:
            return None
        return Fraction(below[0], below[1])
