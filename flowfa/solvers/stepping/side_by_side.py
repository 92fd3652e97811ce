"""Several solvers side by side in one run: each moves the trajectories of its own rules.

A trajectory's numbers depend on its own row alone, whatever runs beside it. So each part is an
integration of its own, which shares the arrays of all trajectories with the whole run and has
its own working set and memory. In the whole run's memory the parts' entries stand under the
solver's name, so that checkpoints hold them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import torch
from torch import Tensor

from flowfa.flow.base import Field
from flowfa.flow.field import NetworkField
from flowfa.solvers.stepping.integration import Integration, SaveCallback, Solver

_BETWEEN = " of "


class SideBySide:
    """A solver made of solvers, each for the trajectories of some rules.

    Parameters
    ----------
    solvers : mapping
        The solver of each rule, by the rule's name; rules may share one. Every rule of the field
        must be there.
    """

    def __init__(self, solvers: Mapping[str, Solver]) -> None:
        self._of_rule = {rule: solver.name for rule, solver in solvers.items()}
        self._solvers = {solver.name: solver for solver in solvers.values()}
        self.name = " + ".join(self._solvers)
        # The parts' fields follow from the whole field, and are kept as long as it is the same.
        self._known: tuple[Field, dict[str, tuple[Tensor, Field]]] | None = None

    def start(self, field: Field, run: Integration) -> None:
        """Start every part."""
        whole = run.memory
        working = run.working
        parts = []
        for name, (positions, part_field) in self._parts(field).items():
            memory = {key: value[positions] for key, value in whole.items()}
            part = dataclasses.replace(run, working=working[positions], memory=memory)
            self._solvers[name].start(part_field, part)
            parts.append((name, part))
        self._put_together(run, parts)

    def advance(self, field: Field, run: Integration, save: SaveCallback) -> None:
        """Advance every part once; see `stepping.integration.Solver`."""
        parts = []
        for name, (positions, part_field) in self._parts(field).items():
            suffix = _BETWEEN + name
            memory = {
                key.removesuffix(suffix): value
                for key, value in run.memory.items()
                if key.endswith(suffix)
            }
            part = dataclasses.replace(run, working=run.working[positions], memory=memory)
            self._solvers[name].advance(part_field, part, save)
            parts.append((name, part))
        self._put_together(run, parts)

    def _parts(self, field: Field) -> dict[str, tuple[Tensor, Field]]:
        """Return positions in the working set, and the field, of each solver that has any."""
        if self._known is not None and self._known[0] is field:
            return self._known[1]
        assert isinstance(field, NetworkField)
        rows: dict[str, list[Tensor]] = {}
        device = field.inputs.device
        for group in field.groups:
            positions = torch.arange(group.start, group.stop, device=device)
            rows.setdefault(self._of_rule[group.rule.name], []).append(positions)
        chosen = {name: torch.cat(positions) for name, positions in rows.items()}
        parts: dict[str, tuple[Tensor, Field]] = {
            name: (positions, field.select(positions)) for name, positions in chosen.items()
        }
        self._known = field, parts
        return parts

    @staticmethod
    def _put_together(run: Integration, parts: list[tuple[str, Integration]]) -> None:
        """Make the run's working set and memory of those of its parts."""
        working = torch.cat([part.working for _, part in parts])
        order = working.argsort()
        memory = {
            key + _BETWEEN + name: value
            for name, part in parts
            for key, value in part.memory.items()
        }
        # What others than the solver look at has one row for each member of the working set.
        for key in ("state", "time"):
            memory[key] = torch.cat([part.memory[key] for _, part in parts])[order]
        run.working, run.memory = working[order], memory
