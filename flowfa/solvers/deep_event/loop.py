"""One trajectory from event to event: Dormand and Prince's steps under locked modes, compiled."""

from __future__ import annotations

import numpy as np

from flowfa.flow.locked_modes.network import Network
from flowfa.flow.locked_modes.passes import Space, forward, set_feedback
from flowfa.flow.locked_modes.selection import largest_of_layers, settle, write_noise
from flowfa.flow.locked_modes.sliding import copy_into, evaluate, sliding_pairs
from flowfa.machine.compiled import compiled
from flowfa.solvers.deep_event.crossings import NOTHING, first_crossing, sign_position
from flowfa.solvers.deep_event.locate import (
    AT_ZERO,
    dense_state,
    exit_excess,
    layer_of,
    locate_exit,
)
from flowfa.solvers.deep_event.scales import scaled_error, update_sizes
from flowfa.solvers.deep_event.surfaces import put_on_surfaces
from flowfa.solvers.runge_kutta.dopri5 import DOPRI5
from flowfa.solvers.stepping.continuing import GROWTH as NEAR

MATRIX, WEIGHTS, ERROR = DOPRI5.matrix, DOPRI5.weights, DOPRI5.error[0]
LOCAL = 0.02
"""Share of the tolerance that the error of one step may take."""
GROWTH, SHRINK, SAFETY = 5.0, 0.2, 0.9
TOGETHER = 1e-13
"""Pairs whose preactivations are below this share of their layer's largest meet zero together."""
STORM = 2000
"""Events in a row without progress that end a trajectory."""

GOING_ON, ARRIVED, UNDERFLOW, OVERFLOW, NO_CHOICE, TOO_MANY_EVENTS, NO_ROOM = range(7)
"""How a call ends."""
STEPS, REJECTED, EVALUATIONS, CROSSINGS, SLIDINGS, EXITS, FLIPS, REPELLING = range(8)
"""Indices of the counters."""
TIME, STEP, ERROR_SUM, NEXT_SAVE = range(4)
"""Indices of the numbers that a call changes."""


@compiled(allocates=True, from_python=True)
def integrate(
    net: Network,
    space: Space,
    tolerance: float,
    end: float,
    most_steps: int,
    save_times: np.ndarray,
    state: np.ndarray,
    modes: np.ndarray,
    signs: np.ndarray,
    sizes: np.ndarray,
    numbers: np.ndarray,
    counters: np.ndarray,
    saved: np.ndarray,
) -> tuple[int, int]:
    """Move one trajectory on by some steps.

    Parameters
    ----------
    net : Network
    space : Space
    tolerance : float
        Of the error, relative to the largest weight of each matrix.
    end : float
        The end time.
    most_steps : int
        Accepted steps after which the call returns; near the end it returns after each.
    save_times : ndarray, shape (save,)
        Increasing.
    state, modes, signs : ndarray
        (parameter,), (pair,), as ``Network.signs_at`` says; changed in place.
    sizes : ndarray, shape (L + 2, 2)
        Largest weight and bias of each layer so far; changed.
    numbers : ndarray, shape (4,)
        Time, next step, sum of error estimates, next save time; changed.
    counters : ndarray of int64, shape (8,)
        Added to.
    saved : ndarray, shape (room, parameter)
        Receives the states at save times passed, from row 0 on.

    Returns
    -------
    tuple of int
        How it ended, and the number of rows of `saved` that were written.
    """
    n = len(state)
    stages, room, after = np.zeros((7, n)), np.empty(n), np.empty(n)
    errors, scratch = np.empty(n), np.empty(n)
    at_zero, old = np.zeros(len(modes), np.bool_), np.empty(len(modes), np.int8)
    z0, v0, slow = np.empty(len(modes)), np.empty(len(modes)), np.empty(len(modes))
    p0, stuck = np.empty(len(modes)), np.zeros(len(modes), np.int64)
    written, done, still = 0, 0, 0
    set_feedback(net, signs, space.feedback)
    members = sliding_pairs(net, modes)
    factors, order = np.empty((len(members), len(members))), np.empty(len(members), np.int64)
    # Not counted, because the count would tell where calls end.
    if not evaluate(net, space, state, modes, members, stages[0], True, factors, order, True):
        return NO_CHOICE, written
    while done < most_steps:
        t = numbers[TIME]
        if t >= end:
            return ARRIVED, written
        if done > 0 and t + NEAR * numbers[STEP] >= end:
            return GOING_ON, written
        arrives = numbers[STEP] >= end - t
        h = end - t if arrives else numbers[STEP]
        if h <= 16.0 * np.finfo(np.float64).eps * max(t, 1e-290) and not arrives:
            return UNDERFLOW, written
        upto = np.searchsorted(save_times, t + h, side="right")
        if written + upto - int(numbers[NEXT_SAVE]) > len(saved):
            return NO_ROOM, written
        copy_into(space.z, z0)
        copy_into(space.velocity, v0)
        copy_into(space.push, p0)
        write_noise(net, space, slow)
        for s in range(1, 7):
            for i in range(n):
                after[i] = state[i]
            for r in range(s):
                factor = h * (MATRIX[s, r] if s < 6 else WEIGHTS[r])
                if factor != 0.0:
                    row = stages[r]
                    for i in range(n):
                        after[i] += factor * row[i]
            if not evaluate(
                net, space, after, modes, members, stages[s], s == 6, factors, order, False
            ):
                return NO_CHOICE, written
        counters[EVALUATIONS] += 6
        for i in range(n):
            total = 0.0
            for s in range(7):
                total += ERROR[s] * stages[s, i]
            errors[i] = h * total
        error = scaled_error(net, errors, sizes, state, after) / (LOCAL * tolerance)
        if not error <= 1.0:
            counters[REJECTED] += 1
            shrunk = SAFETY * error**-0.2 if error < np.inf else 0.0
            numbers[STEP] = h * max(SHRINK, shrunk)
            if numbers[STEP] <= 16.0 * np.finfo(np.float64).eps * max(t, 1e-290):
                return (UNDERFLOW if error < np.inf else OVERFLOW), written
            # The passes' arrays are those of the step's start again.
            evaluate(net, space, state, modes, members, scratch, True, factors, order, False)
            counters[EVALUATIONS] += 1
            continue
        heights = largest_of_layers(net, z0)
        theta, met, index = first_crossing(
            net, space, state, after, stages, h, modes, signs, z0, v0, slow, stuck, heights, room
        )
        leaves = -1
        if len(members) > 0:
            if theta < 1.0:
                dense_state(state, stages, h, theta, room)
                evaluate(net, space, room, modes, members, scratch, False, factors, order, False)
                counters[EVALUATIONS] += 1
            most, _ = exit_excess(net, space, members, p0)
            if most > 0.0:
                theta, leaves, looks = locate_exit(
                    net,
                    space,
                    state,
                    stages,
                    h,
                    modes,
                    members,
                    theta,
                    room,
                    scratch,
                    factors,
                    order,
                    min(1e-3, max(1e-7, 0.1 * np.sqrt(tolerance))),
                    p0,
                )
                counters[EVALUATIONS] += looks
                met = NOTHING
        # The trajectory moves on.
        event = met != NOTHING or leaves >= 0
        moved = t + theta * h if event or not arrives else end
        while int(numbers[NEXT_SAVE]) < len(save_times):
            time = save_times[int(numbers[NEXT_SAVE])]
            if time > moved:
                break
            if time == moved and not event and len(members) == 0:
                copy_into(after, saved[written])
            else:
                dense_state(state, stages, h, min(theta, (time - t) / h), saved[written])
                # Else the state would not tell that they slide.
                put_on_surfaces(net, space, saved[written], modes, members)
            written += 1
            numbers[NEXT_SAVE] += 1.0
        if event:
            dense_state(state, stages, h, theta, room)
            copy_into(room, state)
        else:
            copy_into(after, state)
        numbers[TIME] = moved
        numbers[ERROR_SUM] += error * LOCAL * tolerance
        counters[STEPS] += 1
        done += 1
        grown = GROWTH if error <= 0.0 else min(GROWTH, SAFETY * error**-0.2)
        numbers[STEP] = h * max(SHRINK, grown)
        if arrives:
            numbers[STEP] = max(numbers[STEP], h)
        progressed = theta * h > 1e-14 * max(t, 1e-290)
        if progressed:
            for i in range(len(stuck)):
                stuck[i] = 0
            still = 0
        else:
            still += 1
            if still > STORM:
                return TOO_MANY_EVENTS, written
        strayed = False
        if event and leaves < 0 and met >= 0:
            layer = layer_of(net, met)
            strayed = theta == 0.0 and modes[met] * z0[met] < -AT_ZERO * heights[layer]
        if event and leaves < 0 and met >= 0 and not strayed:
            # What has just met its surface is put there too, or the others would push it off.
            mode, modes[met] = modes[met], 0
            put_on_surfaces(net, space, state, modes, sliding_pairs(net, modes))
            modes[met] = mode
        elif len(members) > 0:
            put_on_surfaces(net, space, state, modes, members)
        update_sizes(net, state, sizes)
        if not event and len(members) == 0:
            copy_into(stages[6], stages[0])
            continue
        if not event:
            counters[EVALUATIONS] += 1
            if not evaluate(
                net, space, state, modes, members, stages[0], True, factors, order, True
            ):
                return NO_CHOICE, written
            continue
        for i in range(len(modes)):
            old[i], at_zero[i] = modes[i], False
        if leaves >= 0:
            pair = members[leaves, 3]
            layer = members[leaves, 0]
            # The pass at this time tells the end that the slope has reached.
            g, u = space.push[pair], space.drive[pair]
            u -= space.offset[pair] if layer == 1 else 0.0
            if g < 0.0:
                g, u = -g, -u
            modes[pair] = 1 if 2.0 * u > (1.0 + net.leak) * g else -1
            if space.push[pair] * p0[pair] <= 0.0:
                # It repels from here on, and both sides are solutions: slope alpha is the choice.
                modes[pair] = -1
                counters[REPELLING] += 1
            at_zero[pair] = True
            stuck[pair] += 1
        elif met < 0:
            layer = -met
            position = sign_position(net, layer, index)
            signs[position] = -signs[position]
            state[net.weights_at[layer] + index] = 0.0
            set_feedback(net, signs, space.feedback)
            counters[FLIPS] += 1
            # A flip can turn surfaces, as the change of a signal's sign does.
            counters[EVALUATIONS] += 1
            if not evaluate(
                net, space, state, modes, members, scratch, False, factors, order, True
            ):
                return NO_CHOICE, written
            for a in range(len(members)):
                i = members[a, 3]
                if space.push[i] * p0[i] < 0.0:
                    modes[i] = -1
                    at_zero[i] = True
                    counters[REPELLING] += 1
        else:
            stuck[met] += 1
            # Most pairs cross; if its velocity pushes it back, the choice finds out.
            modes[met] = -modes[met]
            at_zero[met] = not strayed
        # Others may be at zero at the same time: copies of a neuron, and all pairs of a ray in
        # the layer above one that it no longer passes.
        forward(net, space, state, modes)
        for layer in range(1, len(net.sizes) - 1):
            for i in range(net.pair_at[layer], net.pair_at[layer + 1]):
                if modes[i] != 0 and abs(space.z[i]) <= TOGETHER * heights[layer]:
                    at_zero[i] = True
        evaluations, members, factors, order = settle(
            net, space, state, modes, at_zero, stages[0], False
        )
        if evaluations < 0:
            copy_into(old, modes)
            return NO_CHOICE, written
        counters[EVALUATIONS] += evaluations
        for i in range(len(modes)):
            counters[CROSSINGS] += old[i] * modes[i] < 0
            counters[SLIDINGS] += old[i] != 0 and modes[i] == 0
            counters[EXITS] += old[i] == 0 and modes[i] != 0
    return (ARRIVED if numbers[TIME] >= end else GOING_ON), written
