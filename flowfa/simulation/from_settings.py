"""From the settings of ``flowfa simulate`` and ``flowfa train`` to a problem and its run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from flowfa import datasets
from flowfa.datasets import Dataset
from flowfa.errors import InputError
from flowfa.machine.allocator import keep_freed_memory
from flowfa.problems import Problem
from flowfa.problems.activations import LeakyReLU
from flowfa.problems.problem import LOSS_FOR_LABELS
from flowfa.problems.rules import configured_rule
from flowfa.problems.starts import (
    STARTS,
    BalancedStart,
    GivenStart,
    NormalStart,
    ParametrisedStart,
    RandomStart,
    load_start,
)
from flowfa.settings import (
    DATA_OPTIONS,
    FlowSettings,
    ProblemSettings,
    SimulateSettings,
    StorageSettings,
    TrainingSettings,
    TrainSettings,
    values_of,
)
from flowfa.settings.problem import DEFAULT_WIDTHS
from flowfa.simulation.flow_run import simulate
from flowfa.simulation.run import Run
from flowfa.simulation.training_run import train
from flowfa.studies.progress import Progress

DEFAULT_STARTS = 8


def simulate_from(
    settings: SimulateSettings,
    *,
    argv: Sequence[str] = (),
    progress: Progress | None = None,
    told: Callable[[Problem], None] | None = None,
) -> Run:
    """Run what the command line asks for.

    Parameters
    ----------
    settings : SimulateSettings
        Valid (`flowfa.settings.validated`).
    argv : sequence of str
        The command line, for the record.
    progress : Progress, optional
    told : callable, optional
        Is given the problem before anything else is done with it.

    Returns
    -------
    Run
        Stored in ``settings.out``.

    Raises
    ------
    InputError
        If a name is unknown or the parts do not fit; nothing has been written then.
    Interrupted
        After SIGINT or SIGTERM; the checkpoint is kept.
    """
    keep_freed_memory()
    problem = problem_from(settings)
    if told is not None:
        told(problem)
    return simulate(
        problem,
        settings.trajectories,
        seed=settings.seed,
        path=settings.out,
        progress=progress,
        argv=argv,
        threads=settings.threads,
        **values_of(StorageSettings, settings),
        **values_of(FlowSettings, settings),
    )


def train_from(
    settings: TrainSettings,
    *,
    argv: Sequence[str] = (),
    progress: Progress | None = None,
    told: Callable[[Problem], None] | None = None,
) -> Run:
    """Train as the command line asks for; parameters and errors as `simulate_from`."""
    keep_freed_memory()
    problem = problem_from(settings)
    if told is not None:
        told(problem)
    return train(
        problem,
        settings.trajectories,
        seed=settings.seed,
        path=settings.out,
        progress=progress,
        argv=argv,
        threads=settings.threads,
        **values_of(StorageSettings, settings),
        **values_of(TrainingSettings, settings),
    )


def problem_from(settings: ProblemSettings) -> Problem:
    """Return the problem that settings describe; errors as `simulate_from`."""
    initial = _start(settings)
    data = _data(settings, initial)
    if settings.sample_weights is not None:
        data = data.weighted(settings.sample_weights)
    return Problem(
        data,
        widths=DEFAULT_WIDTHS if settings.width is None else settings.width,
        leak=_leak(settings),
        smooth_kinks=settings.smooth_kinks,
        activation=settings.activation,
        rule=[configured_rule(name, settings) for name in settings.rule],
        loss=settings.loss or LOSS_FOR_LABELS[data.label_kind],
        bias=settings.bias,
        initial=initial,
        layer_rates=settings.layer_rates,
        weight_decay=settings.weight_decay,
    )


def _leak(settings: ProblemSettings) -> float | None:
    """Return the leak; None where it was left at its default and the activation has none."""
    default = settings.leak == ProblemSettings.leak
    return None if default and settings.activation != LeakyReLU.name else settings.leak


def _start(settings: ProblemSettings) -> RandomStart | GivenStart:
    """Return the start, from a name or a file."""
    name, scale = settings.init, settings.init_scale
    if settings.parametrisation != ProblemSettings.parametrisation:
        if name not in (ProblemSettings.init, settings.parametrisation):
            raise InputError(
                f'`parametrisation="{settings.parametrisation}"` brings a start of its own and '
                f'does not go with `init="{name}"`: leave one out'
            )
        name = settings.parametrisation
    if name not in STARTS.names() and is_file_name(name):
        fixed_by_file = {"width": settings.width, "init_scale": scale}
        if settings.bias != "none":
            fixed_by_file["bias"] = settings.bias
        for setting, value in fixed_by_file.items():
            if value is not None:
                raise InputError(
                    f'`{setting}` does not go with `init="{name}"`: the file fixes the start'
                )
        return load_start(name)
    cls = STARTS.get(name)
    if issubclass(cls, NormalStart | BalancedStart | ParametrisedStart):
        return cls() if scale is None else cls(scale)
    if scale is not None:
        raise InputError(
            f'`init_scale` does not go with `init="{name}"`: it is for `init="normal"`, '
            '"balanced", "ntk" and "mean-field"'
        )
    return cls()


def _data(settings: ProblemSettings, initial: RandomStart | GivenStart) -> Dataset:
    """Return the data, from a generator or a file."""
    name = settings.dataset
    options: dict[str, Any] = {
        option: getattr(settings, option)
        for option in DATA_OPTIONS
        if getattr(settings, option) is not None
    }
    if name not in datasets.DATASETS.names() and is_file_name(name):
        for option in options:
            raise InputError(
                f'`{option}` does not go with `dataset="{name}"`: the file fixes the data'
            )
        if settings.fresh_data:
            raise InputError(
                f'`fresh_data=True` does not go with `dataset="{name}"`: for different data for '
                "each trajectory store X as (trajectory, sample, feature)"
            )
        return datasets.load_npz(name)
    if not settings.fresh_data:
        return datasets.make(name, seed=settings.seed, **options)
    starts = settings.trajectories
    if starts is None:
        starts_in_file = initial.trajectories if isinstance(initial, GivenStart) else None
        starts = starts_in_file or DEFAULT_STARTS
    return datasets.per_trajectory(name, starts, seed=settings.seed, **options)


def is_file_name(name: str) -> bool:
    """Return whether what nothing is registered under is the name of a file."""
    return name.endswith(".npz") or "/" in name or Path(name).exists()
