"""Matrices made of what a rule keeps, which coefficients of laws may have entries of.

Under direct feedback a linear network sends r into layer l by D_l, and its next weights move along
D_{l+1} r. With G = D_l D_{l+1}^+ (Moore and Penrose) G D_{l+1} = D_l wherever D_{l+1} has as many
rows as outputs: W_l W_l^T - G W_{l+1} - (G W_{l+1})^T is conserved, the matrix law of these layers.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from torch import Tensor
from torch.linalg import pinv

from theory_checks.laws.arithmetic.modular import Modular
from theory_checks.laws.motion.dynamics import Dynamics

INVERSE = "^+"
"""What the name of a product ends in: that of two matrices, the second inverted."""


def with_products(
    dynamics: Dynamics, numbers: Modular, kept: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Return what a rule keeps as residues, (..., rows, columns), and the products of it.

    Parameters
    ----------
    dynamics : Dynamics
    numbers : Modular
    kept : mapping
        Whole or floating-point numbers.
    """
    given = {name: numbers.of(matrix) for name, matrix in kept.items()}
    for first, second in _pairs(dynamics, kept):
        inverse = _left_inverse(numbers, given[second])
        product = numbers.reduce(given[first] @ inverse)
        given[f"{first} {second}{INVERSE}"] = product
    return given


def product_of(name: str, kept: Mapping[str, Tensor]) -> Tensor | None:
    """Return a product by its name, in floating point; None if it is none of what is kept."""
    first, _, second = name.removesuffix(INVERSE).partition(" ")
    if not name.endswith(INVERSE) or first not in kept or second not in kept:
        return None
    return kept[first] @ pinv(kept[second])


def _pairs(dynamics: Dynamics, kept: Mapping[str, np.ndarray]) -> list[tuple[str, str]]:
    """Return the matrices of successive layers of a linear network with direct feedback."""
    if dynamics.rule.feedback_from != "output" or dynamics.activation.leak != 1.0:
        return []
    outputs = dynamics.sizes[-1]
    pairs = [(f"D{layer}", f"D{layer + 1}") for layer in range(1, dynamics.layers - 1)]
    return [
        (first, second)
        for first, second in pairs
        if first in kept and second in kept and kept[second].shape[-2] >= outputs
    ]


def _left_inverse(numbers: Modular, matrices: np.ndarray) -> np.ndarray:
    """Return (D^T D)^-1 D^T of residues, (..., columns, rows); of no use where it does not exist.

    A law with wrong coefficients is rejected by the fields along which it is tried.
    """
    turned = np.swapaxes(matrices, -1, -2)
    square, result = numbers.reduce(turned @ matrices), turned
    for column in range(square.shape[-1]):
        lead = numbers.inverse(square[..., column, column])[..., None]
        row = numbers.reduce(square[..., column, :] * lead)
        right = numbers.reduce(result[..., column, :] * lead)
        factors = square[..., :, column].copy()
        factors[..., column] = 0
        square[..., column, :], result = row, result.copy()
        result[..., column, :] = right
        square = numbers.reduce(square - factors[..., :, None] * row[..., None, :])
        result = numbers.reduce(result - factors[..., :, None] * right[..., None, :])
    return result
