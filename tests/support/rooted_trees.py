"""Rooted trees and the order conditions of Runge-Kutta methods (Hairer & Wanner II.2)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

# Residuals of conditions that hold are rounding errors. Those of conditions that fail are above
# 1e-7, so that "holds" and "fails" are six decades apart and no order is claimed too low.
HOLDS, FAILS = 1e-13, 1e-7


@lru_cache
def trees(order: int) -> tuple:
    """All rooted trees of `order` vertices, each the sorted tuple of its root's subtrees."""
    if order == 1:
        return ((),)
    return tuple(sorted({grown for tree in trees(order - 1) for grown in with_a_leaf(tree)}))


def with_a_leaf(tree: tuple):
    """Yield the trees that one more leaf, put anywhere, makes of `tree`."""
    yield tuple(sorted((*tree, ())))
    for i, branch in enumerate(tree):
        for grown in with_a_leaf(branch):
            yield tuple(sorted((*tree[:i], grown, *tree[i + 1 :])))


@lru_cache
def size(tree: tuple) -> int:
    return 1 + sum(map(size, tree))


@lru_cache
def gamma(tree: tuple) -> int:
    return size(tree) * int(np.prod([gamma(branch) for branch in tree], dtype=int))


def elementary_weights(matrix: np.ndarray, order: int) -> np.ndarray:
    """Phi_i(tree) of each stage i for all trees of `order`: shape (stages, trees)."""
    known: dict[tuple, np.ndarray] = {}

    def phi(tree: tuple) -> np.ndarray:
        if tree not in known:
            product = np.ones(len(matrix))
            for branch in tree:
                product = product * (matrix @ phi(branch))
            known[tree] = product
        return known[tree]

    return np.stack([phi(tree) for tree in trees(order)], axis=1)


def worst_residual(matrix: np.ndarray, weights: np.ndarray, order: int, theta=1.0) -> float:
    """Largest |sum_i b_i(theta) Phi_i(tree) - theta^order / gamma(tree)|, trees of `order`."""
    exact = theta**order / np.array([gamma(tree) for tree in trees(order)])
    return float(np.abs(weights @ elementary_weights(matrix, order) - exact).max())


def order_of(matrix: np.ndarray, weights: np.ndarray) -> int:
    """The highest order up to which all conditions hold."""
    order = 0
    while worst_residual(matrix, weights, order + 1) < HOLDS:
        order += 1
    return order
