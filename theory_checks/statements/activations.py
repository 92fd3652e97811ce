"""What statements assume of the activation, as hypotheses that several of them share."""

from __future__ import annotations

import torch
from torch import Tensor

from theory_checks.evidence.evidence import Evidence
from theory_checks.margins.measurement import Hypothesis


def homogeneous(evidence: Evidence) -> Hypothesis:
    """Return the assumption of C-1 and C-6: sigma'(z) z = p sigma(z) for some p."""
    degree = evidence.flow.field.activation.degree
    return Hypothesis(
        "homogeneous-activation",
        "the activation is homogeneous (sigma'(z) z = p sigma(z))",
        _same(evidence, float(degree is None)),
    )


def of_degree_one(evidence: Evidence) -> Hypothesis:
    """Return the assumption of statements that are not stated for other degrees."""
    degree = evidence.flow.field.activation.degree
    return Hypothesis(
        "activation-of-degree-one",
        "the activation is homogeneous of degree 1 (sigma'(z) z = sigma(z))",
        _same(evidence, float(degree != 1.0)),
    )


def leaky_relu(evidence: Evidence) -> Hypothesis:
    """Return the assumption of statements whose constants have the leak in them."""
    return Hypothesis(
        "leaky-relu",
        "the activation is a (leaky) ReLU",
        _same(evidence, float(evidence.flow.field.activation.leak is None)),
    )


def _same(evidence: Evidence, excess: float) -> Tensor:
    return torch.full((len(evidence),), excess, dtype=torch.float64)
