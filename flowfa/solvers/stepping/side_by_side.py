"""Several solvers side by side in one run: each moves the trajectories of its own rules.

A trajectory's numbers depend on its own row alone, whatever runs beside it. So each part is an
integration of its own, which shares the arrays of all trajectories with the whole run and has
its own working set and memory. In the whole run's memory the parts' entries stand under the
part's name, so that checkpoints hold them.

Rules that move their feedback are a part of their own, whatever the solver. The states of the
others have no such feedback, so that no error is averaged over it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from flowfa.flow.base import Field
from flowfa.flow.field import NetworkField
from flowfa.solvers.stepping.continuing import part_name, widened
from flowfa.solvers.stepping.integration import Integration, SaveCallback, Solver

_BETWEEN = " of "
WHOLE_STATES = {"state", "velocity"}
"""What the memory of a run that begins has of the length of a state."""


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
        # The parts follow from the whole field, and are kept as long as it is the same.
        self._known: tuple[Field, list[_Part]] | None = None

    def start(self, field: Field, run: Integration) -> None:
        """Start every part."""
        whole = run.memory
        begun = []
        for part in self._parts(field):
            memory = {key: value[part.positions] for key, value in whole.items()}
            for key in memory.keys() & WHOLE_STATES:
                memory[key] = memory[key][:, : part.length]
            inner = self._inner(part, run, memory)
            part.solver.start(part.field, inner)
            begun.append((part, inner))
        self._put_together(run, begun)

    def advance(self, field: Field, run: Integration, save: SaveCallback) -> None:
        """Advance every part once; see `stepping.integration.Solver`."""
        moved = []
        for part in self._parts(field):
            suffix = _BETWEEN + part.name
            memory = {
                key.removesuffix(suffix): value
                for key, value in run.memory.items()
                if key.endswith(suffix)
            }
            inner = self._inner(part, run, memory)
            length = run.state.shape[1]

            def save_whole(
                rows: Tensor, saves: Tensor, states: Tensor, length: int = length
            ) -> None:
                save(rows, saves, widened(states, length))

            part.solver.advance(part.field, inner, save_whole)
            moved.append((part, inner))
        self._put_together(run, moved)

    def _parts(self, field: Field) -> list[_Part]:
        """Return the parts of the working set that are not empty."""
        if self._known is not None and self._known[0] is field:
            return self._known[1]
        assert isinstance(field, NetworkField)
        rows: dict[tuple[str, bool], list[Tensor]] = {}
        device = field.inputs.device
        for group in field.groups:
            positions = torch.arange(group.start, group.stop, device=device)
            key = self._of_rule[group.rule.name], bool(group.moving)
            rows.setdefault(key, []).append(positions)
        parts = []
        for (name, moving), chosen in rows.items():
            positions = torch.cat(chosen)
            own = field.select(positions)
            if own.moves and not moving:
                own = own.replace(layout=own.layout.of_network())
            parts.append(_Part(part_name(name, moving), self._solvers[name], positions, own))
        self._known = field, parts
        return parts

    @staticmethod
    def _inner(part: _Part, run: Integration, memory: dict[str, Tensor]) -> Integration:
        """Return the integration of a part; it changes the states of the whole run in place."""
        return dataclasses.replace(
            run,
            working=run.working[part.positions],
            memory=memory,
            state=run.state[:, : part.length],
        )

    @staticmethod
    def _put_together(run: Integration, parts: list[tuple[_Part, Integration]]) -> None:
        """Make the run's working set and memory of those of its parts."""
        working = torch.cat([inner.working for _, inner in parts])
        order = working.argsort()
        memory = {
            key + _BETWEEN + part.name: value
            for part, inner in parts
            for key, value in inner.memory.items()
        }
        # What others than the solver look at has one row for each member of the working set.
        length = run.state.shape[1]
        states = [widened(inner.memory["state"], length) for _, inner in parts]
        memory["state"] = torch.cat(states)[order]
        memory["time"] = torch.cat([inner.memory["time"] for _, inner in parts])[order]
        run.working, run.memory = working[order], memory


@dataclass(frozen=True)
class _Part:
    """Trajectories that one solver moves.

    Attributes
    ----------
    name : str
    solver : Solver
    positions : Tensor
        In the working set.
    field : NetworkField
        With one row for each of them.
    """

    name: str
    solver: Solver
    positions: Tensor
    field: NetworkField

    @property
    def length(self) -> int:
        """Length of its states."""
        return self.field.layout.length
