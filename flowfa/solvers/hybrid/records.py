"""What the compiled loop works on: one trajectory's arrays, by name.

The records hold few arrays, because each costs time in every compiled function that sees it; what
has the same shape lies in one array, whose rows have the names below.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

OWN_LOSS = -1
"""A loss that is not compiled: what drives the loop says its derivative."""

TIME, STEP, LAST_STEP, SIZE, WEIGHT = range(5)
"""Rows of `Memory.numbers`."""
TRIALS, REJECTED_LAST, NEWTON = range(3)
"""Rows of `Memory.flags`."""
NODES, BEGIN, AHEAD = 0, 3, 4
"""Rows of `Memory.signals`."""
V, SIGNS, V_NODES, V_AHEAD = 0, 1, 2, 5
"""Rows of `Memory.weights`."""
INWARD, OUTWARD, OF_BIAS = range(3)
"""Rows of `Guess.grown` and `Guess.polynomials`."""
R, L, R_POLY, L_POLY, R_OUT, L_OUT = range(6)
"""Rows of `Guess.drives`."""
LENGTH, ARRIVAL, LAST_CHANGE, ERROR, FACTOR, REACHED_SIZE, REACHED_WEIGHT = range(7)
"""Rows of `Guess.step`."""
ZETA, Y, PUSH, DRIVE, SUSPECTS, VAGUE, BOX = range(7)
"""Rows of `Scratch.lines`."""
G, H, U, A, FULL_U, FULL_A = range(6)
"""Rows of `Scratch.drives`."""
MODES, BEFORE, STATE, JOINS, ZERO, MEMBERS, BOXED, FREE = range(8)
"""Rows of `Scratch.marks`."""
OWN_V, OWN_SIGNS, OWN_MAGNITUDES, FEEDBACK = range(4)
"""Rows of `Scratch.out`; the last is the first of three."""


class Layer(NamedTuple):
    """What does not change along a trajectory: its data, its feedback and its loss.

    Attributes
    ----------
    gram : ndarray, shape (surface, surface)
        K, inner products of the directions.
    directions : ndarray, shape (surface, feature)
        E, with K = E E'; the constant feature of a bias is the last.
    surface, factor : ndarray, shape (sample,)
        Sample k is ``factor[k]`` times the direction of surface ``surface[k]``.
    fixed, magnitudes : ndarray, shape (neuron, output)
        B and M of the feedback's form (C-12).
    targets : ndarray, shape (output, sample)
    shares : ndarray, shape (sample,)
        What the derivative of the loss is multiplied by, minus a sign: 1/n without weights.
    primal : bool
        Whether K u costs less as E (E' u).
    merged : bool
        Whether surfaces are anything but those of the samples, in order.
    signed : bool
        Whether any magnitude is not zero.
    leak : float
    share : float
        a of the feedback's form; not zero where the feedback moves along with v.
    longest : float
        Length of the longest sample.
    unit : float
        What in-weights of the state are divided by, see `one_hidden_layer.network`.
    loss : int
        One of `flow.compiled_losses.LOSSES`, or `OWN_LOSS`.
    bias_at, out_at, out_bias_at : int
        Where the biases, out-weights and output biases begin in the state, which begins with the
        in-weights; -1 where there are none.
    in_decay, out_decay : float
        Speeds at which in-weights and out-weights decay.
    """

    gram: np.ndarray
    directions: np.ndarray
    surface: np.ndarray
    factor: np.ndarray
    fixed: np.ndarray
    magnitudes: np.ndarray
    targets: np.ndarray
    shares: np.ndarray
    primal: bool
    merged: bool
    signed: bool
    leak: float
    share: float
    longest: float
    unit: float
    loss: int
    bias_at: int
    out_at: int
    out_bias_at: int
    in_decay: float
    out_decay: float


class Memory(NamedTuple):
    """Where a trajectory stands between two trials; views of what the solver keeps, changed.

    Attributes
    ----------
    state : ndarray, shape (parameter,)
    zeta, modes : ndarray, shape (neuron, surface)
        Inner products with the directions; 1 and -1 on either side of a surface, 0 where it slides.
    farthest : ndarray, shape (neuron,)
        Largest abs(zeta) of each neuron so far.
    weights : ndarray, shape (8, neuron, output)
        Out-weights `V` and their `SIGNS`; at the three nodes, `V_NODES`, which are used where the
        feedback has a part a v; and the coefficients of the quadratics that continue those of the
        last accepted step, `V_AHEAD`.
    signals : ndarray, shape (7, output, sample)
        Residual signals r that the next sweep is to follow, at the three `NODES`; residuals where
        the step begins, `BEGIN`; and the continuation, `AHEAD`.
    numbers : ndarray, shape (5,)
        `TIME`, next `STEP`, length of the `LAST_STEP`; and the largest `SIZE` and `WEIGHT` so far,
        see `error_units.largest_sizes`.
    flags : ndarray of int64, shape (3,)
        Accepted steps; whether the last trial was rejected; whether Newton steers the iteration.
    """

    state: np.ndarray
    zeta: np.ndarray
    modes: np.ndarray
    farthest: np.ndarray
    weights: np.ndarray
    signals: np.ndarray
    numbers: np.ndarray
    flags: np.ndarray


class Guess(NamedTuple):
    """The signals that a sweep follows, and the step.

    Attributes
    ----------
    step : ndarray, shape (7,)
        Its `LENGTH` and `ARRIVAL`; the change that the last sweep made, in units of the tolerance;
        and what `judging.judge` says: the error, the next step's length by this one's, and the
        largest size and weight.
    grown : ndarray, shape (3, 3, output, sample)
        The signals at the nodes as in-weights, out-weights and output biases follow them; they
        differ where weights decay, see `decay`.
    polynomials : ndarray, shape (3, 3, output, sample)
        Their coefficients.
    drives : ndarray, shape (6, 3, output, surface)
        Signals of the surfaces at the nodes, and what opposite samples add, as in-weights follow
        them; their coefficients; the coefficients of those that out-weights follow.
    """

    step: np.ndarray
    grown: np.ndarray
    polynomials: np.ndarray
    drives: np.ndarray


class Path(NamedTuple):
    """What a sweep finds: the exact paths of all neurons under the guessed signals.

    Attributes
    ----------
    zeta, modes : ndarray, shape (neuron, surface)
        At the end of the step; as in `Memory`.
    v_at : ndarray, shape (time, neuron, output)
        Out-weights at the asked times, the last of which is the end.
    signs : ndarray, shape (neuron, output)
        At the end.
    Y : ndarray, shape (integral, neuron, surface)
        Integrals of the drives u over time, at the last of the asked times.
    outputs : ndarray, shape (block, time, output, sample)
        Of the network without its bias, summed over the neurons of a block.
    counts : ndarray of int64, shape (block, 6)
        Events; and the neurons that did not reach the end.
    """

    zeta: np.ndarray
    modes: np.ndarray
    v_at: np.ndarray
    signs: np.ndarray
    Y: np.ndarray
    outputs: np.ndarray
    counts: np.ndarray


class Space(NamedTuple):
    """Where the loop works on a trial.

    Attributes
    ----------
    guess : Guess
    path : Path
    outputs, residuals : ndarray, shape (4, output, sample)
        Of the network and its loss on the path, at the nodes and the end.
    slope : ndarray, shape (output, output, sample)
        dr_c / df_k of each sample in the middle of the step.
    times : ndarray, shape (4,)
        `signals.STEP_TIMES`.
    progress : ndarray of int64, shape (5,)
        See `loop`.
    """

    guess: Guess
    path: Path
    outputs: np.ndarray
    residuals: np.ndarray
    slope: np.ndarray
    times: np.ndarray
    progress: np.ndarray


class Scratch(NamedTuple):
    """Where one neuron is, and space for its path; P surfaces, C outputs, T times.

    Attributes
    ----------
    lines : ndarray, shape (7, P)
        The neuron's `ZETA`; integrals `Y` of u; `PUSH` = G at this time; `DRIVE`, see
        `modes.select_modes`; `SUSPECTS`, below which zeta may have a zero; velocities that count
        as zero, `VAGUE`; and the `BOX` problem's solution.
    drives : ndarray, shape (6, 3, P)
        Coefficients: the drives' parts `G` and `H`, u = s G + H; `U` and `A` = K u without sliding
        surfaces, `FULL_U` and `FULL_A` with them.
    path : ndarray, shape (4, P)
        See `motion.paths`.
    marks : ndarray of int64, shape (8, P)
        The neuron's `MODES`; those `BEFORE` an event; `STATE` in the box problem; who `JOINS` the
        choice; and lists of surfaces: at `ZERO`, sliding `MEMBERS`, `BOXED`, `FREE`.
    out : ndarray, shape (6, C)
        The neuron's out-weights, their signs, M, and b at the nodes; where b stands still, it is
        the first.
    Q : ndarray, shape (C + 2, 7)
        Coefficients of the out-weights' paths; and room for two polynomials.
    matrix, right : ndarray, shape (P, P) and (P, 3)
    moved : ndarray, shape (3, feature)
        Space for E' u.
    zeta_out, v_out, Y_out : ndarray, shape (T, P), (T, C), (integral, P)
        What is found at the asked times.
    counts : ndarray of int64, shape (6,)
    """

    lines: np.ndarray
    drives: np.ndarray
    path: np.ndarray
    marks: np.ndarray
    out: np.ndarray
    Q: np.ndarray
    matrix: np.ndarray
    right: np.ndarray
    moved: np.ndarray
    zeta_out: np.ndarray
    v_out: np.ndarray
    Y_out: np.ndarray
    counts: np.ndarray
