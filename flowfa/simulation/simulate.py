"""Integrating a problem into a record, with checkpoints: the heart of ``flowfa simulate``."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flowfa.errors import InputError
from flowfa.flow.network_flow import NetworkFlow
from flowfa.flow.observable_registry import observables_of
from flowfa.problems.ensemble import build_ensemble
from flowfa.problems.problem import Problem
from flowfa.registry import unknown_name
from flowfa.simulation.description import describe
from flowfa.simulation.job import Job
from flowfa.simulation.recording import flow_observer, record_layout
from flowfa.simulation.run import Run
from flowfa.simulation.settings import DTYPES, Settings
from flowfa.solvers.choice import choose
from flowfa.solvers.registry import check_solver, make_solver
from flowfa.studies.progress import Progress


def simulate(
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
    progress : Progress, optional
    argv : sequence of str
        The command line, for the record.
    **settings
        The fields of `flowfa.simulation.Settings`: ``t_end``, ``solver``, ``rtol``, ...; a
        `torch.device` and a `torch.dtype` will do for their names. So will a solver, an object
        as `flowfa.solvers.stepping.integration.Solver` describes it; its name is recorded, and a
        check makes it anew by that name, from the run's ``rtol``, ``atol`` and ``step``.

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
    known = [entry.name for entry in dataclasses.fields(Settings)]
    for name in settings:
        if name not in known:
            raise unknown_name("setting", name, known)
    given = None
    if "solver" in settings and not isinstance(settings["solver"], str):
        given = check_solver(settings["solver"])
        settings["solver"] = given.name
    for name in settings.keys() & {"device", "dtype"}:
        # torch's own objects are welcome; records want names.
        settings[name] = str(settings[name]).removeprefix("torch.")
    chosen = Settings(**settings)
    for rule in problem.rules:
        if rule.redrawn:
            raise InputError(
                f"the rule {rule.name} draws its feedback anew at every step, and a flow has no "
                "steps: train with it (flowfa train, flowfa.train), or choose frsf"
            )
    device = chosen.torch_device()
    observables = observables_of(chosen.observe)
    choice = choose(
        chosen.solver, problem, rtol=chosen.rtol, device=chosen.device, dtype=chosen.dtype
    )
    solver = given or make_solver(
        choice.name,
        rtol=chosen.rtol,
        atol=chosen.atol,
        step=chosen.step,
        control=chosen.controller,
        max_steps=chosen.max_steps,
    )
    ensemble = build_ensemble(problem, trajectories, seed)
    flow = NetworkFlow(problem, ensemble, device, DTYPES[chosen.dtype])
    job = Job(
        flow=flow,
        solver=solver,
        dtype=chosen.dtype,
        layout=record_layout(
            flow, chosen.save_times, chosen.snapshot_columns, observables=observables
        ),
        configuration=describe(problem, ensemble, chosen, seed, choice),
        argv=list(argv),
        progress=progress,
        observe=flow_observer(flow, observables),
    )
    if path is None:
        return job.in_memory()
    return job.on_disk(Path(path), overwrite, resume, checkpoint_every)
