"""Rules that claim to be signfa and are not."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from flowfa.problems.rules import SignFeedbackAlignment
from flowfa.registry import unknown_name
from theory_checks.controls.control import Control
from theory_checks.controls.flows import small_flow
from theory_checks.evidence.evidence import Evidence
from theory_checks.evidence.from_flow import evidence_of_flow

Feedback = Callable[[Tensor], Tensor]


def one_sign_wrong(weight: Tensor) -> Tensor:
    """Return the signs, but for the first entry's."""
    signs = weight.sign()
    first = torch.ones_like(signs)
    first[:, 0, 0] = -1.0
    return signs * first


PRETENDERS: Mapping[str, Feedback] = {
    "one sign wrong": one_sign_wrong,
    "another scale": lambda weight: 1.1 * weight.sign(),
    "magnitudes": lambda weight: weight.sign() * (1.0 + weight.abs()),
    "signs of one neuron for all": lambda weight: weight[:, :, :1].sign().expand_as(weight),
}


class PretendedSigns(SignFeedbackAlignment):
    """A rule with the name signfa and other feedback.

    Parameters
    ----------
    matrix : callable
        B^T from W, (trajectory, n_l, n_{l-1}).
    """

    name = "signfa"

    def __init__(self, matrix: Feedback) -> None:
        super().__init__()
        self.matrix = matrix

    def feedback(self, layer: int, weight: Tensor, kept: Mapping[str, Tensor]) -> Tensor:
        """Return the matrix that the control has in place of s sign(W)^T."""
        return self.matrix(weight).transpose(-1, -2)


def pretended(way: str) -> Control:
    """Return a control: a small flow under a rule that calls itself signfa.

    Parameters
    ----------
    way : str
        A name in `PRETENDERS`.

    Raises
    ------
    InputError
        If the way is unknown.
    """
    if way not in PRETENDERS:
        raise unknown_name("way to pretend signs", way, PRETENDERS)

    def control() -> Evidence:
        flow = small_flow(PretendedSigns(PRETENDERS[way]))
        return evidence_of_flow(flow, t_end=0.2, rtol=1e-5, saves=5, label=way)

    return control
