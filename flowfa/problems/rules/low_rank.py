"""Feedback matrices of low rank: the closest to a given one, and the refusal of higher ranks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from flowfa.errors import InputError

ROUNDING = 1e-12
"""Share of the largest singular value below which one is zero."""


def check_rank(rank: object, rule: str) -> int:
    """Return a rank after checking that it is a whole number of at least 1.

    Raises
    ------
    InputError
        If it is not.
    """
    if isinstance(rank, bool) or not isinstance(rank, int) or rank < 1:
        raise InputError(f"the rank of {rule} is {rank!r}: expected a whole number of at least 1")
    return rank


def closest_of_rank(matrix: np.ndarray, rank: int) -> np.ndarray:
    """Return the matrix of this rank that is closest to `matrix` (Eckart and Young)."""
    if rank >= min(matrix.shape):
        return matrix
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    return (left[:, :rank] * values[:rank]) @ right[:rank]


def refuse_higher_ranks(
    kept: Mapping[str, np.ndarray], rank: int, rule: str, full_rank_rule: str
) -> None:
    """Refuse given matrices of a higher rank, which would be feedback of another rule.

    Parameters
    ----------
    kept : mapping
        By name, each (start, rows, columns).
    rank : int
    rule, full_rank_rule : str
        Names of the rule and of the one without a limit, for the message.

    Raises
    ------
    InputError
        If there is one.
    """
    for name, matrices in kept.items():
        values = np.linalg.svd(matrices, compute_uv=False)
        ranks = (values > ROUNDING * values[:, :1]).sum(axis=1)
        if (ranks > rank).any():
            raise InputError(
                f"{name} of the given start has rank {ranks.max()} and {rule} keeps rank {rank}: "
                f"leave {name} out to have it drawn, or take the rule {full_rank_rule}"
            )
