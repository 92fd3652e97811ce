"""One sweep: every neuron of a trajectory through its step under guessed signals."""

from __future__ import annotations

import numpy as np

from flowfa.machine.compiled import compiled, inlined
from flowfa.solvers.hybrid.drives import drives, steady_drives
from flowfa.solvers.hybrid.lanes import lanes_for
from flowfa.solvers.hybrid.neuron import UNFINISHED, integrate_neuron
from flowfa.solvers.hybrid.records import (
    FEEDBACK,
    MODES,
    OWN_MAGNITUDES,
    OWN_SIGNS,
    OWN_V,
    SIGNS,
    V_NODES,
    ZETA,
    G,
    Guess,
    H,
    Layer,
    Memory,
    Path,
    Scratch,
    V,
)
from flowfa.solvers.hybrid.without_events import pass_without_events

BLOCK = 32
"""Most neurons whose outputs are added up together, in a fixed order whatever the threads."""
MOST_SURFACES = 25
"""Surfaces up to which enough neurons meet no event in a step: a pass side by side made 10 samples
2.2 times as fast and 20 samples 1.3 times, and 40 samples slower by a third."""
VANISHING = 1e-13
"""A neuron all of whose |zeta| are below this share of its largest so far has w = 0."""


@inlined
def sweep(
    layer: Layer,
    memory: Memory,
    guess: Guess,
    times: np.ndarray,
    first_integral: int,
    first: int,
    last: int,
    path: Path,
) -> None:
    """Move the neurons of some blocks through their step.

    Parameters
    ----------
    layer : Layer
    memory : Memory
        Where the neurons stand at the start of the step.
    guess : Guess
    times : ndarray, shape (time,)
        Times within the step at which values are wanted, in (0, 1], the last 1.
    first_integral : int
        Index of the first of them at which `Path.Y` is wanted.
    first, last : int
        The blocks from `first` to before `last` are done.
    path : Path
        Written to.
    """
    neurons, P, C = memory.zeta.shape[0], memory.zeta.shape[1], memory.weights.shape[2]
    T, share = len(times), layer.share
    scratch = _scratch(P, C, T, first_integral, layer)
    zeta, modes, out = scratch.lines[ZETA], scratch.marks[MODES], scratch.out
    feedback, push, rest = out[FEEDBACK:], scratch.drives[G], scratch.drives[H]
    signals, polynomials = guess.drives[:2], guess.drives[2:]
    rest[:] = 0.0
    features = layer.directions.shape[1]
    lanes = lanes_for(P, C, block_size(neurons), T, features)
    for block in range(first, last):
        total = path.outputs[block]
        total[:] = 0.0
        scratch.counts[:] = 0
        begin, end = block * block_size(neurons), min((block + 1) * block_size(neurons), neurons)
        if end - begin < len(lanes.low):
            lanes = lanes_for(P, C, end - begin, T, features)
        if P <= MOST_SURFACES:
            pass_without_events(
                layer, memory, guess, begin, times, first_integral, lanes, scratch, total, path
            )
        else:
            lanes.low[:] = -1.0
        for j in range(begin, end):
            if lanes.low[j - begin] > 0.0:
                for c in range(C):
                    path.signs[j, c] = memory.weights[SIGNS, j, c]
                continue
            for p in range(P):
                zeta[p], modes[p] = memory.zeta[j, p], memory.modes[j, p]
            for c in range(C):
                out[OWN_V, c] = memory.weights[V, j, c]
                out[OWN_SIGNS, c] = memory.weights[SIGNS, j, c]
                out[OWN_MAGNITUDES, c] = layer.magnitudes[j, c]
                steady = layer.fixed[j, c] + out[OWN_MAGNITUDES, c] * out[OWN_SIGNS, c]
                feedback[0, c] = steady
                if share != 0.0:
                    for node in range(3):
                        moved = share * memory.weights[V_NODES + node, j, c]
                        feedback[node, c] = moved + steady
            if share != 0.0:
                drives(feedback, signals[0], signals[1], push, rest)
            else:
                steady_drives(feedback[0], polynomials[0], polynomials[1], layer.merged, push, rest)
            vanishing = VANISHING * memory.farthest[j]
            if not integrate_neuron(layer, guess, vanishing, times, first_integral, scratch):
                scratch.counts[UNFINISHED] += 1
            if layer.merged:
                _add_merged_outputs(layer, scratch, total)
            else:
                _add_outputs(layer, scratch, total)
            for p in range(P):
                path.zeta[j, p], path.modes[j, p] = zeta[p], modes[p]
                for t in range(T - first_integral):
                    path.Y[t, j, p] = scratch.Y_out[t, p]
            for c in range(C):
                path.signs[j, c] = out[OWN_SIGNS, c]
                for t in range(T):
                    path.v_at[t, j, c] = scratch.v_out[t, c]
        for event in range(len(scratch.counts)):
            path.counts[block, event] = scratch.counts[event]


@compiled
def block_size(neurons: int) -> int:
    """Return how many neurons a block has; the last may have fewer."""
    blocks = (neurons + BLOCK - 1) // BLOCK
    # Processors take them by fours.
    return 4 * ((neurons + 4 * blocks - 1) // (4 * blocks))


@compiled(allocates=True, from_python=True)
def new_path(neurons: int, P: int, C: int, samples: int, times: int, integrals: int) -> Path:
    """Return room for what a sweep finds at some times, and the integrals at the last of them."""
    blocks = -(-neurons // block_size(neurons))
    return Path(
        np.empty((neurons, P)),
        np.empty((neurons, P), np.int8),
        np.empty((times, neurons, C)),
        np.empty((neurons, C)),
        np.empty((integrals, neurons, P)),
        np.empty((blocks, times, C, samples)),
        np.zeros((blocks, 6), np.int64),
    )


@compiled(allocates=True)
def _scratch(P: int, C: int, T: int, first_integral: int, layer: Layer) -> Scratch:
    """Return the space of one neuron; see `Scratch`."""
    return Scratch(
        np.empty((7, P)),
        np.empty((6, 3, P)),
        np.empty((4, P)),
        np.empty((8, P), np.int64),
        np.empty((6, C)),
        np.empty((C + 2, 7)),
        np.empty((P, P)),
        np.empty((P, 3)),
        np.empty((3, layer.directions.shape[1])),
        np.empty((T, P)),
        np.empty((T, C)),
        np.empty((T - first_integral, P)),
        np.zeros(6, np.int64),
    )


@compiled
def _add_outputs(layer: Layer, scratch: Scratch, outputs: np.ndarray) -> None:
    """Add v sigma(c zeta) of one neuron to outputs (time, output, sample); c is positive."""
    zeta, v, factor, alpha = scratch.zeta_out, scratch.v_out, layer.factor, layer.leak
    for t in range(v.shape[0]):
        for c in range(v.shape[1]):
            weight = v[t, c]
            for k in range(zeta.shape[1]):
                z = factor[k] * zeta[t, k]
                outputs[t, c, k] += weight * max(z, alpha * z)


@compiled
def _add_merged_outputs(layer: Layer, scratch: Scratch, outputs: np.ndarray) -> None:
    """Add what `_add_outputs` adds, where sample k is factor_k times the direction surface_k."""
    zeta, v, factor, alpha = scratch.zeta_out, scratch.v_out, layer.factor, layer.leak
    for t in range(v.shape[0]):
        for k in range(len(layer.surface)):
            z = factor[k] * zeta[t, layer.surface[k]]
            hidden = max(z, alpha * z)
            for c in range(v.shape[1]):
                outputs[t, c, k] += v[t, c] * hidden
