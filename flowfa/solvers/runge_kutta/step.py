"""One explicit Runge-Kutta step of a batch, its error, and its dense output."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from flowfa.flow.base import Field
from flowfa.solvers.runge_kutta.tableau import Tableau
from flowfa.solvers.stepping.controller import Tolerance


@dataclass(frozen=True)
class Step:
    """A trial step of every working trajectory.

    Attributes
    ----------
    time, size : Tensor
        Where it starts and how long it is, (trajectory,).
    before, after : Tensor
        States at both ends, (trajectory, parameter).
    slopes : list of Tensor
        k_1, ..., k_s and, last, the velocity at the end, each (trajectory, parameter).
    """

    time: Tensor
    size: Tensor
    before: Tensor
    after: Tensor
    slopes: list[Tensor]


def combine(coefficients: np.ndarray, slopes: list[Tensor]) -> Tensor:
    """Return sum_i coefficients_i k_i, leaving out zeros.

    It is a chain of elementwise operations, because a matrix product over stages may round the
    same trajectory differently in batches of different size.
    """
    terms = [(float(c), k) for c, k in zip(coefficients, slopes, strict=False) if c != 0.0]
    if not terms:
        return torch.zeros_like(slopes[0])
    total = terms[0][1] * terms[0][0]
    for coefficient, slope in terms[1:]:
        total.add_(slope, alpha=coefficient)
    return total


def take_step(
    tableau: Tableau, field: Field, time: Tensor, state: Tensor, velocity: Tensor, size: Tensor
) -> Step:
    """Try a step.

    Parameters
    ----------
    tableau : Tableau
    field : Field
    time, size : Tensor
        (trajectory,).
    state, velocity : Tensor
        y and F(t, y), (trajectory, parameter).
    """
    slopes = [velocity]
    h = size[:, None]
    for node, row in zip(tableau.nodes[1:], tableau.matrix[1:], strict=True):
        stage = torch.addcmul(state, combine(row, slopes), h)
        slopes.append(field(time + float(node) * size, stage))
    after = torch.addcmul(state, combine(tableau.weights, slopes), h)
    slopes.append(field(time + size, after))
    return Step(time, size, state, after, slopes)


def scaled_error(tableau: Tableau, step: Step, tolerance: Tolerance) -> Tensor:
    """Return the error of each trajectory in units of the tolerance; NaN if it overflowed."""
    h = step.size[:, None]
    estimates = [
        tolerance.norm(combine(row, step.slopes) * h, step.before, step.after)
        for row in tableau.error
    ]
    error = estimates[0]
    if len(estimates) == 2:
        # DOP853's stretched estimate (Hairer, Norsett & Wanner II.10): e5^2 / |(e5, 0.1 e3)|.
        denominator = (estimates[0].square() + 0.01 * estimates[1].square()).sqrt()
        error = torch.where(denominator > 0, estimates[0].square() / denominator, 0.0)
        error = torch.where(denominator.isnan(), torch.nan, error)
    sound = step.after.isfinite().all(1) & step.slopes[-1].isfinite().all(1)
    return torch.where(sound, error, torch.nan)


class DenseOutput:
    """States between the ends of steps, for chosen trajectories.

    Parameters
    ----------
    tableau : Tableau
    field : Field
        Of the whole working set; extra stages are evaluated for the chosen rows only.
    step : Step
    rows : Tensor
        Chosen positions in the working set, increasing, (chosen,).
    """

    def __init__(self, tableau: Tableau, field: Field, step: Step, rows: Tensor) -> None:
        self._tableau = tableau
        self._before = step.before[rows]
        self._size = step.size[rows]
        self._slopes = [slope[rows] for slope in step.slopes]
        if len(tableau.extra_nodes):
            chosen, time = field.select(rows), step.time[rows]
            for node, row in zip(tableau.extra_nodes, tableau.extra_matrix, strict=True):
                stage = self._before + combine(row, self._slopes) * self._size[:, None]
                self._slopes.append(chosen(time + float(node) * self._size, stage))

    def __call__(self, positions: Tensor, theta: Tensor) -> Tensor:
        """Return states.

        Parameters
        ----------
        positions : Tensor
            Positions among the chosen rows, (output,).
        theta : Tensor
            Where in the step, from 0 to 1, (output,).

        Returns
        -------
        Tensor
            (output, parameter).
        """
        total = torch.zeros_like(self._before[positions])
        for slope, polynomial in zip(self._slopes, self._tableau.interpolant, strict=True):
            if polynomial.any():
                value = torch.zeros_like(theta)
                for coefficient in polynomial[::-1]:
                    value = (value + float(coefficient)) * theta
                total.addcmul_(slope[positions], value[:, None])
        return self._before[positions] + total * self._size[positions, None]
