"""A block of neurons through one step side by side, where no event stops them.

Most neurons pass most steps without an event. What they need is the same for all of them, and
processors do it for several at once: arrays have a lane for each neuron of the block as their last
axis. Whoever may meet an event is left to `neuron.integrate_neuron`.
"""

from __future__ import annotations

import numpy as np

from flowfa.machine.compiled import compiled
from flowfa.solvers.hybrid.drives import slide
from flowfa.solvers.hybrid.events import any_exit, first_flip
from flowfa.solvers.hybrid.lane_drives import apply_gram, write_drives
from flowfa.solvers.hybrid.lane_paths import (
    add_outputs,
    find_suspects,
    look,
    write_out_weights,
    write_paths,
)
from flowfa.solvers.hybrid.lanes import Lanes
from flowfa.solvers.hybrid.records import (
    FULL_A,
    FULL_U,
    LENGTH,
    MODES,
    OWN_MAGNITUDES,
    OWN_SIGNS,
    OWN_V,
    SIGNS,
    A,
    G,
    Guess,
    H,
    Layer,
    Memory,
    Path,
    Scratch,
    U,
    V,
)


@compiled(allocates=True)
def pass_without_events(
    layer: Layer,
    memory: Memory,
    guess: Guess,
    begin: int,
    times: np.ndarray,
    first_integral: int,
    lanes: Lanes,
    scratch: Scratch,
    total: np.ndarray,
    path: Path,
) -> None:
    """Move the neurons of a block that meet no event; `Lanes.low` tells who is left.

    Parameters
    ----------
    layer, memory, guess : Layer, Memory, Guess
    begin : int
        The block's first neuron; as many follow as there are lanes.
    times, first_integral : ndarray, int
        See `sweep.sweep`.
    lanes : Lanes
    scratch : Scratch
        Space for one neuron.
    total : ndarray, shape (time, output, sample)
        The outputs of the neurons that are moved are added.
    path : Path
        Written to.
    """
    P, B = lanes.zeta.shape
    for p in range(P):
        for i in range(B):
            lanes.zeta[p, i] = memory.zeta[begin + i, p]
            mode = memory.modes[begin + i, p]
            lanes.side[p, i] = mode
            lanes.slope[p, i] = 1.0 if mode > 0 else (layer.leak if mode < 0 else 0.0)
    write_drives(layer, memory, guess, begin, lanes)
    apply_gram(layer, lanes)
    for i in range(B):
        lanes.low[i] = 1.0
        for p in range(P):
            if lanes.side[p, i] == 0.0:
                # It slides: one neuron by itself.
                _slide(layer, i, lanes, scratch)
                break
    write_paths(layer, guess.step[LENGTH], lanes)
    if layer.leak < 1.0:
        find_suspects(lanes)
    write_out_weights(layer, memory, guess, begin, lanes)
    if layer.signed:
        for i in range(B):
            for c in range(lanes.Q.shape[0]):
                scratch.out[OWN_V, c] = memory.weights[V, begin + i, c]
                scratch.out[OWN_SIGNS, c] = memory.weights[SIGNS, begin + i, c]
                scratch.out[OWN_MAGNITUDES, c] = layer.magnitudes[begin + i, c]
                for q in range(7):
                    scratch.Q[c, q] = lanes.Q[c, q, i]
            if first_flip(1.0, scratch)[1] >= 0:
                lanes.low[i] = -1.0
    look(guess.step[LENGTH], begin, times, first_integral, memory, lanes, path)
    add_outputs(layer, times, lanes, total)


@compiled
def _slide(layer: Layer, i: int, lanes: Lanes, scratch: Scratch) -> None:
    """Add the drives of a neuron's sliding surfaces; mark it if one of them leaves."""
    P, sliding, member = len(lanes.zeta), 0, 0
    modes, u = scratch.marks[MODES], scratch.drives[FULL_U]
    for p in range(P):
        modes[p] = int(lanes.side[p, i])
        if modes[p] == 0:
            sliding, member = sliding + 1, p
            for q in range(3):
                scratch.drives[G, q, p] = lanes.push[q, p, i]
                scratch.drives[H, q, p] = lanes.rest[q, p, i]
    dependent = False
    if sliding == 1:
        for q in range(3):
            x = -lanes.path[q, member, i] / layer.gram[member, member]
            u[q, member] = x
            for p in range(P):
                lanes.path[q, p, i] += layer.gram[member, p] * x
    else:
        for q in range(3):
            for p in range(P):
                scratch.drives[U, q, p] = lanes.u[q, p, i]
                scratch.drives[A, q, p] = lanes.path[q, p, i]
        dependent = slide(layer.gram, scratch)
        for q in range(3):
            for p in range(P):
                lanes.path[q, p, i] = scratch.drives[FULL_A, q, p]
    for p in range(P):
        if modes[p] == 0:
            for q in range(3):
                lanes.u[q, p, i] = u[q, p]
    if any_exit(layer.leak, u, dependent, scratch):
        lanes.low[i] = -1.0
