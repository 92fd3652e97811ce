"""Which settings make sense, judged without data and without the registries."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from flowfa.errors import InputError
from flowfa.registry import unknown_name
from flowfa.settings.deviation import DeviationConfiguration
from flowfa.settings.simulation import ProblemFlags, SimulateConfiguration, flag_of
from flowfa.settings.training import TrainConfiguration

BIASES = ("none", "hidden", "all")
CONTROLLERS = ("pi", "i")
DTYPES = ("float64", "float32")
FIGURE_FORMATS = (".png", ".pdf", ".svg")
SPACINGS = ("linear", "log")


def validate(configuration: SimulateConfiguration) -> None:
    """Check everything that can be judged without data and without the registries.

    Parameters
    ----------
    configuration : SimulateConfiguration
        The settings; their types are taken to be right.

    Raises
    ------
    InputError
        For the first setting that cannot be used: its flag, its value and what was expected.
    """
    c = configuration
    _check_problem(c)
    for name, least in (("max_steps", 1), ("save", 2), ("snapshots", 2), ("threads", 1)):
        _at_least(name, getattr(c, name), least)
    _check_snapshots(c)
    for name in ("t_end", "rtol", "atol", "step", "checkpoint_every"):
        _positive(name, getattr(c, name))
    for name, known in (("controller", CONTROLLERS), ("spacing", SPACINGS), ("dtype", DTYPES)):
        _check_known(name, getattr(c, name), known)
    _check_paths(c)


def validate_training(configuration: TrainConfiguration) -> None:
    """Check the settings of ``flowfa train`` in the same way.

    What rates, momenta, steps and schedule may be is for `flowfa.simulation.TrainingSettings`.

    Raises
    ------
    InputError
        As `validate`.
    """
    c = configuration
    _check_problem(c)
    for name, least in (("steps", 1), ("batch_size", 1), ("save", 2), ("snapshots", 2)):
        _at_least(name, getattr(c, name), least)
    _at_least("threads", c.threads, 1)
    _check_snapshots(c)
    for name in ("t_end", "checkpoint_every"):
        _positive(name, getattr(c, name))
    for name, known in (("spacing", SPACINGS), ("dtype", DTYPES)):
        _check_known(name, getattr(c, name), known)
    _check_paths(c)


def validate_deviation(configuration: DeviationConfiguration) -> None:
    """Check the settings of ``flowfa deviation`` in the same way.

    What rates, momenta and points may be is for `flowfa.deviation.settings.DeviationSettings`.

    Raises
    ------
    InputError
        As `validate`.
    """
    c = configuration
    _check_problem(c)
    if c.widths is not None:
        if c.width is not None:
            raise InputError(
                "--widths sweeps over nets of one hidden layer and --width says what one net is: "
                "give one of them"
            )
        if not c.widths:
            raise InputError("--widths has no number: give at least one, such as 15 50 200")
        for width in c.widths:
            _at_least("widths", width, 1)
        _check_unique("widths", c.widths)
    _at_least("threads", c.threads, 1)
    if not Path(c.out).name:
        raise InputError(f"--out is {c.out!r}: expected the name of a folder")


def _check_problem(c: ProblemFlags) -> None:
    """Check network, data and start."""
    if not c.rule:
        raise InputError("--rule has no name: give one rule or several, such as --rule gd fa")
    if c.width is not None and not c.width:
        raise InputError("--width has no number: give one width for each hidden layer")
    for width in c.width or ():
        _at_least("width", width, 1)
    _check_unique("rule", c.rule)
    for name, least in (
        ("trajectories", 1),
        ("seed", 0),
        ("samples", 1),
        ("dim", 1),
        ("components", 2),
        ("random_classes", 2),
        ("size", 1),
    ):
        _at_least(name, getattr(c, name), least)
    for name in ("gamma", "norm_ratio", "lambda_", "separation", "init_scale", "smooth_kinks"):
        _positive(name, getattr(c, name))
    _fraction("leak", c.leak, "a slope between 0 (ReLU) and 1 (linear)")
    _check_smooth_kinks(c)
    _fraction("label_noise", c.label_noise, "a fraction between 0 and 1")
    _check_known("bias", c.bias, BIASES)
    _check_classes(c.classes)
    _check_signfa_scale(c.signfa_scale)


def _check_known(name: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise unknown_name(flag_of(name), value, known)


def _check_snapshots(c: SimulateConfiguration | TrainConfiguration) -> None:
    if c.snapshots is not None and c.snapshots > c.save:
        raise InputError(
            f"--snapshots is {c.snapshots} but --save is {c.save}: weights are kept at recorded "
            "times, so ask for no more snapshots than those"
        )


def _at_least(name: str, value: int | None, least: int) -> None:
    # Counts end up in int64 attributes and arrays.
    if value is not None and not least <= value < 2**63:
        raise InputError(f"{flag_of(name)} is {value}: expected a whole number of at least {least}")


def _positive(name: str, value: float | None) -> None:
    if value is not None and not 0.0 < value < math.inf:
        raise InputError(f"{flag_of(name)} is {value}: expected a positive finite number")


def _fraction(name: str, value: float | None, expected: str) -> None:
    if value is not None and not 0.0 <= value <= 1.0:
        raise InputError(f"{flag_of(name)} is {value}: expected {expected}")


def _check_smooth_kinks(c: ProblemFlags) -> None:
    if c.smooth_kinks is not None and c.leak == 1.0:
        raise InputError(
            f"--smooth-kinks is {c.smooth_kinks} but --leak is 1, which has no kinks: leave it out"
        )


def _check_unique(name: str, values: Sequence[str | int]) -> None:
    for value in values:
        if values.count(value) > 1:
            raise InputError(f"{flag_of(name)} has {value} twice: name each one once")


def _check_classes(classes: tuple[int, ...] | None) -> None:
    if classes is None:
        return
    if len(classes) < 2:
        raise InputError(f"--classes has {len(classes)} class(es): give two or more, as in 3 8")
    for number in classes:
        _at_least("classes", number, 0)
    _check_unique("classes", classes)


def _check_signfa_scale(scale: str) -> None:
    if scale == "xavier":
        return
    try:
        number = float(scale)
    except ValueError:
        number = math.nan
    if not 0.0 < number < math.inf:
        raise InputError(f"--signfa-scale is {scale}: expected a positive number or xavier")


def _check_paths(c: SimulateConfiguration | TrainConfiguration) -> None:
    if not Path(c.out).name:
        raise InputError(f"--out is {c.out!r}: expected the name of a file, such as run.nc")
    figure = c.figure
    if figure is None:
        return
    if figure.suffix.lower() not in FIGURE_FORMATS:
        raise InputError(
            f"--plot is {c.plot!r}: expected a name that ends in {', '.join(FIGURE_FORMATS)}, "
            "or none for no figure"
        )
    if figure == Path(c.out):
        raise InputError(f"--plot and --out are both {c.out}: give the figure another name")
