"""Training a problem in discrete steps into a record: the heart of ``flowfa train``."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from flowfa.errors import InputError
from flowfa.flow.network_flow import NetworkFlow
from flowfa.flow.observable_registry import Observable, observables_of
from flowfa.flow.observables import observe
from flowfa.problems.ensemble import Ensemble, build_ensemble
from flowfa.problems.problem import Problem
from flowfa.records.output import free_memory, readable
from flowfa.records.schema import TrainingAxes
from flowfa.registry import unknown_name
from flowfa.simulation.description import describe_problem
from flowfa.simulation.job import Job
from flowfa.simulation.recording import record_layout
from flowfa.simulation.run import Run
from flowfa.simulation.settings import DTYPES, find_device, spread_columns
from flowfa.simulation.training_settings import TrainingSettings
from flowfa.studies.progress import Progress
from flowfa.training import (
    DiscreteSteps,
    Minibatches,
    Redraws,
    SavePlan,
    Schedule,
    StepRule,
    plan_saves,
)


def train(
    problem: Problem,
    trajectories: int | None = None,
    *,
    seed: int = 0,
    path: str | Path | None = None,
    overwrite: bool = False,
    resume: bool = False,
    checkpoint_every: float = 15.0,
    progress: Progress | None = None,
    argv: Sequence[str] = (),
    **settings: Any,
) -> Run:
    """Train the networks of a problem in discrete steps, all rates, starts and rules side by side.

    v <- mu v + G + lambda W, W <- W - eta_k v, with the starts and the G of `flowfa.simulate`.
    Row ((rule * starts) + start) * variants + variant of the result, where a variant is a pair
    of a rate and a momentum, the momenta of the first rate first.

    Parameters
    ----------
    problem : Problem
    trajectories : int, optional
        Starts, as `flowfa.simulate`.
    seed : int
        Of initial weights, feedback, and the order of minibatches.
    path, overwrite, resume, checkpoint_every, progress, argv
        As `flowfa.simulate`.
    **settings
        The fields of `flowfa.simulation.TrainingSettings`: ``rate``, ``steps`` or ``t_end``,
        ``momentum``, ``weight_decay``, ``batch_size``, ``schedule``, ``save``, ...

    Returns
    -------
    Run
        Laid out as a flow's, with the coordinates ``rate``, ``momentum``, ``step`` and
        ``training_time`` in /trajectory. Divergence is a result: the status is ``diverged``.

    Raises
    ------
    InputError
        If settings, problem, or output do not fit; nothing has been written then.
    Interrupted
        After SIGINT or SIGTERM; the checkpoint is kept.

    Examples
    --------
    >>> import flowfa
    >>> data = flowfa.datasets.orthogonally_separable(samples=4, dim=3, lambda_=0.1, seed=1)
    >>> problem = flowfa.Problem(data, widths=(5,), rule="fa")
    >>> run = flowfa.train(problem, trajectories=2, rate=(0.1, 0.05), t_end=10.0, save=11)
    >>> trajectory = run.tree["trajectory"]
    >>> trajectory["rate"].values.tolist(), trajectory["step"].values[:, -1].tolist()
    ([0.1, 0.05, 0.1, 0.05], [100, 200, 100, 200])
    """
    known = [entry.name for entry in dataclasses.fields(TrainingSettings)]
    for name in settings:
        if name not in known:
            raise unknown_name("setting", name, known)
    for name in settings.keys() & {"device", "dtype"}:
        settings[name] = str(settings[name]).removeprefix("torch.")
    chosen = TrainingSettings(**settings)
    device = find_device(chosen.device)
    observables = observables_of(chosen.observe)
    ensemble = build_ensemble(problem, trajectories, seed)
    flow = NetworkFlow(
        problem,
        ensemble,
        device,
        DTYPES[chosen.dtype],
        repeats=len(chosen.variants),
        # Weight decay moves W_1 outside the span of the data too.
        reduce=chosen.weight_decay == 0.0,
    )
    if chosen.keep_every_step:
        _check_every_step(chosen, flow, path)
    plan = plan_of(chosen)
    variant = np.tile(np.arange(len(chosen.variants)), len(flow) // len(chosen.variants))
    axes = TrainingAxes(
        rate=np.array([rate for rate, _ in chosen.variants])[variant],
        momentum=np.array([momentum for _, momentum in chosen.variants])[variant],
        steps=plan.steps[variant],
        times=plan.times[variant],
    )
    columns = spread_columns(plan.steps.shape[1], chosen.snapshots_of(plan.steps.shape[1]))
    redraws = Redraws(problem, ensemble, seed)
    rule = step_rule(flow, chosen, ensemble.starts, seed, redraws)
    job = Job(
        flow=flow,
        solver=DiscreteSteps(rule, axes.steps),
        dtype=chosen.dtype,
        layout=record_layout(flow, plan.axis, columns, axes, observables),
        configuration=describe_training(problem, ensemble, chosen, seed),
        argv=list(argv),
        progress=progress,
        kind="discrete",
        observe=_observer(flow, rule, axes, observables),
    )
    if path is None:
        return job.in_memory()
    return job.on_disk(Path(path), overwrite, resume, checkpoint_every)


def step_rule(
    flow: NetworkFlow,
    settings: TrainingSettings,
    starts: int,
    seed: int,
    redraws: Redraws | None = None,
) -> StepRule:
    """Return the step rule of all trajectories of a flow that has a repeat for each variant.

    Parameters
    ----------
    flow : NetworkFlow
    settings : TrainingSettings
    starts : int
        How many there are.
    seed : int
        Of the minibatches.
    redraws : Redraws, optional
        Needed by rules whose feedback is drawn at each step.
    """
    repeats = len(flow) // len(settings.variants)
    initial = flow.initial

    def of_rows(values: Sequence[float]) -> Tensor:
        return torch.tensor(values, dtype=initial.dtype, device=initial.device).repeat(repeats)

    batches = None
    if settings.batch_size is not None:
        batches = Minibatches(flow.problem.data.samples, settings.batch_size, starts, seed)
    assert isinstance(settings.schedule, Schedule)
    return StepRule(
        rate=of_rows([rate for rate, _ in settings.variants]),
        momentum=of_rows([momentum for _, momentum in settings.variants]),
        starts=torch.tensor(flow.starts, device=initial.device),
        schedule=settings.schedule,
        weight_decay=settings.weight_decay,
        minibatches=batches,
        redraws=redraws,
    )


def plan_of(settings: TrainingSettings) -> SavePlan:
    """Return the saved steps of each variant."""
    assert isinstance(settings.schedule, Schedule)
    save = settings.save
    if settings.keep_every_step:
        save = _count_steps(settings) + 1
    return plan_saves(
        [rate for rate, _ in settings.variants],
        settings.schedule,
        steps=settings.steps,
        t_end=settings.t_end,
        save=save,
        spacing="linear" if settings.keep_every_step else settings.spacing,
    )


def describe_training(
    problem: Problem, ensemble: Ensemble, settings: TrainingSettings, seed: int
) -> dict[str, Any]:
    """Return the configuration that is stored with a run and compared on resuming."""
    resolved = {entry.name: getattr(settings, entry.name) for entry in dataclasses.fields(settings)}
    resolved["rate"] = list(settings.rates)
    resolved["momentum"] = list(settings.momenta)
    resolved["schedule"] = str(settings.schedule)
    return {"kind": "discrete", **describe_problem(problem, ensemble, seed), **resolved}


def _observer(
    flow: NetworkFlow, rule: StepRule, axes: TrainingAxes, observables: Sequence[Observable]
) -> Any:
    """Return what measures states with the feedback of their step."""
    steps = torch.tensor(axes.steps)

    def measure(states: Tensor, rows: Tensor, saves: Tensor) -> dict[str, Tensor]:
        # States are handed over step by step.
        step = int(steps[rows[:1].cpu(), saves[:1].cpu()])
        field = rule.select(rows).redrawn(flow.field.select(rows), step)
        return observe(field, states, flow.span.outside_norm2[rows], observables)

    return measure


def _count_steps(settings: TrainingSettings) -> int:
    """Return the number of steps of a run of one length."""
    if settings.steps is not None:
        return settings.steps
    assert isinstance(settings.schedule, Schedule)
    ends = plan_saves(
        settings.rates[:1], settings.schedule, steps=None, t_end=settings.t_end, save=2
    )
    return int(ends.steps[0, -1])


def _check_every_step(settings: TrainingSettings, flow: NetworkFlow, path: object) -> None:
    """Refuse more stored states than memory holds, before arrays of that length are made."""
    count, rows = _count_steps(settings) + 1, len(flow)
    sizes = flow.problem.sizes
    parameters = sum(a * b for a, b in itertools.pairwise(sizes))
    # Times and step numbers stay in memory; the states too, twice, where no file takes them.
    numbers = 5 if path is not None else 5 + 2 * parameters
    needed, free = 8 * count * rows * numbers, free_memory()
    if free is not None and needed > free:
        remedy = "" if path is not None else ", or give a path to stream them to disk"
        raise InputError(
            f"every one of {count - 1} steps of {rows} trajectories needs about "
            f"{readable(needed)} of memory and {readable(free)} are free: save fewer states "
            f"(save, snapshots instead of keep-every-step){remedy}"
        )
