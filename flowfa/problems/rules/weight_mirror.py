"""Weight mirrors: the feedback learns the weights from noise sent through them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from flowfa.problems.parameters import nonnegative
from flowfa.problems.rules.base import FeedbackDraw, Rule, drawn_for_each_layer, rule
from flowfa.problems.rules.moment import Moment


@rule("weight-mirror")
class WeightMirror(Rule):
    """dB_l/dt = rate W_l^T - decay B_l from a random B(0): the mean of a weight mirror over noise.

    A mirror sends noise xi of variance s^2 into layer l and correlates it with what comes out of
    W_l: E[xi (W_l xi)^T] = s^2 W_l^T, which decay keeps bounded. `rate` is s^2 times the mirror's
    learning rate. Here mirror and learning go on at once, as if each had a share of the time.

    There is no law: 1/2 ||w_in||^2 - <w_out, b> changes at the rate
    decay <w_out, b> - rate ||w_out||^2, and no function of it and b stays as it is.

    Parameters
    ----------
    rate, decay : float
        At least 0; both 0 is ``fa``.

    Raises
    ------
    InputError
        If one is negative or no finite number.

    References
    ----------
    M. Akrout, C. Wilson, P. C. Humphreys, T. Lillicrap, D. Tweed, Deep learning without weight
    transport, NeurIPS 2019.
    """

    keeps = "B"

    def __init__(self, rate: float = 1.0, decay: float = 1.0) -> None:
        self.rate = nonnegative("rate", rate, self.name)
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
        """Return rate W_l^T - decay B_l."""
        return {
            name: self.rate * moment.weights[f"W{name[1:]}"].transpose(1, 2) - self.decay * matrix
            for name, matrix in kept.items()
        }

    def conserved(
        self, layer: int, incoming: Tensor, out_weight: Tensor, kept: Mapping[str, Tensor]
    ) -> Tensor | None:
        """Return the law of ``fa`` where nothing moves, else None."""
        if self.rate or self.decay:
            return None
        return 0.5 * incoming - (out_weight.transpose(1, 2) * kept[f"B{layer + 1}"]).sum(-1)
