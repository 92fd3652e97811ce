"""The runs of one width as flows, beyond the paper: they deviate only by the solver's error."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from flowfa.experiments.noisy_mnist.measures import RECORDED_OF_FLOW, record
from flowfa.experiments.noisy_mnist.runs import WidthJob
from flowfa.experiments.noisy_mnist.settings import NoisyMnistSettings
from flowfa.solvers.registry import make_solver
from flowfa.solvers.stepping.integration import ERROR_ESTIMATE, Integration
from flowfa.solvers.stepping.solve import solve
from flowfa.solvers.stepping.status import Status
from flowfa.training import law

Tell = Callable[["Flows", Integration], None]
"""A function that is called after each round of steps of a flow; may raise to stop."""


@dataclass
class Flows:
    """The flows of one width, one after the other: row r * runs + i is run i under rule r.

    Attributes
    ----------
    done : int
        Rows that are integrated to their end.
    records : dict
        `RECORDED_OF_FLOW`, each (row, tracked epoch), NaN where not reached.
    distance, error : numpy.ndarray
        ||theta_steps - theta_flow|| / ||theta_flow|| at the end, and the solver's estimate of the
        relative error of the flow there, (row,).
    running : Integration or None
        The integration of row `done`, where it was stopped in the middle.
    """

    done: int
    records: dict[str, np.ndarray]
    distance: np.ndarray
    error: np.ndarray
    running: Integration | None = None

    @classmethod
    def begin(cls, rows: int, tracked: int) -> Flows:
        """Return none done."""
        records = {name: np.full((rows, tracked), np.nan) for name in RECORDED_OF_FLOW}
        return cls(0, records, np.full(rows, np.nan), np.full(rows, np.nan))

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return everything as arrays, for a checkpoint."""
        arrays = {"done": np.array(self.done), "distance": self.distance, "error": self.error}
        arrays |= {f"record {name}": value for name, value in self.records.items()}
        if self.running is not None:
            arrays |= {f"run {name}": value for name, value in self.running.to_arrays().items()}
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Flows:
        """Restore what `to_arrays` returned."""
        run = {name[4:]: value for name, value in arrays.items() if name.startswith("run ")}
        return cls(
            int(arrays["done"]),
            {name: arrays[f"record {name}"].copy() for name in RECORDED_OF_FLOW},
            arrays["distance"].copy(),
            arrays["error"].copy(),
            Integration.from_arrays(run, torch.device("cpu")) if run else None,
        )


def flow_times(settings: NoisyMnistSettings) -> np.ndarray:
    """Return the flow time of each tracked epoch: the sum of the rates over 1 - momentum."""
    epochs = np.array(settings.tracked)
    return settings.schedule.times(settings.rate, epochs) / (1.0 - settings.momentum)


def integrate(job: WidthJob, ends: Tensor, flows: Flows, tell: Tell) -> Flows:
    """Integrate the rows that are not done, filling the records in place.

    Parameters
    ----------
    job : WidthJob
        In float64 on the CPU, from the very starts of the steps.
    ends : Tensor
        The last states of the steps, (row, parameter).
    flows : Flows
    tell : callable
        Shows progress and writes checkpoints.

    Notes
    -----
    Rows are integrated one by one: a batch would save little, since nearly all work is done in the
    neurons, and after a stop no finished row is lost. A flow that the solver cannot follow to the
    end leaves NaN from there on.
    """
    while flows.done < len(job.initial):
        _integrate_row(job, ends, flows, tell)
        flows.done += 1
    return flows


def _integrate_row(job: WidthJob, ends: Tensor, flows: Flows, tell: Tell) -> None:
    times = torch.from_numpy(flow_times(job.settings))
    row, chosen = flows.done, torch.tensor([flows.done])
    field, test, start = job.field.select(chosen), job.test.select(chosen), job.initial[chosen]
    at_start = law.terms(field, start)
    no_steps = torch.zeros_like(at_start.law)

    def save(rows: Tensor, saves: Tensor, states: Tensor) -> None:
        for column, state in zip(saves.tolist(), states.split(1), strict=True):
            terms = law.terms(field, state)
            replaced = job.replaced[chosen]
            measured = record(field, test, replaced, state, terms, at_start, no_steps)
            for name, source in RECORDED_OF_FLOW.items():
                flows.records[name][row, column] = measured[source].item()

    def monitor(run: Integration) -> None:
        flows.running = run
        tell(flows, run)

    run = flows.running or Integration.begin(start, times)
    solve(field, run, make_solver("hybrid", rtol=job.settings.flow_rtol), save, monitor)
    flows.running = None
    if run.status[0] is Status.OK:
        gap = (ends[row].double() - run.state[0]).norm() / run.state[0].norm()
        flows.distance[row] = gap.item()
        flows.error[row] = run.counters[ERROR_ESTIMATE][0]
