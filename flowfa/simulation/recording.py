"""From saved states to rows of the record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from flowfa.flow.network_flow import NetworkFlow
from flowfa.flow.observable_registry import Observable
from flowfa.records import Recorder, RecordLayout
from flowfa.records.layout import Observed, TrainingAxes
from flowfa.records.names import MOVING


class Observe(Protocol):
    """Measures states (row, parameter) of trajectories `rows` at save times `saves`."""

    def __call__(self, states: Tensor, rows: Tensor, saves: Tensor) -> dict[str, Tensor]:
        """Return what `flowfa.flow.observables.observe` does."""
        ...


def record_layout(
    flow: NetworkFlow,
    save_times: np.ndarray,
    snapshot_columns: tuple[int, ...],
    training: TrainingAxes | None = None,
    observables: Sequence[Observable] = (),
) -> RecordLayout:
    """Return the shapes of the record of a run that measures `observables` too."""
    sizes, user_sizes = flow.layout.sizes, flow.problem.sizes
    hidden = sizes[1:-1]
    weights = dict(flow.layout.shapes)
    weights["W1"] = (user_sizes[1], user_sizes[0])
    weights |= {MOVING + name: shape for name, shape in flow.layout.moving.items()}
    feedback = {name: matrix.shape[1:] for name, matrix in kept_feedback(flow).items()}
    return RecordLayout(
        trajectories=len(flow),
        save_times=save_times,
        snapshot_columns=snapshot_columns,
        layers=flow.layout.layers,
        neuron_layer=np.repeat(np.arange(1, len(hidden) + 1), hidden),
        neuron_index=np.concatenate([np.arange(width) for width in hidden]),
        weights=weights,
        feedback=feedback,
        rules=flow.rules,
        starts=flow.starts,
        training=training,
        observed=tuple(
            Observed(observable.name, observable.per, observable.attributes)
            for observable in observables
        ),
        samples=flow.field.samples,
    )


def flow_observer(flow: NetworkFlow, observables: Sequence[Observable]) -> Observe | None:
    """Return what measures the states of a flow with `observables` too; None if there are none."""
    if not observables:
        return None

    def measure(states: Tensor, rows: Tensor, saves: Tensor) -> dict[str, Tensor]:
        return flow.observe(states, rows, observables)

    return measure


def kept_feedback(flow: NetworkFlow) -> dict[str, np.ndarray]:
    """Return what the rules keep at time 0, (trajectory, ...), NaN where a rule keeps none."""
    result: dict[str, np.ndarray] = {}
    start = flow.layout.views(flow.initial)
    for group in flow.field.groups:
        for name, matrix in group.kept_at(start).items():
            full = result.setdefault(name, np.full((len(flow), *matrix.shape[1:]), np.nan))
            full[group.start : group.stop] = matrix.cpu().numpy()
    return result


class Recording:
    """Measures networks at save times and hands the rows to a recorder.

    Parameters
    ----------
    flow : NetworkFlow
    recorder : Recorder
    layout : RecordLayout
    observe : Observe, optional
        What measures states; by default the flow, whose field is the same at all times.
    """

    def __init__(
        self,
        flow: NetworkFlow,
        recorder: Recorder,
        layout: RecordLayout,
        observe: Observe | None = None,
    ) -> None:
        self._flow = flow
        self._recorder = recorder
        self._observe = observe
        self._columns = np.array(layout.snapshot_columns)
        self._times = layout.times_of_trajectories
        rows = torch.arange(len(flow), device=flow.initial.device)
        with torch.no_grad():
            self.initial_conserved = flow.observe(flow.initial, rows)["conserved"]

    def __call__(self, rows: Tensor, saves: Tensor, states: Tensor) -> None:
        """Record states (row, parameter) at save times; see `SaveCallback`."""
        if self._observe is None:
            values = self._flow.observe(states, rows)
        else:
            values = self._observe(states, rows, saves)
        values["conservation_drift"] = self._drift(values["conserved"], rows)
        trajectory, save = rows.cpu().numpy(), saves.cpu().numpy()
        arrays = {name: value.cpu().numpy() for name, value in values.items()}
        self._recorder.add_rows(trajectory, save, arrays)
        is_snapshot = np.isin(save, self._columns)
        if is_snapshot.any():
            chosen = torch.tensor(is_snapshot.nonzero()[0], device=rows.device)
            self._recorder.add_snapshots(
                trajectory[is_snapshot],
                np.searchsorted(self._columns, save[is_snapshot]),
                self._weights(states[chosen], rows[chosen]),
                self._times[trajectory[is_snapshot], save[is_snapshot]],
            )

    def last_states(self, rows: Tensor, states: Tensor, times: np.ndarray) -> None:
        """Keep the last good states of trajectories that ended early."""
        self._recorder.add_last_state(rows.cpu().numpy(), self._weights(states, rows), times)

    def _weights(self, states: Tensor, rows: Tensor) -> dict[str, np.ndarray]:
        """Return what a snapshot holds; feedback is NaN where the rule does not move it."""
        parameters = self._flow.parameters(states, rows)
        values = {name: value.cpu().numpy() for name, value in parameters.items()}
        for name in self._flow.layout.moving:
            matrix = values.pop(name).copy()
            matrix[~self._flow.moves(name)[rows.cpu().numpy()]] = np.nan
            values[MOVING + name] = matrix
        return values

    def _drift(self, conserved: Tensor, rows: Tensor) -> Tensor:
        """Return max_j |C_j(t) - C_j(0)| by layer, (row, layer); NaN in the output layer."""
        change = (conserved - self.initial_conserved[rows]).abs()
        hidden = self._flow.layout.sizes[1:-1]
        columns = [of_layer.amax(1) for of_layer in change.split(list(hidden), dim=1)]
        columns.append(torch.full_like(columns[0], torch.nan))
        return torch.stack(columns, dim=1)
