"""P-1: signfa is aligned in every layer, at every state (Proposition 5.3)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from theory_checks.controls.control import Control
from theory_checks.controls.signs import PRETENDERS, pretended
from theory_checks.evidence.evidence import Evidence
from theory_checks.evidence.networks import Networks, Quantity
from theory_checks.margins.bounds import ROUNDING, never_negative
from theory_checks.margins.measurement import Hypothesis, Item, Measurement
from theory_checks.statements.alignment.cosines import (
    cosines,
    frobenius,
    inner,
    layers_with_feedback,
    neuron_cosines,
    neuron_norms,
    norms,
    pairs,
    with_angle,
)
from theory_checks.statements.conservation.laws import neurons, sign_scale
from theory_checks.statements.statement import register


@register
class SignAlignment:
    """The feedback of the run against what sign feedback has to be, and the bounds that follow."""

    spec: ClassVar[str] = "P-1"
    statement: ClassVar[str] = (
        "under signfa <W, B^T> = s||W||_1 >= s||W||_F, and cos(W, B^T) >= 1/sqrt(nnz) per layer, "
        ">= 1/sqrt(n_{l+1}) per neuron"
    )
    reading: ClassVar[str] = (
        "margin: left minus right side of the tightest of these, plus twice the error (they are "
        "sharp)"
    )

    def hypotheses(self, evidence: Evidence) -> tuple[Hypothesis, ...]:
        """Assume the rule."""
        return (Hypothesis.of("rule", "the rule is signfa", evidence.under("signfa")),)

    def measure(self, evidence: Evidence) -> tuple[Measurement, ...]:
        """Return the room in the identities at each time, and in the bounds at all times."""
        layers = layers_with_feedback(evidence)
        sizes = evidence.flow.layout.sizes
        least = [_least(sizes[i] * sizes[i - 1]) for i in range(2, len(sizes))]
        per_neuron = [
            _least(sizes[i + 1]) for i in range(1, len(sizes) - 1) for _ in range(sizes[i])
        ]
        return (
            _identities(evidence, layers),
            with_angle(
                evidence,
                never_negative(evidence, room, layers, scale=inner, attained=True),
                norms,
                "<W, B^T> - s||W||_F",
            ),
            _bounded(evidence, cosines, norms, least, layers, "cosine of the layer"),
            _bounded(
                evidence,
                neuron_cosines,
                neuron_norms,
                per_neuron,
                neurons(evidence),
                "cosine of the neuron's out-weights",
            ),
        )

    def controls(self) -> Mapping[str, Control]:
        """Return flows whose feedback is not s sign(W)^T."""
        return {way: pretended(way) for way in PRETENDERS}


def room(networks: Networks) -> Tensor:
    """Return <W, B^T> - s||W||_F by layer, (row, layer)."""
    return inner(networks) - scales(networks) * frobenius(networks)


def scales(networks: Networks) -> Tensor:
    """Return s by layer, (row, layer), from the rule's parameter."""
    rows = []
    for group in networks.field.groups:
        by_layer = [
            sign_scale(group, networks.parameters[f"W{layer}"])
            for layer in range(2, networks.field.layout.layers + 1)
        ]
        rows.append(networks.state.new_tensor(by_layer).expand(group.stop - group.start, -1))
    return torch.cat(rows)


def identities(networks: Networks) -> Tensor:
    """Return what has to vanish at every state, (row, two of each layer).

    <W, B^T> - s||W||_1 as a share of s||W||_1, and cos - ||W||_1 / (sqrt(nnz) ||W||_F): 0 where
    the weights vanish.
    """
    scale, wrong = scales(networks), []
    cosine = cosines(networks)
    for column, layer in enumerate(range(2, networks.field.layout.layers + 1)):
        weight, feedback = pairs(networks, layer)
        total = weight.abs().sum((1, 2))
        zero = total == 0.0
        size = scale[:, column] * total
        product = (weight * feedback).sum((1, 2))
        wrong.append((product - size) / torch.where(zero, 1.0, size))
        root = (weight.square().sum((1, 2)) * (weight != 0.0).sum((1, 2))).sqrt()
        wrong.append(cosine[:, column] - total / torch.where(zero, 1.0, root))
    return torch.stack(wrong, 1)


def _identities(evidence: Evidence, layers: tuple[Item, ...]) -> Measurement:
    """Compare at each time of the mesh, where only rounding may make a difference."""
    wrong = evidence.along(identities).values.abs()
    allowed = torch.full_like(wrong, ROUNDING)
    reached = evidence.times <= evidence.reached[:, None]
    return Measurement(
        2.0 * allowed - wrong,
        allowed,
        torch.zeros_like(wrong),
        evidence.times[None, :, None].expand_as(wrong),
        reached[:, :, None].expand_as(wrong),
        tuple(item for item in layers for _ in range(2)),
        note="identity at one time",
    )


def _bounded(
    evidence: Evidence,
    cosine: Quantity,
    size: Quantity,
    least: list[float],
    items: tuple[Item, ...],
    note: str,
) -> Measurement:
    """Measure that a cosine is at least so much, where there is an angle."""
    measurement = never_negative(
        evidence,
        lambda networks: cosine(networks) - networks.state.new_tensor(least),
        items,
        scale=lambda networks: torch.ones_like(cosine(networks)),
        attained=True,
        jumps=True,
    )
    return with_angle(evidence, measurement, size, note)


def _least(count: int) -> float:
    return 1.0 / math.sqrt(count)
