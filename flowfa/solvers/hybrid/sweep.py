"""One sweep: every neuron of every trajectory through its step under guessed signals."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch

from flowfa.flow.surfaces import Surfaces
from flowfa.machine.compiled import announced, compiling_message
from flowfa.solvers.hybrid.rows import BLOCK, sweep_rows
from flowfa.solvers.hybrid.signals import TO_MONOMIAL
from flowfa.solvers.one_hidden_layer.network import Feedback

VANISHING = 1e-13
"""A neuron all of whose |zeta| are below this share of its largest so far has w = 0."""
LOADING = 4.0
"""Seconds in which the compiled engine is loaded from numba's cache, on a slow machine too."""
WORTH_A_THREAD = 200
"""Neurons from which on a thread of their own saves time: about 0.2 ms of work."""


@dataclass(frozen=True)
class Guess:
    """Where neurons stand at the start of a step, and the signals that they are to follow.

    Attributes
    ----------
    size : numpy.ndarray
        Length of the step, (trajectory,).
    farthest : numpy.ndarray
        Largest |zeta| of each neuron so far, (trajectory, neuron).
    signals, polynomial : numpy.ndarray
        r at the nodes and its coefficients, (trajectory, 3, output, sample).
    v_nodes : numpy.ndarray
        Out-weights at the nodes, (trajectory, 3, neuron, output); used where the
        feedback has a part a v, as under gd.
    zeta, v, modes, signs : numpy.ndarray
        (trajectory, neuron, surface or output).
    """

    size: np.ndarray
    farthest: np.ndarray
    signals: np.ndarray
    polynomial: np.ndarray
    v_nodes: np.ndarray
    zeta: np.ndarray
    v: np.ndarray
    modes: np.ndarray
    signs: np.ndarray

    def select(self, rows: np.ndarray) -> Guess:
        """Return some trajectories."""
        return Guess(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Path:
    """What a sweep finds: the exact paths of all neurons under the guessed signals.

    Attributes
    ----------
    v_at : numpy.ndarray
        Out-weights at the asked times, (trajectory, time, neuron, output).
    Y : numpy.ndarray
        Integrals of the drives u over time, (trajectory, time, neuron, surface).
    outputs : numpy.ndarray
        Of the network without its bias, (trajectory, time, output, sample).
    zeta, v, modes, signs : numpy.ndarray
        At the end of the step, (trajectory, neuron, surface or output).
    counts : numpy.ndarray
        Event counts, (trajectory, 5).
    sound : numpy.ndarray
        Whether every neuron reached the end, (trajectory,).
    """

    v_at: np.ndarray
    Y: np.ndarray
    outputs: np.ndarray
    zeta: np.ndarray
    v: np.ndarray
    modes: np.ndarray
    signs: np.ndarray
    counts: np.ndarray
    sound: np.ndarray


def sweep(
    guess: Guess,
    surfaces: Surfaces,
    feedback: Feedback,
    leak: float,
    times: np.ndarray,
    first_integral: int,
) -> Path:
    """Move every neuron through its step.

    Parameters
    ----------
    guess : Guess
    surfaces : Surfaces
    feedback : Feedback
    leak : float
    times : numpy.ndarray
        Times within the step at which values are wanted, in (0, 1], the last 1, (time,).
    first_integral : int
        Index of the first of them at which `Path.Y` is wanted.
    """
    A, m, P = guess.zeta.shape
    C, T, n = guess.v.shape[2], len(times), surfaces.surface.shape[1]
    R, L = surfaces.signals(guess.signals, leak)
    R_poly, L_poly = surfaces.signals(guess.polynomial, leak)
    zeta, v = guess.zeta.copy(), guess.v.copy()
    modes, signs = guess.modes.copy(), guess.signs.copy()
    v_at, Y = np.empty((A, T, m, C)), np.empty((A, T - first_integral, m, P))
    outputs = np.empty((A, -(-m // BLOCK), T, C, n))
    counts = np.zeros((A, m, 5), np.int64)
    sound = np.empty((A, m), np.bool_)
    arguments = (
        surfaces.gram,
        surfaces.directions,
        surfaces.primal,
        leak,
        guess.size,
        VANISHING * guess.farthest,
        feedback.weight_share,
        feedback.fixed,
        feedback.magnitudes,
        guess.v_nodes,
        R,
        L,
        R_poly,
        L_poly,
        surfaces.merged,
        TO_MONOMIAL,
        surfaces.surface,
        surfaces.factor,
        times,
        first_integral,
        zeta,
        v,
        modes,
        signs,
        v_at,
        Y,
        outputs,
        counts,
        sound,
    )
    tasks, threads = A * outputs.shape[1], torch.get_num_threads()
    if not getattr(sweep_rows, "signatures", True):
        # A call without tasks compiles the engine, or loads it from numba's cache.
        with announced(compiling_message(sweep_rows), after=LOADING):
            sweep_rows(0, 0, *arguments)
    if threads == 1 or tasks * BLOCK < WORTH_A_THREAD * threads:
        sweep_rows(0, tasks, *arguments)
    else:
        cuts = np.linspace(0, tasks, threads + 1).round().astype(int).tolist()
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda a, b: sweep_rows(a, b, *arguments), cuts[:-1], cuts[1:]))
    total, all_sound = outputs.sum(axis=1), np.asarray(sound.all(axis=1))
    return Path(v_at, Y, total, zeta, v, modes, signs, counts.sum(axis=1), all_sound)
