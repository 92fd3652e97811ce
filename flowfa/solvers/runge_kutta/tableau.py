"""Coefficient table of an explicit Runge-Kutta method, and cubic Hermite dense output."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flowfa.errors import InputError


@dataclass(frozen=True, kw_only=True, eq=False)
class Tableau:
    r"""An explicit Runge-Kutta method with its error estimate and dense output.

    A step of size h from (t, y0) evaluates the stages

        k_i = f(t + c_i h, y0 + h sum_{j<i} a_ij k_j),   i = 1..s,

    and ends at y1 = y0 + h sum_i b_i k_i. The derivative there, k_{s+1} = f(t + h, y1), is the
    next step's k_1, so that it costs nothing; error estimate and dense output may use it.

    Parameters
    ----------
    name : str
        Name of the method, as in ``simulate(..., solver=name)``.
    order : int
        p: the error of one step is O(h^(p+1)).
    error_order : int or None
        q: the error estimate of one step is O(h^(q+1)). With one row in `error`, q is the order
        of the embedded solution. None for a method of fixed step.
    nodes : ndarray, shape (s,)
        c_i, with c_1 = 0.
    matrix : ndarray, shape (s, s)
        a_ij, strictly lower triangular.
    weights : ndarray, shape (s,)
        b_i.
    error : ndarray, shape (e, s + 1)
        e = 0: fixed step. e = 1: the estimate is h sum_i error[0, i] k_i, column s being
        k_{s+1}. e = 2: the rows give e5 and e3 in the same way but without h, combined as
        ``|h| ||e5||^2 / sqrt(||e5||^2 + 0.01 ||e3||^2)``.
    dense_order : int
        The dense output has an error of O(h^(dense_order + 1)) within one step.
    extra_nodes : ndarray, shape (x,)
        Nodes of the stages that only the dense output needs.
    extra_matrix : ndarray, shape (x, s + 1 + x)
        Their rows; columns: the s stages, k_{s+1}, then the earlier extra stages.
    interpolant : ndarray, shape (s + 1 + x, m)
        y(t + theta h) = y0 + h sum_i [sum_{q=1..m} interpolant[i, q-1] theta^q] k_i, with i over
        the s stages, k_{s+1} and the x extra stages. y and y' are continuous across steps.

    Raises
    ------
    InputError
        If the shapes do not belong together. The numbers themselves are not checked.
    """

    name: str
    order: int
    error_order: int | None
    nodes: np.ndarray
    matrix: np.ndarray
    weights: np.ndarray
    error: np.ndarray
    dense_order: int
    extra_nodes: np.ndarray
    extra_matrix: np.ndarray
    interpolant: np.ndarray

    def __post_init__(self) -> None:
        """Check the shapes."""
        s, x = self.weights.size, self.extra_nodes.size
        rows = self.error.shape[0] if self.error.ndim else 0
        power = self.interpolant.shape[-1] if self.interpolant.ndim else 0
        expected = {
            "nodes": (s,),
            "matrix": (s, s),
            "weights": (s,),
            "error": (rows, s + 1),
            "extra_nodes": (x,),
            "extra_matrix": (x, s + 1 + x),
            "interpolant": (s + 1 + x, power),
        }
        for field, shape in expected.items():
            actual = getattr(self, field).shape
            if actual != shape:
                raise InputError(
                    f"{field} of the tableau {self.name!r} has the shape {actual}: expected "
                    f"{shape} for {s} stages and {x} extra stages"
                )
        if rows > 2 or (rows == 0) != (self.error_order is None):
            raise InputError(
                f"the tableau {self.name!r} has {rows} error rows and error_order "
                f"{self.error_order}: give no row and None (fixed step), or one or two rows and "
                "the order of the estimate"
            )

    @property
    def stages(self) -> int:
        """Number of stages s, the evaluation at the end of the step not counted."""
        return self.weights.size


def pad(rows: list[list[float]], columns: int) -> np.ndarray:
    """Return the rows filled up with zeros on the right.

    Parameters
    ----------
    rows : list of list of float
        Rows of any length up to `columns`, such as those of a triangular matrix.
    columns : int
        Length of each row of the result.

    Returns
    -------
    ndarray, shape (len(rows), columns)
    """
    return np.array([row + [0.0] * (columns - len(row)) for row in rows])


def hermite(weights: np.ndarray, correction: np.ndarray | None = None) -> np.ndarray:
    """Return the `interpolant` of cubic Hermite dense output, with an optional correction.

    The cubic takes the values y0, y1 and the slopes k_1, k_{s+1} at the ends of the step. Every
    other interpolant that does so differs from it by theta^2 (1 - theta)^2 times a polynomial,
    the correction; Hairer, Norsett and Wanner publish theirs in this form.

    Parameters
    ----------
    weights : ndarray, shape (s,)
        b_i of the method.
    correction : ndarray, shape (s + 1 + x, m), optional
        Row i: the coefficients of 1, theta, theta^2, ... of the polynomial that k_i brings in.

    Returns
    -------
    ndarray, shape (s + 1, 3) or (s + 1 + x, m + 3)
    """
    s = weights.size
    start, end, value = np.eye(s + 1)[0], np.eye(s + 1)[s], np.append(weights, 0.0)
    cubic = np.stack([start, 3 * value - 2 * start - end, start + end - 2 * value], axis=1)
    if correction is None:
        return cubic
    rows, powers = correction.shape
    interpolant = np.zeros((rows, powers + 3))
    interpolant[: s + 1, :3] = cubic
    for q in range(powers):
        interpolant[:, q + 1 : q + 4] += np.outer(correction[:, q], [1.0, -2.0, 1.0])
    return interpolant
