"""One Gauss step of a batch, its starting guess, and the states inside it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from flowfa.flow.base import Field
from flowfa.solvers.collocation.gauss import GaussMethod
from flowfa.solvers.collocation.stages import Stages, combine_stages, solve_stages
from flowfa.solvers.runge_kutta.step import Step, combine
from flowfa.solvers.stepping.controller import Tolerance
from flowfa.solvers.stepping.integration import Integration, merge_states
from flowfa.solvers.stepping.saves import Between


def extrapolate(method: GaussMethod, slopes: Tensor, end_slope: Tensor, ratio: Tensor) -> Tensor:
    """Return the starting guess of a step: the previous step's slopes, continued beyond its end.

    Parameters
    ----------
    method : GaussMethod
    slopes : Tensor
        k_1, ..., k_s of the previous step, (trajectory, stage, parameter).
    end_slope : Tensor
        k_{s+1}, the velocity at its end, (trajectory, parameter).
    ratio : Tensor
        Size of the step over that of the previous one, (trajectory,).
    """
    known_slopes = [*slopes.unbind(1), end_slope]
    return torch.stack(
        [_blend(method.guess, known_slopes, 1.0 + float(node) * ratio) for node in method.nodes],
        dim=1,
    )


def take_step(
    method: GaussMethod,
    field: Field,
    tolerance: Tolerance,
    time: Tensor,
    state: Tensor,
    velocity: Tensor,
    size: Tensor,
    guess: Tensor,
) -> tuple[Step, Stages]:
    """Try a step; parameters as in `solve_stages`, and the velocity F(t, y).

    The step's slopes are k_0, ..., k_{s+1} of `GaussMethod`.
    """
    stages = solve_stages(method, field, tolerance, time, state, size, guess)
    moved = combine_stages(method.weights, stages.slopes)
    after = torch.addcmul(state, moved, size[:, None])
    slopes = [velocity, *stages.slopes.unbind(1), field(time + size, after)]
    return Step(time, size, state, after, slopes), stages


def scaled_error(method: GaussMethod, step: Step, stages: Stages, tolerance: Tolerance) -> Tensor:
    """Return the error in units of the tolerance; NaN if not solved or overflowed."""
    estimate = combine(method.error, step.slopes) * step.size[:, None]
    error = tolerance.norm(estimate, step.before, step.after)
    sound = stages.solved & step.after.isfinite().all(1) & step.slopes[-1].isfinite().all(1)
    return torch.where(sound, error, torch.nan)


def gauss_dense_output(
    method: GaussMethod, field: Field, run: Integration, tolerance: Tolerance, step: Step
) -> Callable[[Tensor], Between]:
    """Return a function that makes the states inside steps of chosen rows by shorter Gauss steps.

    The interpolant errs by O(h^(s+2)) and keeps no invariant, so that it is only the guess. From
    the start of the step a Gauss step is taken to each asked time: saved states are of order 2s
    and keep quadratic invariants as the ends of steps do. Where its stage equations cannot be
    solved, which a kink can cause, the interpolant itself is returned.
    """

    def dense_output(rows: Tensor) -> Between:
        def between(positions: Tensor, theta: Tensor) -> Tensor:
            chosen = rows[positions]
            known_slopes = [slope[chosen] for slope in step.slopes]
            before, size = step.before[chosen], theta * step.size[chosen]
            guess = torch.stack(
                [_blend(method.slopes, known_slopes, float(node) * theta) for node in method.nodes],
                dim=1,
            )
            stages = solve_stages(
                method, field.select(chosen), tolerance, step.time[chosen], before, size, guess
            )
            spent = (stages.iterations * method.stages).cpu().numpy()
            np.add.at(run.counters["evaluations"], run.working[chosen].cpu().numpy(), spent)
            moved = combine_stages(method.weights, stages.slopes)
            small = torch.addcmul(before, moved, size[:, None])
            # The interpolant divided by theta; `size` has the factor theta already.
            mean_slope = _blend(method.interpolant, known_slopes, theta)
            smooth = torch.addcmul(before, mean_slope, size[:, None])
            return merge_states(stages.solved, small, smooth)

        return between

    return dense_output


def _blend(polynomials: np.ndarray, slopes: list[Tensor], theta: Tensor) -> Tensor:
    """Return sum_i [sum_q polynomials[i, q] theta^q] k_i, (trajectory, parameter).

    It is elementwise for the reason that `flowfa.solvers.runge_kutta.step.combine` gives.
    """
    total = torch.zeros_like(slopes[0])
    for slope, coefficients in zip(slopes, polynomials, strict=True):
        value = torch.full_like(theta, float(coefficients[-1]))
        for coefficient in coefficients[-2::-1]:
            value = value * theta + float(coefficient)
        total.addcmul_(slope, value[:, None])
    return total
