"""The settings of ``flowfa sweep`` and of what is done with a sweep that was begun."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from tyro.conf import Positional, arg

from flowfa.errors import InputError
from flowfa.settings.limits import at_least
from flowfa.settings.naming import optional_flag
from flowfa.settings.output import (
    DebugSettings,
    JsonSettings,
    OverwriteSettings,
    QuietSettings,
)
from flowfa.settings.validation import condition


@dataclass(frozen=True)
class EngineSettings:
    """Who computes the cells of a sweep."""

    workers: Annotated[int | None, at_least(1), optional_flag(metavar="INT")] = None
    """Processes on this machine that work side by side; by default this one."""
    scheduler: Annotated[str | None, optional_flag(metavar="ADDRESS")] = None
    """Address of a Dask scheduler, such as tcp://host:8786, whose workers see the folder too."""
    scheduler_file: Annotated[str | None, optional_flag(metavar="FILE")] = None
    """File in which a Dask scheduler has written its address."""
    resource: Annotated[str | None, optional_flag(metavar="NAME=NUMBER")] = None
    """What a batch takes of a Dask worker, such as GPU=1 for one batch on each GPU."""
    detach: bool = False
    """Leave the work to the Dask scheduler and return at once."""

    @condition
    def choose_one_engine(self) -> None:
        """Refuse several engines, or to leave the work to nobody."""
        given = [name for name in ("workers", "scheduler", "scheduler_file") if getattr(self, name)]
        if len(given) > 1:
            raise InputError(f"`{given[0]}` and `{given[1]}` are both given: give one of them")
        for name in ("detach", "resource"):
            if getattr(self, name) and given not in (["scheduler"], ["scheduler_file"]):
                raise InputError(
                    f"`{name}` is for a Dask scheduler: give `scheduler` or `scheduler_file` too"
                )


@dataclass(frozen=True)
class SweepFileSettings:
    """The sweep, its folder, and what is made of each cell."""

    file: Annotated[Positional[str], arg(metavar="SWEEP.toml")]
    """TOML file: settings, and the values of those that are swept over."""
    out: Annotated[str | None, optional_flag(metavar="DIR")] = None
    """Folder of the sweep; by default that of the file, named like it."""
    check: bool = False
    """Store the verdicts on the theory's statements in each cell. Cells with verdicts are other
    cells than those without, so that none that is done without is taken."""
    dry_run: bool = False
    """Say how many cells there are, and what they will take, and compute none."""


@dataclass(frozen=True)
class SweepSettings(DebugSettings, JsonSettings, QuietSettings, EngineSettings, SweepFileSettings):
    """Run simulate, train or deviation for every combination of settings; cells done stay.

    flowfa sweep status DIR, resume DIR and collect DIR go on with it. Exit status: 0 all cells
    are done, 3 some failed, 64 bad input, 130 or 143 stopped.
    """


@dataclass(frozen=True)
class SweepFolderSettings:
    """The folder of a sweep."""

    folder: Annotated[Positional[str], arg(metavar="DIR")]
    """Folder that flowfa sweep made."""


@dataclass(frozen=True)
class SweepStatusSettings(DebugSettings, JsonSettings, SweepFolderSettings):
    """Say which cells of a sweep are done, running, failed (and why) and missing."""


@dataclass(frozen=True)
class SweepResumeSettings(
    DebugSettings, JsonSettings, QuietSettings, EngineSettings, SweepFolderSettings
):
    """Compute the cells of a sweep that are missing, or that failed without a result."""


@dataclass(frozen=True)
class CollectionSettings:
    """Where a collection goes."""

    out: Annotated[str | None, optional_flag(metavar="SWEEP.zarr|SWEEP.nc")] = None
    """Data set (.zarr or .nc); by default DIR.nc."""


@dataclass(frozen=True)
class SweepCollectSettings(
    DebugSettings, JsonSettings, OverwriteSettings, CollectionSettings, SweepFolderSettings
):
    """Make one data set of what the cells ended with; also while the sweep runs."""
