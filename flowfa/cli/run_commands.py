"""The settings of commands that go on with a run, or make it again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from flowfa.cli.commands import RunFileSettings
from flowfa.settings.imports import ImportSettings
from flowfa.settings.limits import increasing, positive
from flowfa.settings.naming import optional_flag
from flowfa.settings.output import (
    DebugSettings,
    JsonSettings,
    OverwriteSettings,
    QuietSettings,
    ResumeSettings,
)
from flowfa.settings.recording import ThreadsSettings


@dataclass(frozen=True)
class ExtensionSettings:
    """How far a run is continued, and where the result goes."""

    t_end: Annotated[float, positive()]
    """Time at which the flow ends now."""
    save_at: Annotated[
        tuple[float, ...] | None,
        increasing(),
        positive(),
        optional_flag(metavar="FLOAT [FLOAT ...]"),
    ] = None
    """Recorded times after the old end; by default spaced as those before. The end is one too."""
    out: Annotated[str | None, optional_flag(metavar="RUN.nc")] = None
    """Result file; by default the run itself, which is replaced when the new one is complete."""


@dataclass(frozen=True)
class ExtendSettings(
    DebugSettings,
    JsonSettings,
    QuietSettings,
    OverwriteSettings,
    ImportSettings,
    ExtensionSettings,
    RunFileSettings,
):
    """Continue a complete flow to a later end: the result is that of one long run, bit for bit.

    Interrupted, it goes on when the same command is given again. Exit status: 0 done, 3 a
    trajectory did not reach the end.
    """


@dataclass(frozen=True)
class ChangeSettings:
    """Settings that take the place of those in a file; left out, those in the file hold.

    Their limits are those of the settings of the same names, which they become.
    """

    t_end: Annotated[float | None, optional_flag(metavar="FLOAT")] = None
    """Time at which the run ends."""
    solver: Annotated[str | None, optional_flag(metavar="NAME")] = None
    """Solver of a flow."""
    rtol: Annotated[float | None, optional_flag(metavar="FLOAT")] = None
    """Relative tolerance; the absolute one follows unless it was given."""
    atol: Annotated[float | None, optional_flag(metavar="FLOAT")] = None
    """Absolute tolerance."""
    step: Annotated[float | None, optional_flag(metavar="FLOAT")] = None
    """Step of fixed-step solvers."""
    max_steps: Annotated[int | None, optional_flag(metavar="INT")] = None
    """Steps after which a trajectory is given up."""
    until_loss: Annotated[float | None, optional_flag(metavar="FLOAT")] = None
    """Stop a trajectory where its mean loss has fallen to this."""
    until_gradient: Annotated[float | None, optional_flag(metavar="FLOAT")] = None
    """Stop a trajectory where the norm of the gradient has fallen to this."""
    until_alignment: Annotated[float | None, optional_flag(metavar="FLOAT")] = None
    """Stop a trajectory where cos(W_l, B_l^T) has risen to this, in each layer that has one."""
    rate: Annotated[tuple[float, ...] | None, optional_flag(metavar="FLOAT [FLOAT ...]")] = None
    """Learning rates of discrete training."""
    steps: Annotated[int | None, optional_flag(metavar="INT")] = None
    """Number of steps of discrete training."""
    momentum: Annotated[tuple[float, ...] | None, optional_flag(metavar="FLOAT [FLOAT ...]")] = None
    """Heavy-ball momenta of discrete training."""
    layer_rates: Annotated[tuple[float, ...] | None, optional_flag(metavar="FLOAT [FLOAT ...]")] = (
        None
    )
    """Rate of each layer, or one for all."""
    weight_decay: Annotated[
        tuple[float, ...] | None, optional_flag(metavar="FLOAT [FLOAT ...]")
    ] = None
    """Weight decay of each layer, or one for all."""
    batch_size: Annotated[int | None, optional_flag(metavar="INT")] = None
    """Samples of a minibatch of discrete training."""
    schedule: Annotated[str | None, optional_flag(metavar="SCHEDULE")] = None
    """Schedule of the rate of discrete training."""
    save: Annotated[int | None, optional_flag(metavar="INT")] = None
    """Number of recorded times."""
    spacing: Annotated[str | None, optional_flag(metavar="linear|log")] = None
    """Spacing of the recorded times."""
    first_save: Annotated[float | None, optional_flag(metavar="FLOAT")] = None
    """First recorded time after 0 of log spacing."""
    save_at: Annotated[tuple[float, ...] | None, optional_flag(metavar="FLOAT [FLOAT ...]")] = None
    """Recorded times."""
    snapshots: Annotated[int | None, optional_flag(metavar="INT")] = None
    """Number of recorded times at which all weights are kept."""
    observe: Annotated[tuple[str, ...] | None, optional_flag(metavar="NAME [NAME ...]")] = None
    """Observables to record."""
    device: Annotated[str | None, optional_flag(metavar="NAME")] = None
    """Where to compute."""
    dtype: Annotated[str | None, optional_flag(metavar="float64|float32")] = None
    """Floating point type."""


@dataclass(frozen=True)
class RerunOutputSettings:
    """Where the result of a rerun goes."""

    out: Annotated[str | None, optional_flag(metavar="RUN.nc")] = None
    """Result file; by default RUN-rerun.nc beside the one that is made again."""


@dataclass(frozen=True)
class RerunSettings(
    DebugSettings,
    JsonSettings,
    QuietSettings,
    ResumeSettings,
    ThreadsSettings,
    ImportSettings,
    ChangeSettings,
    RerunOutputSettings,
    RunFileSettings,
):
    """Make a run again from its file alone, as it was or with other settings.

    Without changes the result is that of the file, bit for bit, or the command says which variable
    differs. Exit status: 0 done, 1 a variable differs though nothing was changed, 3 a trajectory
    did not reach the end.
    """
