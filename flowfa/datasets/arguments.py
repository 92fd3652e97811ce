"""Checks of generators' arguments, and random draws that several generators share."""

from __future__ import annotations

import math
import numbers

import numpy as np

from flowfa.errors import InputError


def whole_number(title: str, value: int, least: int) -> int:
    """Return `value` as int.

    Raises
    ------
    InputError
        If it is not a whole number of at least `least`.
    """
    if not _is_number(value) or not math.isfinite(value) or value != int(value) or value < least:
        raise InputError(f"`{title}` is {value!r}: expected a whole number of at least {least}")
    return int(value)


def positive(title: str, value: float) -> float:
    """Return `value` as float.

    Raises
    ------
    InputError
        If it is not a positive finite number.
    """
    if not _is_number(value) or not 0.0 < value < math.inf:
        raise InputError(f"`{title}` is {value!r}: expected a positive number")
    return float(value)


def _is_number(value: object) -> bool:
    # bool is a subclass of int, but True is no count.
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def balanced_signs(samples: int, random: np.random.Generator) -> np.ndarray:
    """Return labels -1/+1 in random order, as equally many as possible, (sample,)."""
    signs = np.ones(samples)
    signs[: samples // 2] = -1.0
    return random.permutation(signs)


def orthonormal_rows(rows: int, dim: int, random: np.random.Generator) -> np.ndarray:
    """Return a uniformly random orthonormal frame, (rows, dim), rows <= dim."""
    q, r = np.linalg.qr(random.standard_normal((dim, rows)))
    return (q * np.sign(np.diag(r))).T
