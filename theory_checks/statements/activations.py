"""What statements assume of the activation, as hypotheses that several of them share."""

from __future__ import annotations

from theory_checks.evidence.evidence import Evidence
from theory_checks.margins.measurement import Hypothesis


def homogeneous(evidence: Evidence) -> Hypothesis:
    """Return the assumption of C-1 and C-6: sigma'(z) z = p sigma(z) for some p."""
    degree = evidence.flow.field.activation.degree
    return Hypothesis.of(
        "homogeneous-activation",
        "the activation is homogeneous (sigma'(z) z = p sigma(z))",
        evidence.for_all(degree is not None),
    )


def of_degree_one(evidence: Evidence) -> Hypothesis:
    """Return the assumption of statements that are not stated for other degrees."""
    degree = evidence.flow.field.activation.degree
    return Hypothesis.of(
        "activation-of-degree-one",
        "the activation is homogeneous of degree 1 (sigma'(z) z = sigma(z))",
        evidence.for_all(degree == 1.0),
    )


def leaky_relu(evidence: Evidence) -> Hypothesis:
    """Return the assumption of statements whose constants have the leak in them."""
    return Hypothesis.of(
        "leaky-relu",
        "the activation is a (leaky) ReLU",
        evidence.for_all(evidence.flow.field.activation.leak is not None),
    )
