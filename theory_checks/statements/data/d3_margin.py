"""D-3: the margin is the least norm in the convex hull of the y_k x_k."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch

from flowfa.datasets.certificate import GAP
from theory_checks.controls.control import Control
from theory_checks.controls.samples import on_separable_samples, shorter, turned
from theory_checks.evidence.evidence import Evidence
from theory_checks.margins.measurement import Hypothesis, Measurement
from theory_checks.statements.data.geometry import (
    Certifier,
    binary_labels,
    certified,
    claimed,
    equal,
    geometry_of,
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
        "margin: 2e-9 of R_max, twice the uncertainty, minus the distance from ghat to the "
        "farther of its primal and its dual bound"
    )

    def __init__(self, certifier: Certifier = certified) -> None:
        self.certifier = certifier

    def hypotheses(self, evidence: Evidence) -> tuple[Hypothesis, ...]:
        """Assume labels -1/+1."""
        return (binary_labels(evidence),)

    def measure(self, evidence: Evidence) -> tuple[Measurement, ...]:
        """Return the room that both bounds leave."""
        geometry = geometry_of(evidence)
        margin = claimed(evidence, lambda certificate: certificate.margin, self.certifier)
        wrong = torch.maximum((geometry.primal - margin).abs(), (geometry.dual - margin).abs())
        return (equal(evidence, wrong, GAP * geometry.R_max, "the margin"),)

    def controls(self) -> Mapping[str, Control]:
        """Return flows that train on other samples than those that were certified."""
        return {
            "a sample that is shorter": on_separable_samples(shorter),
            "a sample that is turned round": on_separable_samples(turned),
        }
