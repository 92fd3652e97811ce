"""Which cells of a sweep cannot begin, found out before any is computed."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch

from flowfa.errors import InputError
from flowfa.files.own_code import import_file
from flowfa.settings import SimulateSettings
from flowfa.simulation.from_settings import problem_from
from flowfa.solvers.registry import make_solver
from flowfa.sweeps.commands import CellSettings
from flowfa.sweeps.plan import Cell, Plan

LONGEST = 10.0
"""Seconds after which no other cell is tried."""
_AUTO = "auto"


@dataclass(frozen=True)
class Beginnings:
    """How the cells of a sweep begin.

    Attributes
    ----------
    able : list of Cell
        Those that can begin, and those that were not tried.
    unable : list of (Cell, str)
        Those that cannot, and why.
    untried : int
        How many were not tried, since the time was over.
    """

    able: list[Cell]
    unable: list[tuple[Cell, str]]
    untried: int

    @property
    def tried(self) -> int:
        """How many were tried."""
        return len(self.able) + len(self.unable) - self.untried


def beginnings(plan: Plan, longest: float = LONGEST) -> Beginnings:
    """Make the problem of each cell, of those that differ by the seed only once, and its solver.

    Parameters
    ----------
    plan : Plan
    longest : float
        Seconds after which no other cell is tried.
    """
    until = time.monotonic() + longest
    told: dict[str, str | None] = {}
    able, unable, untried = [], [], 0
    for cell in plan.cells:
        kind = repr(sorted((name, v) for name, v in cell.swept.items() if name != "seed"))
        if kind not in told and time.monotonic() < until:
            told[kind] = _hindrance(plan.settings_of(cell))
        why = told.get(kind)
        untried += kind not in told
        if why is None:
            able.append(cell)
        else:
            unable.append((cell, why))
    return Beginnings(able, unable, untried)


def _hindrance(settings: CellSettings) -> str | None:
    """Return why a cell cannot begin; None if it can."""
    try:
        for file in settings.import_ or ():
            import_file(file)
        problem_from(settings)
        if isinstance(settings, SimulateSettings) and settings.solver != _AUTO:
            make_solver(
                settings.solver,
                rtol=settings.rtol,
                atol=settings.atol,
                step=settings.step,
                control=settings.controller,
                max_steps=settings.max_steps,
            )
    except InputError as error:
        return str(error)
    except (MemoryError, torch.OutOfMemoryError):
        return "it takes more memory than there is"
    return None
