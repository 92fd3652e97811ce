"""Kolen and Pollack's rule with decay of the feedback, which is a part of the flow's state."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from flowfa.problems.parameters import nonnegative
from flowfa.problems.rules.base import FeedbackDraw, Rule, drawn_for_each_layer, rule
from flowfa.problems.rules.moment import Moment


@rule("kolen-pollack-decay")
class KolenPollackWithDecay(Rule):
    """dB_l/dt = -G_l^T - decay B_l from a random B(0): feedback that gets the weights' own updates.

    Where the weights decay at the same rate lambda, B - W^T decays as exp(-lambda t) and
    ||w_in||^2 - ||b||^2 as exp(-2 lambda t) (C-13). Where they do not, there is no law:
    1/2 ||w_in||^2 - 1/2 ||b||^2 rises at the rate lambda ||b||^2, and b - w_out falls at lambda b,
    and no function of the two stays as it is. With decay 0 the flow is that of ``kolen-pollack``.

    Parameters
    ----------
    decay : float
        lambda of the feedback, at least 0. The weights' decay is not the rule's.

    Raises
    ------
    InputError
        If `decay` is negative or no finite number.

    References
    ----------
    J. F. Kolen, J. B. Pollack, Backpropagation without weight transport, ICNN 1994.
    """

    keeps = "B"

    def __init__(self, decay: float = 0.1) -> None:
        self.decay = nonnegative("decay", decay, self.name)

    def draw_feedback(
        self, weights: tuple[np.ndarray, ...], draw: FeedbackDraw
    ) -> dict[str, np.ndarray]:
        """Draw B_2(0), ..., B_L(0), each of the shape of W_l^T."""
        return drawn_for_each_layer("B", weights, draw)

    def feedback(self, layer: int, weight: Tensor, kept: Mapping[str, Tensor]) -> Tensor:
        """Return B_l."""
        return kept[f"B{layer}"]

    def feedback_velocity(self, kept: Mapping[str, Tensor], moment: Moment) -> dict[str, Tensor]:
        """Return the transposed update of each W_l minus decay B_l."""
        return {
            name: moment.updates[f"W{name[1:]}"].transpose(1, 2) - self.decay * matrix
            for name, matrix in kept.items()
        }

    def conserved(
        self, layer: int, incoming: Tensor, out_weight: Tensor, kept: Mapping[str, Tensor]
    ) -> Tensor | None:
        """Return 1/2 ||w_in||^2 - 1/2 ||b||^2 where nothing decays, else None."""
        if self.decay:
            return None
        return 0.5 * incoming - 0.5 * kept[f"B{layer + 1}"].square().sum(-1)
