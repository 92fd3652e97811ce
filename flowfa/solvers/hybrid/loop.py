"""One trajectory from trial to trial: sweeps, judgement, steps and saves, compiled."""

from __future__ import annotations

import math

import numpy as np

from flowfa.machine.compiled import compiled
from flowfa.solvers.hybrid.arrival import arrive, write_state
from flowfa.solvers.hybrid.control import begin_next_trial
from flowfa.solvers.hybrid.decay import shrink
from flowfa.solvers.hybrid.judging import ACCEPTED, GOES_ON, judge
from flowfa.solvers.hybrid.neuron import UNFINISHED
from flowfa.solvers.hybrid.newton import correct, tangent_kernel
from flowfa.solvers.hybrid.records import (
    ARRIVAL,
    ERROR,
    LAST_CHANGE,
    LENGTH,
    NEWTON,
    OWN_LOSS,
    REACHED_SIZE,
    REACHED_WEIGHT,
    SIZE,
    STEP,
    TIME,
    V_NODES,
    WEIGHT,
    Guess,
    Layer,
    Memory,
    Space,
)
from flowfa.solvers.hybrid.residuals import write_outputs, write_residuals, write_slopes
from flowfa.solvers.hybrid.signals import write_guess
from flowfa.solvers.hybrid.sweep import new_path, sweep
from flowfa.solvers.stepping.continuing import GROWTH as NEAR
from flowfa.solvers.stepping.integration import EVENT_COUNTERS

ROOM = 2**18
"""Numbers of the largest array of a sweep that looks at save times."""

NEXT_TRIAL, TO_SWEEP, SWEPT, TO_JUDGE, TO_SAVE = range(5)
"""Where a trajectory stands: before a trial, before and after parts of its sweeps, before saves."""
ARRIVED, UNDERFLOW, STORM, OUT_OF_TRIALS, NO_ROOM = range(5, 10)
"""How a call ends, unless it is to go on where it stands."""
SWEEPS, DONE, WRITTEN, NEXT_SAVE, UNSOUND = range(5)
"""Rows of the progress: sweeps of this trial; accepted steps and saved states of this call; the
next save time; whether the last sweep ended in a storm of events."""
COUNTERS = ("steps", "rejected", "evaluations", *EVENT_COUNTERS)
STEPS, REJECTED, EVALUATIONS, FIRST_EVENT = range(4)
"""Rows of the counters; those of the events come last."""


@compiled(allocates=True, from_python=True)
def integrate(
    layer: Layer,
    memory: Memory,
    space: Space,
    tolerance: float,
    end: float,
    most_steps: int,
    most_trials: int,
    save_times: np.ndarray,
    saved: np.ndarray,
    counters: np.ndarray,
    errors: np.ndarray,
    stage: int,
    sweeps_elsewhere: bool,
) -> int:
    """Move one trajectory on by some steps.

    Parameters
    ----------
    layer : Layer
    memory : Memory
        Changed, with each accepted step.
    space : Space
    tolerance : float
    end : float
        The end time.
    most_steps, most_trials : int
        Accepted steps, and trials, after which the call returns; near the end it returns after
        each step.
    save_times : ndarray, shape (save,)
        Increasing.
    saved : ndarray, shape (room, parameter)
        Receives the states at the save times passed, from row 0 on.
    counters : ndarray of int64, shape (8,)
        Added to.
    errors : ndarray, shape (1,)
        The sum of error estimates; added to.
    stage : int
        Where the trajectory stands.
    sweeps_elsewhere : bool
        Whether the call returns where a sweep is to be made.

    Returns
    -------
    int
        `NEXT_TRIAL` where steps or times make it return; `TO_SWEEP` where sweeps are made
        elsewhere; `SWEPT` where the loss is, whose residuals and slopes are to be written into the
        space; one of `ARRIVED`, ..., `NO_ROOM` else.
    """
    guess, path, progress = space.guess, space.path, space.progress
    neurons, P, blocks = memory.zeta.shape[0], memory.zeta.shape[1], len(path.counts)
    at_once = max(1, ROOM // (neurons * P))
    while True:
        if stage == NEXT_TRIAL:
            time, step = memory.numbers[TIME], memory.numbers[STEP]
            if time >= end:
                return ARRIVED
            if step <= 16.0 * np.finfo(np.float64).eps * max(time, 1e-290):
                return STORM if progress[UNSOUND] else UNDERFLOW
            if counters[STEPS] + counters[REJECTED] >= most_trials:
                return OUT_OF_TRIALS
            near = progress[DONE] > 0 and time + NEAR * step >= end
            if near or progress[DONE] >= most_steps:
                return NEXT_TRIAL
            write_guess(layer, memory, end, guess)
            passed = _passed(save_times, progress[NEXT_SAVE], guess.step[ARRIVAL], True)
            if progress[WRITTEN] + passed > len(saved):
                return NO_ROOM
            progress[SWEEPS] = 0
            guess.step[LAST_CHANGE] = math.inf
            stage = TO_SWEEP
            if sweeps_elsewhere:
                return TO_SWEEP
        if stage in (TO_SWEEP, TO_SAVE):
            # One call for both, because it is the largest part of what is compiled.
            times, first, found = space.times, len(space.times) - 1, path
            passed, count = 0, 0
            if stage == TO_SAVE:
                passed = _passed(save_times, progress[NEXT_SAVE], guess.step[ARRIVAL], False)
                count, first = min(at_once, passed), 0
                times = _within(save_times, progress[NEXT_SAVE], count, memory.numbers[TIME], guess)
                outputs = memory.weights.shape[2]
                found = new_path(neurons, P, outputs, len(layer.surface), count + 1, count + 1)
            sweep(layer, memory, guess, times, first, 0, blocks, found)
            if stage == TO_SAVE:
                shrink(layer, guess, times, first, found)
                for i in range(count):
                    row = saved[progress[WRITTEN] + i]
                    write_state(
                        layer, memory.state, found.Y[i], found.v_at[i], guess, times[i], row
                    )
                progress[WRITTEN] += count
                progress[NEXT_SAVE] += count
                if count < passed:
                    continue
            else:
                stage = SWEPT
        if stage == SWEPT:
            shrink(layer, guess, space.times, len(space.times) - 1, path)
            write_outputs(layer, memory, space)
            stage = TO_JUDGE
            if layer.loss == OWN_LOSS:
                return SWEPT
            write_residuals(layer, space.outputs, space.residuals)
        if stage == TO_JUDGE:
            progress[SWEEPS] += 1
            counters[EVALUATIONS] += 1
            progress[UNSOUND] = 0
            for block in range(blocks):
                progress[UNSOUND] += path.counts[block, UNFINISHED]
            verdict = judge(
                layer, memory, space, tolerance, progress[SWEEPS], progress[UNSOUND] == 0
            )
            if verdict == GOES_ON:
                _follow(layer, memory, space)
                write_guess(layer, memory, end, guess)
                stage = TO_SWEEP
                if sweeps_elsewhere:
                    return TO_SWEEP
                continue
            if verdict != ACCEPTED:
                counters[REJECTED] += 1
                begin_next_trial(memory, space, False, end)
                stage = NEXT_TRIAL
                continue
            stage = TO_SAVE
            if _passed(save_times, progress[NEXT_SAVE], guess.step[ARRIVAL], False) > 0:
                continue
        # The step is accepted, and the states within it are saved.
        arrive(layer, memory, guess, path)
        memory.numbers[SIZE] = guess.step[REACHED_SIZE]
        memory.numbers[WEIGHT] = guess.step[REACHED_WEIGHT]
        following = progress[NEXT_SAVE]
        if following < len(save_times) and save_times[following] == memory.numbers[TIME]:
            for i in range(len(memory.state)):
                saved[progress[WRITTEN], i] = memory.state[i]
            progress[NEXT_SAVE] += 1
            progress[WRITTEN] += 1
        progress[DONE] += 1
        counters[STEPS] += 1
        errors[0] += guess.step[ERROR] * tolerance
        for block in range(blocks):
            for event in range(UNFINISHED):
                counters[FIRST_EVENT + event] += path.counts[block, event]
        begin_next_trial(memory, space, True, end)
        stage = NEXT_TRIAL


@compiled(allocates=True)
def _follow(layer: Layer, memory: Memory, space: Space) -> None:
    """Let the next sweep follow what the last one found, steered by Newton where that pays."""
    signals, residuals = memory.signals, space.residuals
    for i in range(3):
        for c in range(residuals.shape[1]):
            for k in range(residuals.shape[2]):
                # Until the correction is added, what it is made of.
                defect = residuals[i, c, k] - signals[i, c, k]
                residuals[i, c, k] = defect if memory.flags[NEWTON] else residuals[i, c, k]
    if memory.flags[NEWTON]:
        if layer.loss != OWN_LOSS:
            write_slopes(layer, space.outputs[1], space.slope)
        kernel = tangent_kernel(layer, memory)
        correct(kernel, space.slope, space.guess.step[LENGTH], residuals[:3])
    for i in range(3):
        for c in range(residuals.shape[1]):
            for k in range(residuals.shape[2]):
                before = signals[i, c, k] if memory.flags[NEWTON] else 0.0
                signals[i, c, k] = before + residuals[i, c, k]
        for j in range(memory.weights.shape[1]):
            for c in range(memory.weights.shape[2]):
                memory.weights[V_NODES + i, j, c] = space.path.v_at[i, j, c]


@compiled
def _passed(save_times: np.ndarray, following: int, arrival: float, with_end: bool) -> int:
    """Return how many save times, from the next one on, lie before the arrival or also at it."""
    count = 0
    while following + count < len(save_times):
        time = save_times[following + count]
        if time > arrival or (time == arrival and not with_end):
            break
        count += 1
    return count


@compiled(allocates=True)
def _within(
    save_times: np.ndarray, following: int, count: int, begin: float, guess: Guess
) -> np.ndarray:
    """Return the next save times as parts of the step, and its end."""
    times = np.ones(count + 1)
    for i in range(count):
        tau = (save_times[following + i] - begin) / guess.step[LENGTH]
        times[i] = min(max(tau, 0.0), 1.0)
    return times
