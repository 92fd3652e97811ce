"""Training a problem in discrete steps into a record, as ``flowfa train`` does."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from flowfa.files.paths import as_path
from flowfa.flow.network_flow import NetworkFlow
from flowfa.flow.observable_registry import Function, Observable, observables_of
from flowfa.flow.observables import observe
from flowfa.machine.device import DTYPES, find_device, name_of
from flowfa.machine.memory import check_fits
from flowfa.machine.thread_scope import in_chosen_threads
from flowfa.problems.ensemble import Ensemble, build_ensemble
from flowfa.problems.problem import Problem
from flowfa.problems.starts import RandomStart
from flowfa.records.layout import TrainingAxes
from flowfa.settings import (
    StartsSettings,
    StorageSettings,
    TrainingSettings,
    chosen,
    to_json_dict,
)
from flowfa.settings.recording import ThreadsSettings
from flowfa.simulation.arguments import shared_settings
from flowfa.simulation.description import describe_problem
from flowfa.simulation.job import Job
from flowfa.simulation.own_code import own_code_of
from flowfa.simulation.recording import record_layout
from flowfa.simulation.run import Run
from flowfa.simulation.times import kept_snapshots, spread_columns
from flowfa.studies.notebook import shown_by
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


@in_chosen_threads
def train(
    problem: Problem,
    trajectories: int | None = StartsSettings.trajectories,
    *,
    seed: int = StartsSettings.seed,
    path: str | Path | None = None,
    overwrite: bool = StorageSettings.overwrite,
    resume: bool = StorageSettings.resume,
    checkpoint_every: float = StorageSettings.checkpoint_every,
    progress: Progress | bool | None = None,
    argv: Sequence[str] = (),
    rate: float | Sequence[float] = TrainingSettings.rate,
    steps: int | None = TrainingSettings.steps,
    t_end: float | None = TrainingSettings.t_end,
    momentum: float | Sequence[float] = TrainingSettings.momentum,
    batch_size: int | None = TrainingSettings.batch_size,
    schedule: str | Schedule = TrainingSettings.schedule,
    keep_every_step: bool = TrainingSettings.keep_every_step,
    save: int = TrainingSettings.save,
    spacing: str = TrainingSettings.spacing,
    save_at: Sequence[float] | None = TrainingSettings.save_at,
    snapshots: int | None = TrainingSettings.snapshots,
    observe: Sequence[str] | Mapping[str, Function | Observable] = TrainingSettings.observe,
    device: str | torch.device = TrainingSettings.device,
    dtype: str | torch.dtype = TrainingSettings.dtype,
    threads: int | None = ThreadsSettings.threads,
) -> Run:
    """Train the networks of a problem in discrete steps, all rates, starts and rules side by side.

    v <- mu v + eta_l (G + lambda_l W), W <- W - eta_k v, with the starts, the G, the rates eta_l
    and the decay lambda_l of layers of `flowfa.simulate`.
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
    rate : float or sequence of float
        eta, positive; several are trained side by side.
    steps : int, optional
        Steps of every trajectory; 1000 if `t_end` is not given either.
    t_end : float, optional
        Train to this time instead, the sum of the rates, which each rate must meet after a whole
        number of steps.
    momentum : float or sequence of float
        mu, within [0, 1); several are combined with every rate.
    batch_size : int, optional
        Samples of a minibatch; the full batch by default.
    schedule : str or Schedule
        As `Schedule.parse` understands: ``constant``, ``2@100,250``, ``10@every:1000``.
    keep_every_step : bool
        Save every step, with all weights.
    save : int
        Most save times, at least 2; there are never more than steps.
    save_at : sequence of float, optional
        The recorded steps, or with `t_end` times that each rate meets, instead of `save` evenly
        spaced ones; both ends are recorded too.
    spacing, snapshots, observe, device, dtype, threads
        As `flowfa.simulate`.

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
    names = {"device": name_of(device), "dtype": name_of(dtype)}
    if isinstance(schedule, Schedule):
        names["schedule"] = str(schedule)
    if isinstance(observe, Mapping):
        names["observe"] = tuple(observe)
    arguments = {**locals(), **names}
    settings = chosen(TrainingSettings, arguments)
    starts, storage = shared_settings(problem, path, arguments)
    Schedule.parse(settings.schedule)  # refuses a bad schedule before networks are drawn
    observables = observables_of(observe if isinstance(observe, Mapping) else settings.observe)
    ensemble = build_ensemble(problem, starts.trajectories, starts.seed)
    job = training_job(
        problem,
        ensemble,
        settings,
        starts.seed,
        describe_training(problem, ensemble, settings, starts.seed, observables),
        observables,
        path=path,
        argv=list(argv),
        progress=shown_by(progress),
    )
    if path is None:
        return job.in_memory()
    return job.on_disk(as_path(path), storage.overwrite, storage.resume, storage.checkpoint_every)


def training_job(
    problem: Problem,
    ensemble: Ensemble,
    settings: TrainingSettings,
    seed: int,
    configuration: dict[str, Any],
    observables: Sequence[Observable],
    *,
    path: str | Path | None,
    argv: list[str],
    progress: Progress | None,
    law: RandomStart | None = None,
) -> Job:
    """Return the training of networks.

    Parameters
    ----------
    problem : Problem
    ensemble : Ensemble
        Its initial networks.
    settings : TrainingSettings
    seed : int
        Of minibatches, and of feedback that is drawn at each step.
    configuration : dict
        Stored with the run.
    observables : sequence of Observable
    path : str, Path or None
        The result file; None: in memory.
    argv : list of str
    progress : Progress or None
    law : RandomStart, optional
        As `flowfa.training.Redraws`.

    Raises
    ------
    InputError
        If every step is kept and memory does not hold them.
    """
    flow = NetworkFlow(
        problem,
        ensemble,
        find_device(settings.device),
        DTYPES[settings.dtype],
        repeats=len(settings.variants),
    )
    if settings.keep_every_step:
        _check_every_step(settings, flow, path)
    plan = plan_of(settings)
    variant = np.tile(np.arange(len(settings.variants)), len(flow) // len(settings.variants))
    axes = TrainingAxes(
        rate=np.array([rate for rate, _ in settings.variants])[variant],
        momentum=np.array([momentum for _, momentum in settings.variants])[variant],
        steps=plan.steps[variant],
        times=plan.times[variant],
    )
    saves = plan.steps.shape[1]
    snapshot_count = (
        saves if settings.keep_every_step else kept_snapshots(settings.snapshots, saves)
    )
    columns = spread_columns(saves, snapshot_count)
    redraws = Redraws(problem, ensemble, seed, law)
    rule = step_rule(flow, settings, ensemble.starts, seed, redraws)
    return Job(
        flow=flow,
        solver=DiscreteSteps(rule, axes.steps),
        dtype=settings.dtype,
        layout=record_layout(flow, plan.axis, columns, axes, observables),
        configuration=configuration,
        argv=argv,
        progress=progress,
        kind="discrete",
        observe=_observer(flow, rule, axes, observables),
    )


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
    return StepRule(
        rate=of_rows([rate for rate, _ in settings.variants]),
        momentum=of_rows([momentum for _, momentum in settings.variants]),
        starts=torch.tensor(flow.starts, device=initial.device),
        schedule=Schedule.parse(settings.schedule),
        minibatches=batches,
        redraws=redraws,
    )


def plan_of(settings: TrainingSettings) -> SavePlan:
    """Return the saved steps of each variant."""
    save = settings.save
    if settings.keep_every_step:
        save = _count_steps(settings) + 1
    return plan_saves(
        [rate for rate, _ in settings.variants],
        Schedule.parse(settings.schedule),
        steps=settings.step_count,
        t_end=settings.t_end,
        save=save,
        spacing="linear" if settings.keep_every_step else settings.spacing,
        save_at=settings.save_at,
    )


def describe_training(
    problem: Problem,
    ensemble: Ensemble,
    settings: TrainingSettings,
    seed: int,
    observables: Sequence[Observable] = (),
) -> dict[str, Any]:
    """Return the configuration that is stored with a run and compared on resuming."""
    described = describe_problem(problem, ensemble, seed)
    own = own_code_of(problem, observables)
    return {"kind": "discrete", **described, **describe_steps(settings), **own}


def describe_steps(settings: TrainingSettings) -> dict[str, Any]:
    """Return the part of the configuration that says how training moves, and what is kept."""
    resolved = to_json_dict(settings)
    resolved["steps"] = settings.step_count
    resolved["save"] = settings.saves
    resolved["schedule"] = str(Schedule.parse(settings.schedule))
    return resolved


def _observer(
    flow: NetworkFlow, rule: StepRule, axes: TrainingAxes, observables: Sequence[Observable]
) -> Any:
    """Return what measures states with the feedback of their step."""
    steps = torch.tensor(axes.steps)

    def measure(states: Tensor, rows: Tensor, saves: Tensor) -> dict[str, Tensor]:
        # All states of a call belong to one step, because they are recorded step by step.
        step = int(steps[rows[:1].cpu(), saves[:1].cpu()])
        field = rule.select(rows).redrawn(flow.field.select(rows), step)
        outside_norm2 = flow.span.outside_norm2[rows]
        return observe(field, states, outside_norm2, observables, flow.origin(rows))

    return measure


def _count_steps(settings: TrainingSettings) -> int:
    """Return the number of steps of a run of one length."""
    if settings.step_count is not None:
        return settings.step_count
    schedule = Schedule.parse(settings.schedule)
    ends = plan_saves(settings.rate[:1], schedule, steps=None, t_end=settings.t_end, save=2)
    return int(ends.steps[0, -1])


def _check_every_step(settings: TrainingSettings, flow: NetworkFlow, path: object) -> None:
    """Refuse more stored states than memory holds, before arrays of that length are made."""
    count, rows = _count_steps(settings) + 1, len(flow)
    sizes = flow.problem.sizes
    parameters = sum(a * b for a, b in itertools.pairwise(sizes))
    # Times and step numbers stay in memory, and without a file the states too, twice.
    numbers = 5 if path is not None else 5 + 2 * parameters
    remedy = "" if path is not None else ", or give a `path` to stream them to disk"
    check_fits(
        8 * count * rows * numbers,
        f"every one of {count - 1} steps of {rows} trajectories needs {{}}",
        f"save fewer states (`save`, `snapshots` instead of `keep_every_step=True`){remedy}",
    )
