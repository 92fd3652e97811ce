"""Integrating a problem into a record, with checkpoints, as ``flowfa simulate`` does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from flowfa.errors import InputError
from flowfa.files.paths import as_path
from flowfa.flow.network_flow import NetworkFlow
from flowfa.flow.observable_registry import Function, Observable, observables_of
from flowfa.machine.device import DTYPES, find_device, name_of
from flowfa.machine.thread_scope import in_chosen_threads
from flowfa.problems.ensemble import build_ensemble
from flowfa.problems.problem import Problem
from flowfa.settings import FlowSettings, StartsSettings, StorageSettings, chosen
from flowfa.settings.recording import ThreadsSettings
from flowfa.simulation.arguments import shared_settings
from flowfa.simulation.description import describe
from flowfa.simulation.job import Job
from flowfa.simulation.recording import flow_observer, record_layout
from flowfa.simulation.run import Run
from flowfa.simulation.stepper import conditions_of, flow_stepper
from flowfa.simulation.times import kept_snapshots, save_times, spread_columns
from flowfa.solvers.choice import choose
from flowfa.solvers.registry import check_solver
from flowfa.solvers.stepping.integration import Solver
from flowfa.solvers.stepping.stopping import refuse_reached_starts
from flowfa.studies.notebook import shown_by
from flowfa.studies.progress import Progress


@in_chosen_threads
def simulate(
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
    t_end: float = FlowSettings.t_end,
    solver: str | Solver = FlowSettings.solver,
    rtol: float = FlowSettings.rtol,
    atol: float | None = FlowSettings.atol,
    step: float | None = FlowSettings.step,
    controller: str = FlowSettings.controller,
    max_steps: int = FlowSettings.max_steps,
    until_loss: float | None = FlowSettings.until_loss,
    until_gradient: float | None = FlowSettings.until_gradient,
    until_alignment: float | None = FlowSettings.until_alignment,
    save: int = FlowSettings.save,
    spacing: str = FlowSettings.spacing,
    first_save: float | None = FlowSettings.first_save,
    save_at: Sequence[float] | None = FlowSettings.save_at,
    snapshots: int | None = FlowSettings.snapshots,
    observe: Sequence[str] | Mapping[str, Function | Observable] = FlowSettings.observe,
    extendable: bool = FlowSettings.extendable,
    device: str | torch.device = FlowSettings.device,
    dtype: str | torch.dtype = FlowSettings.dtype,
    threads: int | None = ThreadsSettings.threads,
) -> Run:
    """Integrate the training flow of a problem.

    Parameters
    ----------
    problem : Problem
    trajectories : int, optional
        Starts for each rule; by default as many as the data or the given start have, else 8.
    seed : int
        Of initial weights and feedback.
    path : str or Path, optional
        Result file. With it, records go to disk as they come, checkpoints are kept beside it in
        ``PATH.checkpoint``, and SIGINT or SIGTERM stop the run without loss. Without it
        everything stays in memory.
    overwrite : bool
        Replace an existing result or checkpoint.
    resume : bool
        Continue from the checkpoint of `path`; the result is that of the uninterrupted run.
    checkpoint_every : float
        Seconds between checkpoints.
    progress : Progress or bool, optional
        True shows a bar, in a notebook too.
    argv : sequence of str
        The command line, for the record.
    t_end : float
        Time at which the flow ends.
    solver : str or Solver
        ``auto``, a name that `flowfa.solvers.registry.make_solver` knows, or an object as
        `flowfa.solvers.stepping.integration.Solver` describes it; its name is recorded, and a
        check makes it anew by that name, from the run's `rtol`, `atol` and `step`.
    rtol, atol : float
        Relative and absolute tolerance of adaptive solvers; atol is rtol / 100 if not given.
    step : float, optional
        Step of fixed-step solvers, which need it.
    controller : {"pi", "i"}
        Step size control of adaptive solvers.
    max_steps : int
        Steps after which a trajectory is given up.
    until_loss, until_gradient : float, optional
        Stop a trajectory where its mean loss, or the norm of the gradient, has fallen to this.
    until_alignment : float, optional
        Stop a trajectory where cos(W_l, B_l^T) has risen to this in each layer that has one.
    save : int
        Number of times at which the flow is recorded, both ends included, at least 2.
    spacing : {"linear", "log"}
        Of those times; logarithmic ones go from `first_save` to t_end, and there is 0.
    first_save : float, optional
        First of the logarithmic times after 0; by default t_end / 10^4.
    save_at : sequence of float, optional
        The times at which the flow is recorded, increasing, instead of `save` evenly spaced ones;
        0 and t_end are recorded too.
    snapshots : int, optional
        Number of recorded times at which all weights are kept, from 2 to `save`; by default 5,
        or all if there are fewer.
    observe : sequence of str, or mapping
        Names of observables that are recorded beside what every run records; or functions by name,
        from a `flowfa.flow.measured.MeasuredState` to a number for each row.
    extendable : bool
        Keep what `flowfa.extend` needs to continue the run beyond its end, bit for bit.
    device : str or torch.device
        ``cpu``, ``cuda`` or ``cuda:N``.
    dtype : {"float64", "float32"} or torch.dtype
    threads : int, optional
        CPU threads of torch during the run; by default those of the environment variables
        ``FLOWFA_THREADS`` or ``OMP_NUM_THREADS``, else what is measured to be faster on this
        machine, once, and never more than torch is set to. Torch is left as it was.

    Returns
    -------
    Run

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
    >>> problem = flowfa.Problem(data, widths=(5,), rule=("fa", "signfa"))
    >>> run = flowfa.simulate(problem, trajectories=2, t_end=10.0, save=11)
    >>> run.statuses
    ['ok', 'ok', 'ok', 'ok']
    """
    custom_solver = None if solver is None or isinstance(solver, str) else check_solver(solver)
    names = {"device": name_of(device), "dtype": name_of(dtype)}
    if custom_solver is not None:
        names["solver"] = custom_solver.name
    if isinstance(observe, Mapping):
        names["observe"] = tuple(observe)
    arguments = {**locals(), **names}
    settings = chosen(FlowSettings, arguments)
    starts, storage = shared_settings(problem, path, arguments)
    for rule in problem.rules:
        if rule.redrawn:
            raise InputError(
                f"the rule {rule.name} draws its feedback anew at every step, and a flow has no "
                "steps: train with it (flowfa train, flowfa.train), or choose frsf"
            )
    observables = observables_of(observe if isinstance(observe, Mapping) else settings.observe)
    choice = choose(
        settings.solver, problem, rtol=settings.rtol, device=settings.device, dtype=settings.dtype
    )
    stepper = flow_stepper(settings, choice.name, choice.by_rule, custom_solver)
    ensemble = build_ensemble(problem, starts.trajectories, starts.seed)
    flow = NetworkFlow(problem, ensemble, find_device(settings.device), DTYPES[settings.dtype])
    refuse_reached_starts(conditions_of(settings), flow.field, flow.initial)
    job = flow_job(
        flow,
        stepper,
        settings,
        describe(problem, ensemble, settings, starts.seed, choice, observables),
        observables,
        argv=list(argv),
        progress=shown_by(progress),
    )
    if path is None:
        return job.in_memory()
    return job.on_disk(as_path(path), storage.overwrite, storage.resume, storage.checkpoint_every)


def flow_job(
    flow: NetworkFlow,
    stepper: Solver,
    settings: FlowSettings,
    configuration: dict[str, Any],
    observables: Sequence[Observable],
    *,
    argv: list[str],
    progress: Progress | None,
) -> Job:
    """Return the integration of a flow; weights are kept where the configuration says, if it does.

    Parameters
    ----------
    flow : NetworkFlow
    stepper : Solver
        What `flow_stepper` returns.
    settings : FlowSettings
    configuration : dict
        Stored with the run.
    observables : sequence of Observable
    argv : list of str
    progress : Progress or None
    """
    columns = configuration.get("snapshot_columns") or spread_columns(
        settings.saves, kept_snapshots(settings.snapshots, settings.saves)
    )
    return Job(
        flow=flow,
        solver=stepper,
        dtype=settings.dtype,
        layout=record_layout(flow, save_times(settings), tuple(columns), observables=observables),
        configuration=configuration,
        argv=argv,
        progress=progress,
        observe=flow_observer(flow, observables),
    )
