"""What a run keeps so that it can be continued beyond its end, bit for bit.

The end of a run cuts the last step of each trajectory, and what the solver knows afterwards follows
from the cut. So the memory is kept of the moment before: from there on the trajectory is the one
that a later end gives.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from flowfa.flow.base import Field
from flowfa.flow.field import NetworkField
from flowfa.solvers.stepping.integration import Integration, SaveCallback, Solver

GROWTH = 12.0
"""More than a step grows from one to the next, by which it is told who may be near the end."""
NEXT_SAVE = "next_save"
"""What is kept beside memory and counters: the next save time, 0 where nothing is kept."""


@runtime_checkable
class Reaching(Protocol):
    """A solver that says how far its next step would go if the run did not end."""

    def reach(self, run: Integration) -> Tensor:
        """Return the end of the next trial step, or a later time, (working trajectory,)."""
        ...


def reach_of_step(run: Integration) -> Tensor:
    """Return how far steps of length ``memory["step"]`` go, rounded up, (trajectory,)."""
    return run.memory["time"] + run.memory["step"] * (1.0 + 1e-9)


class Continuable:
    """A solver that keeps each trajectory's memory of before its first step that the end cuts.

    Parameters
    ----------
    solver : Solver
        What moves the trajectories.
    reaching : Reaching
        It, or the solver within.
    """

    def __init__(self, solver: Solver, reaching: Reaching) -> None:
        self.name = solver.name
        self._solver, self._reaching = solver, reaching

    def start(self, field: Field, run: Integration) -> None:
        """Start the solver."""
        self._solver.start(field, run)

    def advance(self, field: Field, run: Integration, save: SaveCallback) -> None:
        """Advance the solver; keep the memory of before where the next step would be cut."""
        time, working = run.memory["time"], run.working
        reach = self._reaching.reach(run)
        near = ~self._kept(run, working) & (time + GROWTH * (reach - time) >= run.end)
        if not near.any():
            self._solver.advance(field, run, save)
            return
        before = {name: value[near] for name, value in run.memory.items()}
        rows, at_once = working[near], reach[near] >= run.end
        index = rows.cpu().numpy()
        counters = {name: values[index].copy() for name, values in run.counters.items()}
        next_save = run.next_save[index].copy()
        self._solver.advance(field, run, save)
        cut = at_once
        if len(run.working):
            later = self._reaching.reach(run) >= run.end
            cut = cut | torch.isin(rows, run.working[later])
        if cut.any():
            kept = cut.cpu().numpy()
            part = part_name(self.name, isinstance(field, NetworkField) and field.moves)
            entries = {f"{prefix(part)}{k}": v[cut] for k, v in before.items()}
            entries |= {
                f"counter_{name}": torch.from_numpy(values[kept])
                for name, values in counters.items()
            }
            entries[NEXT_SAVE] = torch.from_numpy(next_save[kept])
            _enter(run, rows[cut], entries)

    @staticmethod
    def _kept(run: Integration, rows: Tensor) -> Tensor:
        """Return which rows have something kept."""
        if NEXT_SAVE not in run.kept:
            return torch.zeros_like(rows, dtype=torch.bool)
        return run.kept[NEXT_SAVE].to(rows.device)[rows] > 0


def part_name(solver: str, moving: bool) -> str:
    """Return what the part of a run is called that a solver moves, with or without its feedback."""
    return f"moving {solver}" if moving else solver


def prefix(part: str) -> str:
    """Return what the kept entries of the memory of a part begin with."""
    return re.sub(r"\W", "_", part) + "_"


def _enter(run: Integration, rows: Tensor, entries: Mapping[str, Tensor]) -> None:
    for name, values in entries.items():
        if name not in run.kept:
            run.kept[name] = values.new_zeros((len(run.state), *values.shape[1:]))
        target = run.kept[name]
        target[rows.to(target.device)] = values


def memory_of(kept: Mapping[str, Tensor], rows_of_parts: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the memory of some trajectories as it was kept.

    Parameters
    ----------
    kept : mapping
        `Integration.kept`.
    rows_of_parts : mapping
        The trajectories of each part (`part_name`), increasing; several are side by side.
    """
    named = rows_of_parts.items()
    parts = {part: _part(kept, part, rows) for part, rows in named if len(rows)}
    if len(rows_of_parts) == 1:
        return next(iter(parts.values()))
    memory = {
        f"{name} of {part}": value
        for part, of_part in parts.items()
        for name, value in of_part.items()
    }
    order = torch.cat([rows for rows in rows_of_parts.values() if len(rows)]).argsort()
    length = max(of_part["state"].shape[1] for of_part in parts.values())
    states = [widened(of_part["state"], length) for of_part in parts.values()]
    memory["state"] = torch.cat(states)[order]
    memory["time"] = torch.cat([of_part["time"] for of_part in parts.values()])[order]
    return memory


def widened(states: Tensor, length: int) -> Tensor:
    """Return states with zeros for feedback that their rules do not move."""
    missing = length - states.shape[1]
    return torch.nn.functional.pad(states, (0, missing)) if missing else states


def _part(kept: Mapping[str, Tensor], part: str, rows: Tensor) -> dict[str, Tensor]:
    first = prefix(part)
    return {
        name.removeprefix(first): value[rows]
        for name, value in kept.items()
        if name.startswith(first)
    }


def counters_of(kept: Mapping[str, Tensor], names: Iterable[str]) -> dict[str, np.ndarray]:
    """Return the counters as they were kept, (trajectory,)."""
    return {name: kept[f"counter_{name}"].cpu().numpy() for name in names}
