"""D-2: what near orthogonality (Definition 5.6) gives for the margin (D-3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch

from theory_checks.controls.control import Control
from theory_checks.controls.samples import leaning, on_nearly_orthogonal_samples, shorter
from theory_checks.evidence.evidence import Evidence
from theory_checks.margins.measurement import Hypothesis, Measurement
from theory_checks.statements.data.geometry import (
    CERTIFICATE_READING,
    Certifier,
    Geometry,
    binary_labels,
    bound_of,
    certified,
    claimed,
    equal,
    geometry_of,
    not_below,
    paper_bound_of,
    products_of,
)
from theory_checks.statements.statement import register


@register
class NearlyOrthogonal:
    """Definition 5.6, the weaker condition R_min^2 > (n-1) rho, and what D-3 says of both.

    Parameters
    ----------
    certifier : callable
        Where the claimed numbers come from; another one makes a negative control.
    """

    spec: ClassVar[str] = "D-2"
    statement: ClassVar[str] = (
        "R_min^2 > (n-1) rho, or gamma > 1: ghat^2 >= (R_min^2 - (n-1) rho)/n >= "
        "(1 - 1/gamma) R_min^2/n, gamma being the largest of its definition"
    )
    reading: ClassVar[str] = CERTIFICATE_READING

    def __init__(self, certifier: Certifier = certified) -> None:
        self.certifier = certifier

    def hypotheses(self, evidence: Evidence) -> tuple[Hypothesis, ...]:
        """Assume labels -1/+1 and the weaker condition, which gamma > 1 implies."""
        bound = claimed(evidence, bound_of, self.certifier)
        return (
            binary_labels(evidence),
            Hypothesis.positive(
                "nearly-orthogonal",
                "the data are nearly orthogonal (gamma > 1 or R_min^2 > (n-1) rho)",
                bound,
            ),
        )

    def measure(self, evidence: Evidence) -> tuple[Measurement, ...]:
        """Return the room of gamma, of the first bound and of the second."""
        geometry = geometry_of(evidence)
        samples = evidence.field.samples
        first = claimed(evidence, bound_of, self.certifier)
        second = claimed(evidence, paper_bound_of, self.certifier)
        rounding = geometry.rounding_of(geometry.R_min.square())
        own_first = (geometry.R_min.square() - (samples - 1) * geometry.rho) / samples
        return (
            equal(evidence, (first - own_first).abs(), rounding, "R_min and rho"),
            self._gamma(evidence, geometry),
            not_below(
                evidence,
                geometry.primal.square() - first,
                rounding + geometry.gap_of_square,
                "ghat^2 >= (R_min^2 - (n-1) rho)/n",
            ),
            not_below(evidence, first - second, rounding, ">= (1 - 1/gamma) R_min^2/n"),
        )

    def _gamma(self, evidence: Evidence, geometry: Geometry) -> Measurement:
        """Measure that gamma is the largest with ||x_k||^2 / gamma >= n R^2 max |<x_k, x_l>|."""
        gamma = claimed(evidence, lambda certificate: certificate.gamma, self.certifier)
        samples = evidence.field.samples
        ratio2 = (geometry.R_max / geometry.R_min).square()
        rooms = []
        for one, factor, gram in zip(gamma, samples * ratio2, products_of(evidence), strict=True):
            norm2 = gram.diagonal()
            others = (gram - norm2.diag()).abs().amax(1)
            rooms.append((norm2 / one - factor * others).amin())
        scale = samples * ratio2 * geometry.rounding_of(geometry.R_max.square())
        return equal(evidence, torch.stack(rooms).abs(), scale, "gamma")

    def controls(self) -> Mapping[str, Control]:
        """Return flows that train on other samples than those that were certified."""
        return {
            "a sample that is shorter": on_nearly_orthogonal_samples(shorter),
            "a sample that leans on another": on_nearly_orthogonal_samples(leaning),
        }
