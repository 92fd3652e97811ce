"""Whether a sweep has converged, whether its step is good, and how long the next one is.

Errors are in units of the tolerance: a step is good if its error is at most 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flowfa.solvers.hybrid.signals import NODES, predictor, to_polynomial, values
from flowfa.solvers.hybrid.sweep import Guess, Path
from flowfa.solvers.one_hidden_layer.network import Feedback

LOCAL = 0.2
"""Share of the defect's effect that counts as the error of a step."""
CONVERGED = 0.3
"""A sweep that changes less than this share of the tolerance ends the iteration."""
STALLED = 0.8
"""A sweep that shrinks the change by less than this ends the trial."""
SWEEPS = 25
"""Sweeps after which a trial has not converged."""
SAFETY = 0.8
"""Share of the step that would just be good; the defect falls with its third power at least."""
GROWTH = 2.0
"""Greatest growth of a step."""
_ENDS = np.array([[0.0, 1.0]])
"""The ends of a step, where no node ties the guess to the path, so that its error shows there."""


def change_and_error(
    guess: Guess,
    path: Path,
    begin: np.ndarray,
    residuals: np.ndarray,
    feedback: Feedback,
    unit: np.ndarray,
    out_unit: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Return how much a sweep changed the signals, and the error of its step.

    Parameters
    ----------
    guess : Guess
    path : Path
        What the sweep made of it.
    begin : numpy.ndarray
        Residuals where the step begins, (trajectory, output, sample).
    residuals : numpy.ndarray
        Residuals on the path at the nodes and the end, (trajectory, 4, output, sample).
    feedback : Feedback
    unit : numpy.ndarray
        From a change of the drives, b . r, to the scaled error of a step of length 1,
        (trajectory,).
    out_unit : numpy.ndarray
        From a change of r to the scaled error of the out-weights, the same.

    Returns
    -------
    tuple of numpy.ndarray
        Each (trajectory,). The change is that of the signals at the nodes; the error is the
        larger of the defects at the two ends. A kink of the residuals, which an event makes, can
        hide from one of them.
    """
    per_length = unit * guess.size
    moves = feedback.moves
    b = feedback.weights(guess.v_nodes[:, 0], guess.signs)
    strength = np.abs(b).sum(axis=2).max(axis=1)
    if moves.any():
        at_end = feedback.weights(path.v, path.signs)
        strength = np.maximum(strength, np.abs(at_end).sum(axis=2).max(axis=1))
    change = np.abs(residuals[:, :3] - guess.signals).sum(axis=2).max(axis=(1, 2))
    at_ends = np.stack([begin, residuals[:, 3]], axis=1)
    error = np.abs(at_ends - values(guess.polynomial, _ENDS)).sum(axis=2).max(axis=(1, 2))
    # Signals move the in-weights through the feedback, which may be weak or zero (adafa from zero
    # out-weights), and the out-weights without it.
    effect = np.maximum(strength * per_length, out_unit * guess.size)
    change, error = change * effect, error * effect
    if moves.any():
        # The out-weights are part of the guess where they are fed back, as under gd: a wrong v
        # counts through a v . r.
        share = np.abs(feedback.weight_share)
        weight = np.where(moves, np.abs(residuals).sum(axis=2).max(axis=(1, 2)), 0.0)
        weight = weight * share * per_length
        moved = np.abs(path.v_at[:, :3] - guess.v_nodes).sum(axis=3).max(axis=(1, 2))
        at_ends = np.stack([guess.v, path.v_at[:, 3]], axis=1)
        off = at_ends - values(to_polynomial(guess.v_nodes), _ENDS)
        defect = np.abs(off).sum(axis=3).max(axis=(1, 2))
        change, error = change + weight * moved, error + weight * defect
    return change, error


@dataclass(frozen=True)
class Verdict:
    """What becomes of the trials after a sweep, each (trajectory,).

    Attributes
    ----------
    change, error : numpy.ndarray
        See `change_and_error`.
    contraction : numpy.ndarray
        The change by that of the sweep before.
    accepted, stopped, rejected : numpy.ndarray
        The step is good; it cannot converge; it ends without success, because of that or because
        its error is too large.
    """

    change: np.ndarray
    error: np.ndarray
    contraction: np.ndarray
    accepted: np.ndarray
    stopped: np.ndarray
    rejected: np.ndarray


def judge(
    change: np.ndarray,
    error: np.ndarray,
    sound: np.ndarray,
    sweeps: np.ndarray,
    last_change: np.ndarray,
) -> Verdict:
    """Decide about each trial.

    Parameters
    ----------
    change, error : numpy.ndarray
        See `change_and_error`, (trajectory,).
    sound : numpy.ndarray
        Whether the path reached the end, (trajectory,).
    sweeps : numpy.ndarray
        Sweeps of this trial so far.
    last_change : numpy.ndarray
        Change of the sweep before, infinite after the first.
    """
    sound = sound & np.isfinite(change) & np.isfinite(error)
    converged = sound & (change <= CONVERGED)
    # A trial that did not change in two sweeps, or overflowed in both, has no contraction: NaN.
    with np.errstate(invalid="ignore"):
        contraction = change / last_change
    hopeless = (sweeps > 2) & (contraction > STALLED)
    stopped = ~sound | (~converged & (hopeless | (sweeps >= SWEEPS)))
    accepted = converged & (error <= 1.0)
    rejected = (converged & ~accepted) | stopped
    return Verdict(change, error, contraction, accepted, stopped, rejected)


def next_sizes(memory: dict[str, np.ndarray], end: float) -> tuple[np.ndarray, np.ndarray]:
    """Return lengths and arrivals of the steps to try, cut where the run ends, (trajectory,)."""
    time, step = memory["time"], memory["step"]
    last = time + step * (1.0 + 1e-10) >= end
    size = np.where(last, end - time, step)
    return size, np.where(last, end, time + size)


def next_steps(
    memory: dict[str, np.ndarray],
    guess: Guess,
    residuals: np.ndarray,
    v_at: np.ndarray,
    verdict: Verdict,
    end: float,
) -> None:
    """Choose steps, and guess signals and out-weights, of trajectories that begin a trial.

    Parameters
    ----------
    memory : dict of numpy.ndarray
        The solver's, changed in place: ``step``, ``begin`` (residuals there), ``predictor``,
        ``v_predictor`` and ``predictor_step`` (of the last accepted step), ``signals``,
        ``v_nodes``, ``rejected_last``, ``sweeps``, ``trials``.
    guess : Guess
        Of the sweep that was judged.
    residuals : numpy.ndarray
        Residuals on the path at `STEP_TIMES`, (trajectory, 4, output, sample).
    v_at : numpy.ndarray
        Out-weights there, (trajectory, 4, neuron, output).
    verdict : Verdict
    end : float
        Of the run.
    """
    accepted, rejected = verdict.accepted, verdict.rejected
    begins = accepted | rejected
    if not begins.any():
        return
    by_error = (SAFETY / np.cbrt(verdict.error.clip(1e-12, 1e12))).clip(0.3, GROWTH)
    growth = np.where(memory["rejected_last"] > 0, np.minimum(by_error, 1.0), by_error)
    contraction = np.nan_to_num(verdict.contraction, nan=1.0, posinf=1.0).clip(1e-3)
    shrink = (0.25 / contraction).clip(0.15, 0.5)
    factor = np.where(verdict.stopped, shrink, np.minimum(by_error, 0.9))
    factor = np.where(accepted, growth, factor)
    memory["step"][begins] = (guess.size * factor)[begins]
    memory["predictor"][accepted] = predictor(residuals[accepted])
    memory["v_predictor"][accepted] = predictor(v_at[accepted])
    memory["predictor_step"][accepted] = guess.size[accepted]
    memory["begin"][accepted] = residuals[accepted, 3]
    memory["trials"] += accepted
    # A rejected step begins where the last accepted quadratic ends, as a new one does; before
    # the first there is none.
    ahead = 1.0 + NODES * (next_sizes(memory, end)[0] / memory["predictor_step"])[:, None]
    ahead[memory["trials"] == 0] = 0.0
    memory["signals"][begins] = values(memory["predictor"][begins], ahead[begins])
    memory["v_nodes"][begins] = values(memory["v_predictor"][begins], ahead[begins])
    memory["rejected_last"][begins] = rejected[begins]
    memory["sweeps"][begins] = 0
