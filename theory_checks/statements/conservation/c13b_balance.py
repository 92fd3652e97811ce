"""C-13b: the balance that weight decay leaves of C-1 in any proportion, integrated.

d/dt C = -(lambda_in ||w_in||^2 - lambda_out <w_out, b>) with C in the units of C-8, so that C plus
the integral of that loss is constant. The integrand is continuous through kinks and sliding modes;
its rate jumps there, which the quadrature's bound knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from theory_checks.controls import broken
from theory_checks.controls.control import Control
from theory_checks.evidence.evidence import Evidence
from theory_checks.evidence.networks import Networks
from theory_checks.margins.between_times import extremes
from theory_checks.margins.bounds import NEGLIGIBLE, RESOLVED, SAFETY
from theory_checks.margins.measurement import Hypothesis, Measurement
from theory_checks.statements.activations import homogeneous
from theory_checks.statements.alignment.products import products
from theory_checks.statements.conservation.c13_weight_decay import decays
from theory_checks.statements.conservation.laws import (
    degree_of,
    half_law,
    in_norms,
    neurons,
    squares,
    with_law,
)
from theory_checks.statements.statement import register


@register
class DecayBalance:
    """C(t) + integral of lambda_in ||w_in||^2 - lambda_out <w_out, b> is constant."""

    spec: ClassVar[str] = "C-13b"
    statement: ClassVar[str] = (
        "under weight decay C of each neuron plus the integral of lambda_in ||w_in||^2 minus "
        "lambda_out <w_out, b> is constant"
    )
    reading: ClassVar[str] = (
        "margin = 2 x uncertainty - drift of the sum; uncertainty: integrator and quadrature"
    )

    def hypotheses(self, evidence: Evidence) -> tuple[Hypothesis, ...]:
        """Assume decay, and feedback with a law of the form of C-12 in some layer."""
        return (
            homogeneous(evidence),
            decays(evidence),
            Hypothesis.of(
                "rule",
                "the feedback has the form a W^T + B + M * sign(W)^T into some hidden layer",
                _with_balance(evidence).any(1),
            ),
        )

    def measure(self, evidence: Evidence) -> tuple[Measurement, ...]:
        """Return how much room the drift of each neuron's sum leaves, at the saved times."""
        speaks_of, items = _with_balance(evidence), neurons(evidence)
        group = torch.tensor([item.layer or 0 for item in items])

        def of_layer(values: Tensor) -> Tensor:
            """Return the largest value in the layer up to each time."""
            known = values.masked_fill(~speaks_of[:, None], 0.0)
            result = torch.zeros_like(values)
            for layer in group.unique():
                in_layer = group == layer
                result[:, :, in_layer] = known[:, :, in_layer].amax(2, keepdim=True)
            return torch.where(values.isnan(), values, result.cummax(1).values)

        lost = evidence.along(loss_of_law)
        law, terms = evidence.values(half_law), evidence.values(in_norms)
        between = extremes(evidence.times, lost.values, lost.rates)
        length = (evidence.times[2::2] - evidence.times[:-2:2])[:, None]
        missed = of_layer((length * between.remainder).cumsum(1))
        total = _risen(law) + _hermite(evidence.times, lost.values, lost.rates).cumsum(1)
        other = _risen(evidence.values(half_law, -2))
        other = other + _simpson(evidence.times, lost.coarser).cumsum(1)
        same = _risen(law) + _simpson(evidence.times, lost.values).cumsum(1)
        sizes = of_layer(terms.abs())[:, 2::2]
        negligible = NEGLIGIBLE * sizes + torch.finfo(terms.dtype).tiny
        error = of_layer(SAFETY * (same - other).abs()) + negligible
        moved = of_layer((terms - terms[:, :1]).abs())[:, -1:]
        allowed = error + missed
        margin = 2.0 * allowed - total.abs()
        # Times as coarse as these leave the verdict open; more times may settle it.
        blurred = (allowed > RESOLVED * moved + 2.0 * negligible) & (margin > 0.0)
        valid = evidence.valid[:, :, None] & speaks_of[:, None]
        share = RESOLVED * moved / (4.0 * missed.shape[1])
        return (
            Measurement(
                margin,
                error,
                missed + torch.where(blurred, allowed, 0.0),
                evidence.times[2::2][None, :, None].expand_as(margin),
                valid,
                items,
                coarse=(valid & (length * between.remainder > share)).any(2),
            ),
        )

    def controls(self) -> Mapping[str, Control]:
        """Return flows that decay otherwise than they claim."""
        return {
            "fa that does not decay": broken("fa", "no weight decay", weight_decay=(0.2,)),
            "gd that decays more": broken("gd", "weight decay", weight_decay=(0.1, 0.3, 0.2)),
            "feedback that drifts": broken("dfa", "drifting feedback", weight_decay=(0.1,)),
        }


def loss_of_law(networks: Networks) -> Tensor:
    """Return p (lambda_in ||w_in||^2 / p - lambda_out <w_out, b>), (row, hidden neuron)."""
    field = networks.field
    decay = field.weight_decay or (0.0,) * field.layout.layers
    columns = []
    for layer in range(1, field.layout.layers):
        fed = degree_of(networks) * products(networks, layer)
        columns.append(decay[layer - 1] * squares(networks, layer) - decay[layer] * fed)
    return torch.cat(columns, 1)


def _with_balance(evidence: Evidence) -> Tensor:
    """Return which neurons have a law whose feedback has a form, (trajectory, neuron) bool."""
    in_form = [
        group.rule.in_form
        for group in evidence.field.groups
        for _ in range(group.start, group.stop)
    ]
    return with_law(evidence) & torch.tensor(in_form)[:, None]


def _risen(values: Tensor) -> Tensor:
    """Return the change since time 0 at the end of each interval."""
    return values[:, 2::2] - values[:, :1]


def _simpson(times: Tensor, values: Tensor) -> Tensor:
    """Return the integral over each interval by its three values."""
    length = (times[2::2] - times[:-2:2])[:, None]
    return length * (values[:, :-2:2] + 4.0 * values[:, 1::2] + values[:, 2::2]) / 6.0


def _hermite(times: Tensor, values: Tensor, rates: Tensor) -> Tensor:
    """Return the integral over each interval of the two cubics through its values and rates."""
    length = (times[2::2] - times[:-2:2])[:, None]
    a, m, b = values[:, :-2:2], values[:, 1::2], values[:, 2::2]
    turned = rates[:, :-2:2] - rates[:, 2::2]
    return length * (a + 2.0 * m + b) / 4.0 + length.square() * turned / 48.0
