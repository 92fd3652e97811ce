"""Checks of the parameters that activations share."""

from __future__ import annotations

import math

from flowfa.errors import InputError


def checked_leak(leak: float) -> float:
    """Return the slope of a (leaky) ReLU for z <= 0 as float.

    Raises
    ------
    InputError
        If it is not in [0, 1].
    """
    if not (math.isfinite(leak) and 0.0 <= leak <= 1.0):
        raise InputError(f"`leak` is {leak}: expected a slope between 0 (ReLU) and 1 (linear)")
    return float(leak)


def checked_half_width(width: float, leak: float) -> float:
    """Return the half width of smoothed kinks as float.

    Raises
    ------
    InputError
        If it is not positive and finite, or there are no kinks to smooth.
    """
    if not 0.0 < width < math.inf:
        raise InputError(
            f"`smooth_kinks` is {width}: expected a positive finite number, or None for exact kinks"
        )
    if leak == 1.0:
        raise InputError(
            f"`smooth_kinks` is {width} but `leak` is 1, which has no kinks: leave it out"
        )
    return float(width)
