"""Feedback alignment with feedback of low rank."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from flowfa.errors import InputError
from flowfa.problems.rules.base import FeedbackDraw, drawn_for_each_layer, rule
from flowfa.problems.rules.form import FeedbackForm
from flowfa.problems.rules.in_form import RuleInForm

ROUNDING = 1e-12
"""Share of the largest singular value below which one is zero."""


@rule("low-rank-fa")
class LowRankFeedbackAlignment(RuleInForm):
    """B = U V^T fixed and random, of low rank. Conserves 1/2 ||w_in||^2 - <w_out, b> (C-12).

    B_l is the matrix of the given rank that is closest to the one that ``fa`` keeps from the same
    start (its truncated singular value decomposition), so that the two can be compared side by
    side. A file gives no B to this rule: under ``fa`` a B from a file may have any rank.

    Parameters
    ----------
    rank : int
        Of B_l, at least 1. Where n_{l-1} or n_l is no larger, B_l is that of ``fa``.

    Raises
    ------
    InputError
        If `rank` is no whole number of at least 1.
    """

    keeps = "B"
    accepts_feedback = False
    conserved_formula = "1/2 ||w_in||^2 - <w_out, b>"

    def __init__(self, rank: int = 1) -> None:
        if isinstance(rank, bool) or not isinstance(rank, int) or rank < 1:
            raise InputError(
                f"the rank of low-rank-fa is {rank!r}: expected a whole number of at least 1"
            )
        self.rank = rank

    def draw_feedback(
        self, weights: tuple[np.ndarray, ...], draw: FeedbackDraw
    ) -> dict[str, np.ndarray]:
        """Draw B_2, ..., B_L as ``fa`` does, and keep what is closest to each."""
        drawn = drawn_for_each_layer("B", weights, draw)
        return {name: _closest(matrix, self.rank) for name, matrix in drawn.items()}

    def check_kept(self, kept: Mapping[str, np.ndarray]) -> None:
        """Refuse matrices of a higher rank, which would be plain feedback alignment.

        Raises
        ------
        InputError
            If there is one.
        """
        for name, matrices in kept.items():
            values = np.linalg.svd(matrices, compute_uv=False)
            ranks = (values > ROUNDING * values[:, :1]).sum(axis=1)
            if (ranks > self.rank).any():
                raise InputError(
                    f"{name} of the given start has rank {ranks.max()} and low-rank-fa keeps rank "
                    f"{self.rank}: leave {name} out to have it drawn, or take the rule fa"
                )

    def form(self, layer: int, shape: tuple[int, int], kept: Mapping[str, Tensor]) -> FeedbackForm:
        """Return B_l."""
        return FeedbackForm(fixed=kept[f"B{layer}"])


def _closest(matrix: np.ndarray, rank: int) -> np.ndarray:
    """Return the matrix of this rank that is closest to `matrix` (Eckart and Young)."""
    if rank >= min(matrix.shape):
        return matrix
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    return (left[:, :rank] * values[:rank]) @ right[:rank]
