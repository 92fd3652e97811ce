"""From the flags of ``flowfa simulate`` and ``flowfa train`` to a problem and its run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flowfa import datasets
from flowfa.datasets import Dataset
from flowfa.errors import InputError
from flowfa.machine.allocator import keep_freed_memory
from flowfa.machine.threads import apply_threads, choose_threads
from flowfa.problems import Problem
from flowfa.problems.activations import LeakyReLU
from flowfa.problems.problem import LOSS_FOR_LABELS
from flowfa.problems.rules import RULES, Rule, SignFeedbackAlignment
from flowfa.problems.starts import (
    STARTS,
    GivenStart,
    NormalStart,
    RandomStart,
    load_start,
)
from flowfa.settings import (
    DATA_OPTIONS,
    ProblemFlags,
    SimulateConfiguration,
    TrainConfiguration,
)
from flowfa.simulation.run import Run
from flowfa.simulation.simulate import simulate
from flowfa.simulation.train import train
from flowfa.studies.progress import Progress

DEFAULT_STARTS = 8


def simulate_configuration(
    configuration: SimulateConfiguration,
    *,
    argv: Sequence[str] = (),
    progress: Progress | None = None,
) -> Run:
    """Run what the command line asks for.

    Parameters
    ----------
    configuration : SimulateConfiguration
        Valid settings (`flowfa.settings.validate`).
    argv : sequence of str
        The command line, for the record.
    progress : Progress, optional

    Returns
    -------
    Run
        Stored in ``configuration.out``.

    Raises
    ------
    InputError
        If a name is unknown or the parts do not fit; nothing has been written then.
    Interrupted
        After SIGINT or SIGTERM; the checkpoint is kept.
    """
    apply_threads(choose_threads(configuration.threads))
    keep_freed_memory()
    return simulate(
        problem_of(configuration),
        configuration.trajectories,
        seed=configuration.seed,
        path=configuration.out,
        overwrite=configuration.overwrite,
        resume=configuration.resume,
        checkpoint_every=configuration.checkpoint_every,
        progress=progress,
        argv=argv,
        t_end=configuration.t_end,
        solver=configuration.solver,
        rtol=configuration.rtol,
        atol=configuration.atol,
        step=configuration.step,
        controller=configuration.controller,
        max_steps=configuration.max_steps,
        save=configuration.save,
        spacing=configuration.spacing,
        snapshots=configuration.snapshots,
        observe=configuration.observe,
        device=configuration.device,
        dtype=configuration.dtype,
    )


def train_configuration(
    configuration: TrainConfiguration,
    *,
    argv: Sequence[str] = (),
    progress: Progress | None = None,
) -> Run:
    """Train as the command line asks for; parameters and errors as `simulate_configuration`."""
    apply_threads(choose_threads(configuration.threads))
    keep_freed_memory()
    return train(
        problem_of(configuration),
        configuration.trajectories,
        seed=configuration.seed,
        path=configuration.out,
        overwrite=configuration.overwrite,
        resume=configuration.resume,
        checkpoint_every=configuration.checkpoint_every,
        progress=progress,
        argv=argv,
        rate=configuration.rate,
        steps=configuration.steps,
        t_end=configuration.t_end,
        momentum=configuration.momentum,
        weight_decay=configuration.weight_decay,
        batch_size=configuration.batch_size,
        schedule=configuration.schedule,
        save=configuration.save,
        spacing=configuration.spacing,
        snapshots=configuration.snapshots,
        keep_every_step=configuration.keep_every_step,
        observe=configuration.observe,
        device=configuration.device,
        dtype=configuration.dtype,
    )


def problem_of(configuration: ProblemFlags) -> Problem:
    """Return the problem that flags describe; errors as `simulate_configuration`."""
    initial = _start(configuration)
    data = _data(configuration, initial)
    return Problem(
        data,
        widths=configuration.width if configuration.width is not None else (100,),
        leak=_leak(configuration),
        smooth_kinks=configuration.smooth_kinks,
        activation=configuration.activation,
        rule=[_rule(name, configuration) for name in configuration.rule],
        loss=configuration.loss or LOSS_FOR_LABELS[data.label_kind],
        bias=configuration.bias,
        initial=initial,
    )


def _leak(configuration: ProblemFlags) -> float | None:
    """Return the leak; None where it was left at its default and the activation has none."""
    default = configuration.leak == ProblemFlags.leak
    return None if default and configuration.activation != LeakyReLU.name else configuration.leak


def _rule(name: str, configuration: ProblemFlags) -> Rule:
    cls = RULES.get(name)
    if cls is SignFeedbackAlignment:
        scale = configuration.signfa_scale
        return SignFeedbackAlignment("xavier" if scale == "xavier" else float(scale))
    return cls()


def _start(configuration: ProblemFlags) -> RandomStart | GivenStart:
    """Return the start, from a name or a file."""
    name, scale = configuration.init, configuration.init_scale
    if name not in STARTS.names() and _is_file_name(name):
        given = {"--width": configuration.width, "--init-scale": scale}
        if configuration.bias != "none":
            given["--bias"] = configuration.bias
        for flag, value in given.items():
            if value is not None:
                raise InputError(f"{flag} does not go with --init {name}: the file says it all")
        return load_start(name)
    cls = STARTS.get(name)
    if cls is NormalStart:
        return NormalStart() if scale is None else NormalStart(scale)
    if scale is not None:
        raise InputError(f"--init-scale does not go with --init {name}: it is for --init normal")
    return cls()


def _data(configuration: ProblemFlags, initial: RandomStart | GivenStart) -> Dataset:
    """Return the data, from a generator or a file."""
    name = configuration.dataset
    asked: dict[str, Any] = {
        flag: getattr(configuration, flag)
        for flag in DATA_OPTIONS
        if getattr(configuration, flag) is not None
    }
    if name not in datasets.DATASETS.names() and _is_file_name(name):
        for flag in asked:
            raise InputError(
                f"--{flag.rstrip('_').replace('_', '-')} does not go with --dataset {name}: "
                "the file has what it has"
            )
        if configuration.fresh_data:
            raise InputError(
                f"--fresh-data does not go with --dataset {name}: for different data for each "
                "trajectory store X as (trajectory, sample, feature)"
            )
        return datasets.load_npz(name)
    if not configuration.fresh_data:
        return datasets.make(name, seed=configuration.seed, **asked)
    starts = configuration.trajectories
    if starts is None:
        given = initial.trajectories if isinstance(initial, GivenStart) else None
        starts = given or DEFAULT_STARTS
    return datasets.per_trajectory(name, starts, seed=configuration.seed, **asked)


def _is_file_name(name: str) -> bool:
    return name.endswith(".npz") or "/" in name or Path(name).exists()
