"""D-3: the margin is the least norm in the convex hull of the y_k x_k."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch

from flowfa.datasets import Certificate
from flowfa.datasets.margin import GAP
from theory_checks.controls.control import Control
from theory_checks.controls.samples import on_separable_samples, shorter, turned
from theory_checks.evidence.evidence import Evidence
from theory_checks.margins.measurement import Hypothesis, Measurement
from theory_checks.statements.data.geometry import (
    CANCELLED,
    Certifier,
    binary_labels,
    certified,
    claimed,
    equal,
    geometry_of,
    unless_below,
)
from theory_checks.statements.statement import register


@register
class MarginOfData:
    """The certified margin lies between a primal and a dual bound, which meet.

    Data that are not linearly separable have the certified margin 0, and 0 in their hull.

    Parameters
    ----------
    certifier : callable
        Where the claimed numbers come from; another one makes a negative control.
    """

    spec: ClassVar[str] = "D-3"
    statement: ClassVar[str] = (
        "ghat = max_u min_k <u, u_k> is the least norm of a convex combination of u_k = y_k x_k"
    )
    reading: ClassVar[str] = (
        "margin: twice what counts as equal (1e-9 of ghat, and rounding), minus the distance from "
        "the certified ghat to the bounds of the samples' own; uncertainty: what counts as equal, "
        "and the gap of these bounds"
    )

    def __init__(self, certifier: Certifier = certified) -> None:
        self.certifier = certifier

    def hypotheses(self, evidence: Evidence) -> tuple[Hypothesis, ...]:
        """Assume labels -1/+1."""
        return (binary_labels(evidence),)

    def measure(self, evidence: Evidence) -> tuple[Measurement, ...]:
        """Return the room that both bounds leave."""
        geometry = geometry_of(evidence)
        # A margin that is not certified claims nothing.
        margin = claimed(evidence, _certified_margin, self.certifier)
        wrong = torch.maximum(geometry.primal - margin, margin - geometry.dual).clamp_min(0.0)
        allowed = (
            GAP * geometry.dual + geometry.cancelled + CANCELLED * geometry.turned * geometry.R_max
        )
        gap = geometry.dual - geometry.primal
        blurred = torch.where(margin > 0.0, unless_below(allowed, margin), 0.0)
        open_by = blurred + torch.where(gap > allowed, gap, 0.0)
        return (equal(evidence, wrong, allowed, "the margin", open_by),)

    def controls(self) -> Mapping[str, Control]:
        """Return flows that train on other samples than those that were certified."""
        return {
            "a sample that is shorter": on_separable_samples(shorter),
            "a sample that is turned round": on_separable_samples(turned),
        }


def _certified_margin(certificate: Certificate) -> float | None:
    return certificate.margin if certificate.margin_certified else None
