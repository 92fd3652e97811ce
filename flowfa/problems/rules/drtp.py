"""Direct random target projection: hidden layers learn from the targets, not from the error."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from flowfa.problems.rules.base import FeedbackDraw, Rule, drawn_from_output, rule


@rule("drtp")
class DirectRandomTargetProjection(Rule):
    """Fixed random D_l carry the encoded targets y* into hidden layer l, in place of the error.

    The signal into hidden layer l is delta_l = -(D_l y*) * sigma'(z_l): that of ``dfa`` with -y* in
    the place of delta_L. For classes y* is one-hot, and -y* has the sign of the error at the class
    that is right. The output layer follows its true gradient.

    With kinks there is no law in the weights: a neuron's in-weights move by the targets and its
    out-weights by the error, which are not functions of each other. (In a linear network what D_l
    does not reach stays: (I - D_l D_l^+) W_l, and more.) With a virtual readout A_l of every hidden
    layer, dA_l/dt = E[y* h_l^T], each neuron conserves 1/2 ||w_in||^2 - <A_l[:,j], D_l[j,:]> (C-1).

    References
    ----------
    C. Frenkel, M. Lefebvre, D. Bol, Learning without feedback: fixed random learning signals allow
    for feedforward training of deep neural networks, Frontiers in Neuroscience 15:629892, 2021.
    """

    keeps = "D"
    feedback_from = "targets"

    def draw_feedback(
        self, weights: tuple[np.ndarray, ...], draw: FeedbackDraw
    ) -> dict[str, np.ndarray]:
        """Draw D_1, ..., D_{L-1} as ``dfa`` does."""
        return drawn_from_output("D", weights, draw)

    def feedback(self, layer: int, weight: Tensor, kept: Mapping[str, Tensor]) -> Tensor:
        """Return D_{l-1}."""
        return kept[f"D{layer - 1}"]

    def conserved(
        self, layer: int, incoming: Tensor, out_weight: Tensor, kept: Mapping[str, Tensor]
    ) -> None:
        """Return None: no neuron has a law in the weights."""
