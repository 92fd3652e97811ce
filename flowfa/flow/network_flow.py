"""From a problem and its initial networks to a field, a flat initial state, and back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from flowfa.errors import InputError
from flowfa.flow.field import NetworkField, RuleGroup
from flowfa.flow.layout import ParameterLayout
from flowfa.flow.measured import Origin
from flowfa.flow.observable_registry import Observable
from flowfa.flow.observables import observe
from flowfa.flow.span import InputSpan
from flowfa.problems.ensemble import Ensemble
from flowfa.problems.problem import Problem


class NetworkFlow:
    """The training flow of all trajectories of a run.

    Trajectory ``(r * starts + i) * repeats + v`` is repeat v of start i under rule r.

    Parameters
    ----------
    problem : Problem
    ensemble : Ensemble
        The initial networks.
    device : torch.device
    dtype : torch.dtype
    repeats : int
        How often each start stands under each rule, side by side: once in a flow, once for each
        learning rate in discrete training.
    reduce : bool
        Whether W_1 may be reduced to the span of the data (`InputSpan`).

    Attributes
    ----------
    field : NetworkField
        Of all trajectories, in coordinates of the span of the data where n < d.
    initial : Tensor
        Initial states, (trajectory, parameter).
    rules : tuple of str
        The rule of each trajectory.
    starts : numpy.ndarray
        The start of each trajectory.
    """

    def __init__(
        self,
        problem: Problem,
        ensemble: Ensemble,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float64,
        repeats: int = 1,
        reduce: bool = True,
    ) -> None:
        self.problem = problem
        rules = len(problem.rules)
        members = ensemble.starts * repeats
        self.rules = tuple(rule.name for rule in problem.rules for _ in range(members))
        self.starts = np.tile(np.repeat(np.arange(ensemble.starts), repeats), rules)

        def on_device(array: np.ndarray) -> Tensor:
            return torch.tensor(array, dtype=dtype, device=device)

        def of_members(array: np.ndarray) -> Tensor:
            return on_device(array).repeat_interleave(repeats, 0)

        def of_all(array: np.ndarray) -> Tensor:
            return of_members(array).repeat(rules, *(1,) * (array.ndim - 1))

        trajectory_start = torch.tensor(self.starts, device=device)
        self.span = InputSpan(
            on_device(problem.data.X), of_all(ensemble.weights[0]), trajectory_start, reduce
        )
        self.layout = ParameterLayout(
            (self.span.inputs.shape[-1], *problem.sizes[1:]),
            problem.has_bias,
            _moving_shapes(problem, ensemble),
        )
        parameters = {"W1": self.span.coordinates}
        for layer, weight in enumerate(ensemble.weights[1:], start=2):
            parameters[f"W{layer}"] = of_all(weight)
        for layer, bias in enumerate(ensemble.biases, start=1):
            if bias is not None:
                parameters[f"c{layer}"] = of_all(bias)
        for name, shape in self.layout.moving.items():
            # Zeros, which do not move, for trajectories whose rule moves nothing of that name.
            parts = [
                of_members(kept[name])
                if rule.moves and name in kept
                else parameters["W1"].new_zeros(members, *shape)
                for rule, kept in zip(problem.rules, ensemble.feedback, strict=True)
            ]
            parameters[name] = torch.cat(parts)
        self.initial = self.layout.pack(parameters)
        inputs, targets = self.span.inputs, on_device(problem.loss.encode(problem.data))
        if inputs.ndim == 3:
            inputs, targets = inputs[trajectory_start], targets[trajectory_start]
        groups = tuple(
            RuleGroup(
                rule,
                index * members,
                (index + 1) * members,
                {name: of_members(m) for name, m in kept.items() if not rule.moves},
                tuple(kept) if rule.moves else (),
            )
            for index, (rule, kept) in enumerate(zip(problem.rules, ensemble.feedback, strict=True))
        )
        self.field = NetworkField(
            self.layout,
            inputs,
            targets,
            problem.loss,
            problem.activation,
            groups,
        )

    def __len__(self) -> int:
        """Return the number of trajectories."""
        return len(self.initial)

    def parameters(self, states: Tensor, rows: Tensor) -> dict[str, Tensor]:
        """Return W_l and c_l in the user's coordinates, and the feedback that moves.

        Parameters
        ----------
        states : Tensor
            (row, parameter).
        rows : Tensor
            The trajectory of each row, (row,).
        """
        parameters = self.layout.views(states)
        parameters["W1"] = self.span.restore(parameters["W1"], rows)
        return parameters

    def moves(self, name: str) -> np.ndarray:
        """Return whether the rule of each trajectory moves the feedback of this name."""
        moved = np.zeros(len(self), dtype=bool)
        for group in self.field.groups:
            moved[group.start : group.stop] = name in group.moving
        return moved

    def observe(
        self, states: Tensor, rows: Tensor, observables: Sequence[Observable] = ()
    ) -> dict[str, Tensor]:
        """Measure states (row, parameter) of trajectories `rows`, which must not decrease."""
        field, outside_norm2 = self.field.select(rows), self.span.outside_norm2[rows]
        origin = self.origin(rows) if observables else None
        return observe(field, states, outside_norm2, observables, origin)

    def origin(self, rows: Tensor) -> Origin:
        """Return where trajectories come from, for what is measured of them."""
        return Origin(self.initial[rows], self.span, rows)


def _moving_shapes(problem: Problem, ensemble: Ensemble) -> dict[str, tuple[int, ...]]:
    """Return the shapes of what the rules move, by name.

    Raises
    ------
    InputError
        If a rule moves nothing that it keeps, or two give one name to different shapes.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for rule, kept in zip(problem.rules, ensemble.feedback, strict=True):
        if rule.moves and not kept:
            raise InputError(
                f"the rule {rule.name!r} has a feedback_velocity but keeps nothing: return what "
                "moves from draw_feedback, and say its letter in `keeps`"
            )
        for name, matrix in kept.items() if rule.moves else ():
            shape = tuple(matrix.shape[1:])
            if shapes.setdefault(name, shape) != shape:
                raise InputError(
                    f"the rule {rule.name!r} moves {name} of shape {shape}, and a rule beside it "
                    f"moves one of shape {shapes[name]}: rename it, or run them one by one"
                )
    return shapes
