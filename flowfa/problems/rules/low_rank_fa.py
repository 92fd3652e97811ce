"""Feedback alignment with feedback of low rank."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from flowfa.problems.rules.base import FeedbackDraw, drawn_for_each_layer, rule
from flowfa.problems.rules.form import FeedbackForm
from flowfa.problems.rules.in_form import RuleInForm
from flowfa.problems.rules.low_rank import check_rank, closest_of_rank, refuse_higher_ranks


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
        self.rank = check_rank(rank, self.name)

    def draw_feedback(
        self, weights: tuple[np.ndarray, ...], draw: FeedbackDraw
    ) -> dict[str, np.ndarray]:
        """Draw B_2, ..., B_L as ``fa`` does, and keep what is closest to each."""
        drawn = drawn_for_each_layer("B", weights, draw)
        return {name: closest_of_rank(matrix, self.rank) for name, matrix in drawn.items()}

    def check_kept(self, kept: Mapping[str, np.ndarray]) -> None:
        """Refuse matrices of a higher rank, which would be plain feedback alignment.

        Raises
        ------
        InputError
            If there is one.
        """
        refuse_higher_ranks(kept, self.rank, self.name, "fa")

    def form(self, layer: int, shape: tuple[int, int], kept: Mapping[str, Tensor]) -> FeedbackForm:
        """Return B_l."""
        return FeedbackForm(fixed=kept[f"B{layer}"])
