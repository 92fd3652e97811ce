"""What statements assume of how the flow moves beside the rule: decay and rates of layers."""

from __future__ import annotations

import torch
from torch import Tensor

from theory_checks.evidence.evidence import Evidence
from theory_checks.margins.measurement import Hypothesis


def no_decay(evidence: Evidence) -> Hypothesis:
    """Return the assumption of laws that weight decay breaks; C-13 says what remains of them."""
    return Hypothesis.of(
        "no-weight-decay",
        "there is no weight decay",
        evidence.for_all(not evidence.flow.field.weight_decay),
    )


def equal_rates(evidence: Evidence) -> Hypothesis:
    """Return the assumption of laws that hold in the units of one rate; C-8 has them in others."""
    return Hypothesis.of(
        "equal-rates",
        "all layers have one rate (C-8 has the law of others)",
        evidence.for_all(len(set(evidence.flow.field.rates)) <= 1),
    )


def unit_rates(evidence: Evidence) -> Hypothesis:
    """Return the assumption of constants that are stated for rates of 1."""
    return Hypothesis.of(
        "unit-rates", "all layers have the rate 1", evidence.for_all(not evidence.flow.field.rates)
    )


def unless(exempt: Tensor, hypothesis: Hypothesis, words: str) -> Hypothesis:
    """Return a condition that some trajectories need not meet.

    Parameters
    ----------
    exempt : Tensor
        Which trajectories need not, (trajectory,) bool.
    hypothesis : Hypothesis
    words : str
        Who they are: ``"the rule is gd"``.
    """
    text = f"{words}, or {hypothesis.text}"
    return Hypothesis.of(hypothesis.name, text, exempt | hypothesis.respected)


def decay_speeds(evidence: Evidence) -> tuple[float, ...]:
    """Return eta_l lambda_l of each layer, at which its weights decay."""
    field = evidence.flow.field
    layers = field.layout.layers
    rates = field.rates or (1.0,) * layers
    decay = field.weight_decay or (0.0,) * layers
    return tuple(rate * number for rate, number in zip(rates, decay, strict=True))


def inner_speeds(evidence: Evidence) -> Tensor:
    """Return the speed at which the in-weights of each hidden neuron decay, (hidden neuron,)."""
    speeds, sizes = decay_speeds(evidence), evidence.flow.layout.sizes
    numbers = [speeds[layer - 1] for layer in range(1, len(sizes) - 1) for _ in range(sizes[layer])]
    return torch.tensor(numbers, dtype=torch.float64)
