"""The stage equations of a collocation step, solved by accelerated fixed-point iteration.

The slopes k are a fixed point of G(k)_i = f(t + c_i h, y0 + h sum_j a_ij k_j). Plain iteration
gains a factor of about 0.2 h L each time; Anderson's acceleration (D. G. Anderson, J. ACM 12, 1965)
extrapolates from the last residuals, and so also converges where a few directions are stiff.
Each trajectory leaves the iteration by itself, so that its result is the same in any company.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from flowfa.flow.base import Field
from flowfa.solvers.collocation.gauss import GaussMethod
from flowfa.solvers.runge_kutta.step import combine
from flowfa.solvers.stepping.controller import Tolerance

DEPTH = 3
"""Earlier iterates that Anderson's acceleration uses."""
CONVERGED = 1e-8
"""Residual, in units of the tolerance, at which the stage equations count as solved."""
ROUNDING = 8.0
"""The same in units of the rounding error of the weights, where that is larger."""
NEGLIGIBLE = 1e-2
"""Largest residual, in units of the tolerance, that rounding may excuse."""
DIVERGED = 100.0
"""Growth of the residual above its least that ends the iteration."""
MOST = 25
"""Iterations after which it has not converged."""
DEPENDENT = 1e-12
"""Squared share of a residual difference that must be new for it to be used."""


@dataclass(frozen=True)
class Stages:
    """The slopes that the iteration ended with.

    Attributes
    ----------
    slopes : Tensor
        k, (trajectory, stage, parameter); the starting guess where not solved.
    solved : Tensor
        (trajectory,).
    iterations : Tensor
        Evaluations of all stages, (trajectory,).
    """

    slopes: Tensor
    solved: Tensor
    iterations: Tensor


def solve_stages(
    method: GaussMethod,
    field: Field,
    tolerance: Tolerance,
    time: Tensor,
    state: Tensor,
    size: Tensor,
    guess: Tensor,
) -> Stages:
    """Solve the stage equations of each trajectory.

    Slopes k are returned as solved only if their own residual h (G(k) - k) is small at every
    stage, because that residual bounds what a quadratic invariant then loses.

    Parameters
    ----------
    method : GaussMethod
    field : Field
    tolerance : Tolerance
    time, size : Tensor
        Where the step starts and how long it is, (trajectory,).
    state : Tensor
        y0, (trajectory, parameter).
    guess : Tensor
        (trajectory, stage, parameter).
    """
    slopes = guess.clone()
    solved = torch.zeros_like(time, dtype=torch.bool)
    iterations = torch.zeros_like(time, dtype=torch.int64)
    rows = torch.arange(len(time), device=time.device)
    # Residuals are multiplied by this, so that they are in units of the tolerance.
    unit = (size[:, None] / tolerance.scale(state, state))[:, None]
    target = _target(state, tolerance)
    least = torch.full_like(time, torch.inf)
    history: list[tuple[Tensor, Tensor]] = []
    iterate, previous = guess, None
    for _ in range(MOST):
        image = _evaluate(method, field, time, state, size, iterate)
        residual = (image - iterate) * unit
        worst = residual.square().mean(2).amax(1).sqrt()
        iterations[rows] += 1
        done = worst <= target
        slopes[rows[done]] = iterate[done]
        solved[rows[done]] = True
        active = (worst <= DIVERGED * least) & worst.isfinite() & ~done
        if previous is not None:
            history = [(residual - previous[0], image - previous[1]), *history][:DEPTH]
        if not active.all():
            rows, time, state, size = rows[active], time[active], state[active], size[active]
            if not len(rows):
                break
            field = field.select(active.nonzero().flatten())
            unit, target, least, worst = unit[active], target[active], least[active], worst[active]
            image, residual = image[active], residual[active]
            history = [(change[active], moved[active]) for change, moved in history]
        least = torch.minimum(least, worst)
        iterate = _accelerate(image, residual, history)
        previous = (residual, image)
    return Stages(slopes, solved, iterations)


def combine_stages(coefficients: np.ndarray, slopes: Tensor) -> Tensor:
    """Return sum_i coefficients_i k_i of slopes (trajectory, stage, parameter)."""
    return combine(coefficients, list(slopes.unbind(1)))


def _evaluate(
    method: GaussMethod, field: Field, time: Tensor, state: Tensor, size: Tensor, slopes: Tensor
) -> Tensor:
    """Return G(k), (trajectory, stage, parameter)."""
    values = [
        field(
            time + float(node) * size,
            torch.addcmul(state, combine_stages(row, slopes), size[:, None]),
        )
        for node, row in zip(method.nodes, method.matrix, strict=True)
    ]
    return torch.stack(values, dim=1)


def _target(state: Tensor, tolerance: Tolerance) -> Tensor:
    """Return the residual to reach, in units of the tolerance, (trajectory,).

    No weight is known better than to the rounding of the largest one, because all of them enter
    the same matrix products.
    """
    rounding = torch.finfo(state.dtype).eps * state.abs().amax(1, keepdim=True)
    floor = ROUNDING * tolerance.norm(rounding.expand_as(state), state, state)
    return floor.clamp(CONVERGED, NEGLIGIBLE)


def _accelerate(image: Tensor, residual: Tensor, history: list[tuple[Tensor, Tensor]]) -> Tensor:
    """Return Anderson's next iterate: G(k) less what the last differences explain of the residual.

    Modified Gram-Schmidt runs over the differences, newest first, and does the same steps to the
    differences of G. No small systems are solved, because their solution could depend on the batch.
    """
    basis: list[tuple[Tensor, Tensor, Tensor]] = []
    for change, moved in history:
        change2 = _inner(change, change)
        for direction, carried, squared in basis:
            share = _ratio(_inner(direction, change), squared)
            change = change - share * direction
            moved = moved - share * carried
        squared = _inner(change, change)
        # A difference that earlier ones explain to rounding would only bring in noise.
        squared = torch.where(squared > DEPENDENT * change2, squared, 0.0)
        share = _ratio(_inner(change, residual), squared)
        residual = residual - share * change
        image = image - share * moved
        basis.append((change, moved, squared))
    return image


def _inner(left: Tensor, right: Tensor) -> Tensor:
    return (left * right).flatten(1).sum(1)[:, None, None]


def _ratio(numerator: Tensor, denominator: Tensor) -> Tensor:
    return torch.where(denominator > 0.0, numerator / denominator, 0.0)
