"""Direct feedback alignment with feedback of low rank."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from flowfa.problems.rules.base import FeedbackDraw, drawn_from_output, rule
from flowfa.problems.rules.form import FeedbackForm
from flowfa.problems.rules.in_form import RuleInForm
from flowfa.problems.rules.low_rank import check_rank, closest_of_rank, refuse_higher_ranks


@rule("low-rank-dfa")
class LowRankDirectFeedbackAlignment(RuleInForm):
    """Fixed random D_l = U V^T of low rank from the output into hidden layer l.

    The law is that of ``dfa``: the last hidden layer conserves 1/2 ||w_in||^2 - <w_out, d>, and
    earlier layers have none in the weights (C-1). D_l is the matrix of the given rank that is
    closest to the one that ``dfa`` keeps from the same start. A file gives no D to this rule.

    Parameters
    ----------
    rank : int
        Of D_l, at least 1. Where n_l or the number of outputs is no larger, D_l is that of ``dfa``.

    Raises
    ------
    InputError
        If `rank` is no whole number of at least 1.
    """

    keeps = "D"
    accepts_feedback = False
    feedback_from = "output"
    conserved_formula = "1/2 ||w_in||^2 - <w_out, d> (last hidden layer)"

    def __init__(self, rank: int = 1) -> None:
        self.rank = check_rank(rank, self.name)

    def draw_feedback(
        self, weights: tuple[np.ndarray, ...], draw: FeedbackDraw
    ) -> dict[str, np.ndarray]:
        """Draw D_1, ..., D_{L-1} as ``dfa`` does, and keep what is closest to each."""
        drawn = drawn_from_output("D", weights, draw)
        return {name: closest_of_rank(matrix, self.rank) for name, matrix in drawn.items()}

    def check_kept(self, kept: Mapping[str, np.ndarray]) -> None:
        """Refuse matrices of a higher rank, which would be plain direct feedback.

        Raises
        ------
        InputError
            If there is one.
        """
        refuse_higher_ranks(kept, self.rank, self.name, "dfa")

    def form(self, layer: int, shape: tuple[int, int], kept: Mapping[str, Tensor]) -> FeedbackForm:
        """Return D_{l-1}, which skips layers unless l is the last."""
        return FeedbackForm(fixed=kept[f"D{layer - 1}"], skips_layers=f"D{layer}" in kept)
