"""D-1: what orthogonal separability (Definition 5.5) gives for the margin (D-3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from theory_checks.controls.control import Control
from theory_checks.controls.samples import on_separable_samples, shorter
from theory_checks.evidence.evidence import Evidence
from theory_checks.margins.measurement import Hypothesis, Measurement
from theory_checks.statements.data.geometry import (
    CERTIFICATE_READING,
    Certifier,
    binary_labels,
    certified,
    claimed,
    equal,
    geometry_of,
    lambda_of,
    not_below,
    unless_below,
)
from theory_checks.statements.statement import register


@register
class OrthogonallySeparable:
    """Definition 5.5 and what D-3 says of it.

    Parameters
    ----------
    certifier : callable
        Where the claimed numbers come from; another one makes a negative control.
    """

    spec: ClassVar[str] = "D-1"
    statement: ClassVar[str] = (
        "y_k y_l <x_k, x_l> >= lambda > 0 for all k, l, the largest such, and ghat^2 >= lambda"
    )
    reading: ClassVar[str] = CERTIFICATE_READING

    def __init__(self, certifier: Certifier = certified) -> None:
        self.certifier = certifier

    def hypotheses(self, evidence: Evidence) -> tuple[Hypothesis, ...]:
        """Assume labels -1/+1 and lambda > 0."""
        lambda_ = claimed(evidence, lambda_of, self.certifier)
        return (
            binary_labels(evidence),
            Hypothesis.positive(
                "lambda-positive",
                "the data are orthogonally separable (lambda > 0)",
                lambda_,
            ),
        )

    def measure(self, evidence: Evidence) -> tuple[Measurement, ...]:
        """Return the room of lambda itself and of the bound."""
        geometry = geometry_of(evidence)
        lambda_ = claimed(evidence, lambda_of, self.certifier)
        rounding = geometry.rounding_of(geometry.least_product)
        wrong = (geometry.least_product - lambda_).abs()
        return (
            equal(evidence, wrong, rounding, "lambda", unless_below(rounding, lambda_)),
            not_below(
                evidence,
                geometry.primal.square() - lambda_,
                rounding + geometry.gap_of_square,
                "ghat^2 >= lambda",
            ),
        )

    def controls(self) -> Mapping[str, Control]:
        """Return flows that train on other samples than those that were certified."""
        return {"a sample that is shorter": on_separable_samples(shorter)}
