"""From a flow, or steps of discrete training, in memory to evidence."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from torch import Tensor

from flowfa.flow.base import Field
from flowfa.flow.field import NetworkField
from flowfa.flow.network_flow import NetworkFlow
from flowfa.settings import FlowSettings
from flowfa.training import StepRule
from theory_checks.evidence.evidence import Evidence, Record
from theory_checks.evidence.rungs import build_ladder
from theory_checks.evidence.steps import Training


def evidence_of_flow(
    flow: NetworkFlow,
    *,
    t_end: float,
    motion: Field | None = None,
    rtol: float = 1e-7,
    solver: str = "dopri5",
    saves: int = 41,
    ladder: bool = False,
    label: str = "flow",
    max_steps: int = FlowSettings.max_steps,
    as_reached: bool = False,
    density: float = 1.0,
) -> Evidence:
    """Return evidence on a flow that was never recorded.

    Parameters
    ----------
    flow : NetworkFlow
        The flow that the motion claims to be.
    t_end : float
    motion : Field, optional
        The field that moves the networks, by default that of `flow`. Another one makes a negative
        control.
    rtol, solver
        As `flowfa.solvers.registry.make_solver`.
    saves : int
        Times, both ends included; the mesh has their midpoints too.
    ladder : bool
        Three rungs instead of two.
    label : str
    max_steps : int
        As `flowfa.solvers.registry.make_solver`.
    as_reached : bool
        Integrate at once, and take each trajectory as far as every rung got. By default all count
        as having reached the end, so that one whose integration fails is inconclusive.
    density : float
        Times are ``t_end (k / (saves - 1))^density``: above 1 they are denser early, where flows
        from random starts move fastest.
    """
    rungs, run_rung = build_ladder(solver, rungs=3 if ladder else 2, rtol=rtol, max_steps=max_steps)
    moving = flow.field if motion is None else motion
    share = torch.linspace(0.0, 1.0, saves, dtype=torch.float64)
    times = with_midpoints(t_end * share**density)
    everywhere = torch.full((len(flow),), t_end, dtype=torch.float64)
    rows = torch.arange(len(flow))
    evidence = Evidence(
        flow, moving, flow.initial, rungs, run_rung, times, rows, everywhere, label=label
    )
    if not as_reached:
        return evidence
    reached = torch.stack([path.reached for path in evidence.paths]).amin(0)
    kept = dataclasses.replace(evidence, reached=reached)
    # The new evidence shares the paths: they do not depend on how far they are looked at.
    kept.__dict__["paths"] = evidence.paths
    return kept


def evidence_of_training(
    flow: NetworkFlow,
    rule: StepRule,
    steps: np.ndarray,
    *,
    moved_by: StepRule | None = None,
    motion: NetworkField | None = None,
    done: np.ndarray | None = None,
    axis: Tensor | None = None,
    record: Record | None = None,
    label: str = "training",
    threads: int | None = None,
) -> Evidence:
    """Return evidence on discrete training.

    Parameters
    ----------
    flow : NetworkFlow
        With a row for each trajectory.
    rule : StepRule
        The steps that the training claims to take.
    steps : numpy.ndarray
        Saved steps, increasing from 0, (trajectory, save).
    moved_by : StepRule, optional
        The steps that it takes, in negative controls.
    motion : NetworkField, optional
        The field whose steps it takes, in negative controls.
    done : numpy.ndarray, optional
        Steps of each trajectory before it diverged, (trajectory,); by default all.
    axis : Tensor, optional
        The common axis of the saves, (save,); by default the steps of the first trajectory.
    record, label
        As `Evidence`.
    threads : int, optional
        Number of threads of the run: matrix products round the same way only with as many.
    """
    done = steps[:, -1] if done is None else done
    axis = torch.tensor(steps[0], dtype=torch.float64) if axis is None else axis
    last = (steps <= done[:, None]).sum(1) - 1
    return Evidence(
        flow=flow,
        motion=flow.field if motion is None else motion,
        initial=flow.initial,
        rungs=(),
        run_rung=0,
        times=with_midpoints(axis),
        rows=torch.arange(len(flow)),
        reached=axis[torch.tensor(last)],
        record=record,
        label=label,
        training=Training(
            rule,
            rule if moved_by is None else moved_by,
            torch.tensor(steps),
            torch.tensor(done),
            threads,
        ),
    )


def with_midpoints(times: Tensor) -> Tensor:
    """Return times with their midpoints."""
    middle = torch.stack([times[:-1], times[1:]], 1).mean(1)
    return torch.cat([times, middle]).sort().values
