"""Norms and angles of vectors as small or large as a number can be.

Squares vanish or overflow long before their numbers do: near a loss of 1e-170.
"""

from __future__ import annotations

import torch
from torch import Tensor


def scaled(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Return rows divided by a power of two near their largest entry, and these powers, (row,).

    Products with powers of two are exact, so that no digit of a result depends on it.
    """
    largest = vectors.detach().abs().amax(dim=1)
    usable = largest.isfinite() & (largest > 0.0)
    largest = torch.where(usable, largest, torch.ones_like(largest))
    # A number is its mantissa, 1/2 to 1, times a power of two, which the quotient is exactly; half
    # of it, because the power above the largest number is none. `torch.ldexp` has but eight bits.
    size = largest / (2.0 * torch.frexp(largest).mantissa)
    return vectors / size[:, None], size


def norm(vectors: Tensor) -> Tensor:
    """Return the norm of each row, (row,)."""
    inside, size = scaled(vectors)
    return inside.norm(dim=1) * size


def cosine(first: Tensor, second: Tensor) -> Tensor:
    """Return the cosine of rows; NaN where one vanishes, since there is no angle then."""
    first, second = scaled(first)[0], scaled(second)[0]
    return (first * second).sum(1) / (first.norm(dim=1) * second.norm(dim=1))
