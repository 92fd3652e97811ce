"""Coefficients of Gauss-Legendre collocation, computed from the Legendre nodes.

E. Hairer, C. Lubich, G. Wanner, Geometric Numerical Integration (2006), II.1.3 (the methods),
IV.2.1 (they keep quadratic invariants).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.polynomial import polynomial
from numpy.polynomial.legendre import leggauss

from flowfa.solvers.runge_kutta.tableau import hermite


@dataclass(frozen=True, kw_only=True, eq=False)
class GaussMethod:
    r"""Collocation at the s zeros of the shifted Legendre polynomial; order 2s.

    A step of size h from (t, y0) solves the stage equations

        k_i = f(t + c_i h, y0 + h sum_j a_ij k_j),   i = 1..s,

    and ends at y1 = y0 + h sum_i b_i k_i. Because b_i a_ij + b_j a_ji = b_i b_j, it keeps every
    quadratic invariant of the flow. Error estimate and interpolant use the derivatives at both
    ends too: k_0 = f(t, y0) and k_{s+1} = f(t + h, y1), the next step's k_0.

    Attributes
    ----------
    name : str
    nodes, weights : ndarray, shape (s,)
        c_i and b_i.
    matrix : ndarray, shape (s, s)
        a_ij.
    error : ndarray, shape (s + 2,)
        The error estimate is h sum_i error_i k_i over k_0, ..., k_{s+1}: the method minus the
        quadrature on both ends and all stages but the middle one, which is of order s + 1. All
        formulas of that order on these s + 2 nodes lie on the line through it and the method.
    interpolant : ndarray, shape (s + 2, m)
        y(t + theta h) = y0 + h sum_i [sum_{q=1..m} interpolant[i, q-1] theta^q] k_i: the
        collocation polynomial, made to have the derivatives of both ends as well. It is C1 across
        steps and errs by O(h^(s+2)) within one.
    guess : ndarray, shape (s + 1, s + 1)
        The polynomial through k_1, ..., k_{s+1}; row i: the coefficients of 1, theta, ... that
        k_{i+1} brings in. Beyond theta = 1 it foretells the next step's stages.
    """

    name: str
    nodes: np.ndarray
    matrix: np.ndarray
    weights: np.ndarray
    error: np.ndarray
    interpolant: np.ndarray
    guess: np.ndarray

    @classmethod
    def with_stages(cls, stages: int) -> GaussMethod:
        """Compute the method with s stages."""
        zeros, doubled = leggauss(stages)
        nodes, weights = (1.0 + zeros) / 2.0, doubled / 2.0
        matrix = _values(_integrals(_lagrange(nodes)), nodes)
        all_nodes = np.concatenate([[0.0], nodes, [1.0]])
        kept = np.delete(np.arange(stages + 2), 1 + stages // 2)
        error = np.concatenate([[0.0], weights, [0.0]])
        error[kept] -= _values(_integrals(_lagrange(all_nodes[kept])), np.ones(1))[0]
        if stages == 1:
            # The integral of the parabola through k_0, k_1, k_2 ends at the y1 of Simpson's rule.
            interpolant = hermite(np.array([0.0, 1.0]))
        else:
            # For s >= 2 quadrature on all s + 2 nodes is Gauss quadrature: the integral ends at y1.
            interpolant = _integrals(_lagrange(all_nodes))[:, 1:]
        return cls(
            name=f"gauss{2 * stages}",
            nodes=nodes,
            matrix=matrix,
            weights=weights,
            error=error,
            interpolant=interpolant,
            guess=_lagrange(all_nodes[1:]),
        )

    @property
    def stages(self) -> int:
        """Number of stages s."""
        return self.weights.size

    @property
    def order(self) -> int:
        """The error of one step is O(h^(order + 1))."""
        return 2 * self.stages

    @property
    def error_order(self) -> int:
        """The error estimate of one step is O(h^(error_order + 1))."""
        return self.stages + 1

    @property
    def slopes(self) -> np.ndarray:
        """Coefficients of 1, theta, ... in the derivative of the interpolant, (s + 2, m)."""
        return self.interpolant * np.arange(1, self.interpolant.shape[1] + 1)


def _lagrange(nodes: np.ndarray) -> np.ndarray:
    """Return the coefficients of 1, x, ... of the Lagrange polynomials, (node, power).

    As products: solving with the Vandermonde matrix would lose digits.
    """
    rows = []
    for i, node in enumerate(nodes):
        others = np.delete(nodes, i)
        rows.append(polynomial.polyfromroots(others) / np.prod(node - others))
    return np.array(rows)


def _integrals(polynomials: np.ndarray) -> np.ndarray:
    """Return the coefficients of the integrals from 0, (polynomial, power + 1)."""
    return polynomial.polyint(polynomials, axis=1)


def _values(polynomials: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return the values, (point, polynomial)."""
    return np.vander(at, polynomials.shape[1], increasing=True) @ polynomials.T
