"""Recognising chattering: an explicit solver that cannot follow a flow along a kink.

Where the velocities on both sides of z = 0 point at the surface, the solution slides along it.
An explicit step overshoots, the error test rejects it, and the step collapses; the trajectory then
hops over the surface, or hovers just beside it, by steps of nearly zero length. The signs are many
trials, little progress, and one preactivation that most trials would carry through zero. A
trajectory is watched only once its trials look suspicious, because a watch costs forward passes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from flowfa.flow.base import Field
from flowfa.solvers.runge_kutta.step import Step
from flowfa.solvers.stepping.integration import Integration

WINDOW = 50
"""Trials between two looks at how many were rejected."""
SUSPICIOUS = 12
"""Rejected trials in a window that start a watch."""
PATIENCE = 10
"""Windows after which a trajectory is watched even if few trials were rejected."""
WATCH = 150
"""Trials that a watch lasts."""
HITS = 60
"""Trials in a watch headed through the same surface that make it chattering."""
PROGRESS = 0.02
"""A watch that covers at least this share of the whole time is no chattering."""
STRIKES = 8
"""Watches in a row that see sliding before a trajectory is given up: short episodes of sliding
are common, and are worth their small steps."""


def start_watching(run: Integration) -> None:
    """Add the counters of this module to the solver's memory."""
    size, device = len(run.working), run.working.device
    for name in ("trials", "window_rejected", "quiet_windows", "watched", "strikes"):
        run.memory[name] = torch.zeros(size, dtype=torch.int64, device=device)
    run.memory["watch_time"] = run.memory["time"].clone()
    run.memory["excused"] = torch.zeros(size, dtype=torch.bool, device=device)


def find_chattering(field: Field, run: Integration, step: Step, accepted: Tensor) -> dict[int, str]:
    """Update the counters after a round of trials; return who chatters, and on what.

    Parameters
    ----------
    field : Field
        Of the working set.
    run : Integration
        Its memory has the state and time after the trials.
    step : Step
        The trials.
    accepted : Tensor
        Which trials were accepted, (trajectory,).

    Returns
    -------
    dict
        For a position in the working set, the surface and how often it was hit.
    """
    memory = run.memory
    memory["trials"] += 1
    memory["window_rejected"] += ~accepted
    watching = memory["watched"] > 0
    chattering: dict[int, str] = {}
    if "watch_hits" in memory:
        before = field.switching(step.before)
        headed = field.switching(step.before + step.size[:, None] * step.slopes[0])
        assert before is not None and headed is not None
        memory["watch_hits"] += ((before > 0) != (headed > 0)) & watching[:, None]
        memory["watched"] -= watching.to(torch.int64)
        finished = watching & (memory["watched"] == 0)
        chattering = _judge(field, run, finished) if finished.any() else {}
    _open_watches(field, run)
    return chattering


def _judge(field: Field, run: Integration, finished: Tensor) -> dict[int, str]:
    """Return which of the finished watches saw chattering, and what they saw."""
    memory = run.memory
    most, surface = memory["watch_hits"].max(1)
    progress = memory["time"] - memory["watch_time"]
    hit = finished & (most >= HITS)
    suspects = hit & (progress < PROGRESS * run.end)
    # What a longer run, of which the progress is a smaller share, might have judged otherwise.
    memory["excused"] |= hit & ~suspects
    sliding = suspects & attracts(field, run, surface)
    strikes = torch.where(sliding, memory["strikes"] + 1, 0)
    memory["strikes"] = torch.where(finished, strikes, memory["strikes"])
    chattering = sliding & (memory["strikes"] >= STRIKES)
    return {
        position: f"{int(most[position])} of {WATCH} trial steps from t = "
        f"{float(memory['watch_time'][position]):.6g} to {float(memory['time'][position]):.6g} "
        f"would carry the preactivation of {field.surface_name(int(surface[position]))} through "
        "zero, and the velocities on both sides point back at it"
        for position in chattering.nonzero().flatten().tolist()
    }


def attracts(field: Field, run: Integration, surface: Tensor) -> Tensor:
    """Return whether the flow on both sides of a surface points at it.

    This is Filippov's condition for sliding, tried out: go along the velocity until just behind
    the surface, and see which way the velocity there would carry z. A kink that is merely
    crossed, however slowly, fails it.

    Parameters
    ----------
    field : Field
        Of the working set.
    run : Integration
        Its memory has state, velocity, time and step.
    surface : Tensor
        One index of ``field.switching`` for each trajectory, (trajectory,).
    """
    memory = run.memory
    state, velocity, time = memory["state"], memory["velocity"], memory["time"]
    probe = memory["step"][:, None]

    def z(at: Tensor) -> Tensor:
        switching = field.switching(at)
        assert switching is not None
        return switching.gather(1, surface[:, None])

    value = z(state)
    rate = (z(state + probe * velocity) - value) / probe
    behind = state - 2.0 * value / rate * velocity
    rate_behind = (z(behind + probe * field(time, behind)) - z(behind)) / probe
    return ((value * rate < 0.0) & (rate * rate_behind < 0.0)).squeeze(1)


def _open_watches(field: Field, run: Integration) -> None:
    """At the end of a window, begin to watch those that look suspicious."""
    memory = run.memory
    full = memory["trials"] % WINDOW == 0
    if full.any():
        many = memory["window_rejected"] >= SUSPICIOUS
        memory["quiet_windows"] += full
        begin = full & (memory["watched"] == 0) & (many | (memory["quiet_windows"] >= PATIENCE))
        memory["window_rejected"] = torch.where(full, 0, memory["window_rejected"])
        switching = field.switching(memory["state"]) if begin.any() else None
        if switching is not None:
            memory["quiet_windows"] = torch.where(begin, 0, memory["quiet_windows"])
            memory["watched"] = torch.where(begin, WATCH, memory["watched"])
            memory["watch_time"] = torch.where(begin, memory["time"], memory["watch_time"])
            hits = memory.get("watch_hits", torch.zeros_like(switching, dtype=torch.int16))
            memory["watch_hits"] = hits.masked_fill(begin[:, None], 0)
    if "watch_hits" in memory and not (memory["watched"] > 0).any():
        del memory["watch_hits"]
