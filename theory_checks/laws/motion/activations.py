"""Activations in exact arithmetic: value and slope of each, at numbers in general position.

A slope that is constant in a region of the inputs, as that of a leaky ReLU, is a number of its own
for each sample and neuron. The field is linear in each of these numbers, so that those of all
patterns of slopes span what arbitrary numbers do.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from flowfa.errors import InputError
from flowfa.problems.activations import (
    Activation,
    Identity,
    LeakyReLU,
    SmoothedLeakyReLU,
    SquaredReLU,
    Tanh,
)
from theory_checks.laws.arithmetic.jets import Jet

Forward = Callable[[Jet, Jet], tuple[Jet, Jet | None]]
"""From z and the numbers that a sample has for its neurons to h and slope; none is slope 1."""


def forward_of(activation: Activation) -> Forward:
    """Return how an activation acts.

    Raises
    ------
    InputError
        If its slope is not one that exact arithmetic has.
    """
    if isinstance(activation, Identity):
        return lambda z, _: (z, None)
    if isinstance(activation, LeakyReLU):
        if activation.leak == 1.0:
            return lambda z, _: (z, None)
        return lambda z, slope: (slope * z, slope)
    if isinstance(activation, SquaredReLU):
        return _squared
    if isinstance(activation, Tanh):
        return _tanh
    if isinstance(activation, SmoothedLeakyReLU):
        return lambda z, zone: _smoothed(z, zone, activation)
    raise InputError(
        f"`activation` is {activation.name!r}, which exact arithmetic does not know: expected "
        "leaky-relu, smoothed-leaky-relu, identity, squared-relu or tanh"
    )


def switches_of(activation: Activation) -> tuple[int, ...]:
    """Return the numbers among which those of a sample are drawn; empty if they may be any.

    A squared ReLU is off or on: of two, one after the other, the field has the square of a switch,
    which is the switch itself. A smoothed leaky ReLU is below, within or above the zone of its
    kink.
    """
    if isinstance(activation, SquaredReLU):
        return (0, 1, 1, 1, 1)
    return (0, 1, 2) if isinstance(activation, SmoothedLeakyReLU) else ()


def _squared(z: Jet, on: Jet) -> tuple[Jet, Jet]:
    """Return on z^2 and 2 on z: `on` is 1 or 0."""
    half = on * z
    return half * z, half + half


def _tanh(z: Jet, value: Jet) -> tuple[Jet, Jet]:
    """Return tanh z and its slope.

    The values at several z are algebraically independent of these and of each other (Ax 1971), so
    that each may be any number of its own; derivatives follow from tanh' = 1 - tanh^2.
    """
    plain = np.broadcast_to(value.values[0], z.values.shape[1:])
    result = z.function(lambda _: plain[None], lambda _, tanh: _one(z) - tanh * tanh)
    return result, _one(z) - result * result


def _smoothed(z: Jet, zone: Jet, activation: SmoothedLeakyReLU) -> tuple[Jet, Jet]:
    """Return s(z) z and s(z): a polynomial within the zone of the kink, else a constant."""
    number = z.numbers.of

    def times(jet: Jet, factor: float) -> Jet:
        return jet * _filled(z, number(np.array(factor)))

    assert activation.leak is not None
    u = z * _filled(z, z.numbers.inverse(number(np.array(activation.smooth_kinks))))
    square = u * u
    inner = times(square * square, 3.0) - times(square, 10.0) + _filled(z, number(np.array(15)))
    step = times(inner * u, 1.0 / 16.0) + _filled(z, number(np.array(0.5)))
    leak = _filled(z, number(np.array(activation.leak)))
    below, within, above = (_where(zone, each) for each in range(3))
    slope = within * (times(step, 1.0 - activation.leak) + leak) + below * leak + above
    return slope * z, slope


def _where(zone: Jet, number: int) -> Jet:
    """Return 1 where a switch has a number, and 0 elsewhere."""
    return Jet(zone.numbers.of((zone.values == number).astype(np.int64)), zone.numbers)


def _filled(like: Jet, value: np.ndarray) -> Jet:
    return Jet(
        np.asarray(value, dtype=like.values.dtype).reshape((1,) * like.values.ndim), like.numbers
    )


def _one(like: Jet) -> Jet:
    return _filled(like, like.numbers.of(np.array(1)))
