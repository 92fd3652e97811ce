"""The commands that can be swept over: the settings of each, and how a cell of it is computed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xarray as xr

from flowfa.errors import InputError
from flowfa.files.own_code import import_file
from flowfa.records import load
from flowfa.settings import (
    DeviationStudySettings,
    FlowSettings,
    SimulateSettings,
    TrainingSettings,
    TrainSettings,
    values_of,
)
from flowfa.simulation.flow_run import simulate
from flowfa.simulation.from_settings import problem_from
from flowfa.simulation.run import Run
from flowfa.simulation.training_run import train
from flowfa.studies.progress import Progress

CellSettings = SimulateSettings | TrainSettings | DeviationStudySettings
COMMANDS: dict[str, type[CellSettings]] = {
    "simulate": SimulateSettings,
    "train": TrainSettings,
    "deviation": DeviationStudySettings,
}
"""The settings of the commands that can be swept over."""
DEVIATION = "deviation"
"""Group of a cell that holds the data set of a deviation study."""


@dataclass(frozen=True)
class Recorded:
    """What a cell ended with.

    Attributes
    ----------
    tree : xarray.DataTree
    failure : str or None
        Why it did not get to its end; None if it did.
    run : Run or None
        What verdicts are about; None where a command has none.
    """

    tree: xr.DataTree
    failure: str | None
    run: Run | None = None


def record(
    settings: CellSettings,
    work: Path,
    checkpoint_every: float | None = None,
    progress: Progress | None = None,
) -> Recorded:
    """Compute what settings ask for, or go on with what is kept of it.

    Parameters
    ----------
    settings : dataclass of settings
        Valid.
    work : Path
        Where it is kept meanwhile; nothing is left there at the end.
    checkpoint_every : float, optional
        Seconds between checkpoints; without it a run is not kept. Of a deviation study each rule
        that is done always is.
    progress : Progress, optional
        Told how it stands; may raise to stop it.
    """
    # A worker is another process than the one that read the sweep.
    for file in settings.import_ or ():
        import_file(file)
    if isinstance(settings, DeviationStudySettings):
        return _deviation(settings, work, progress)
    return _run(settings, work.with_suffix(f"{work.suffix}.nc"), checkpoint_every, progress)


def _run(
    settings: SimulateSettings | TrainSettings,
    work: Path,
    checkpoint_every: float | None,
    progress: Progress | None,
) -> Recorded:
    problem = problem_from(settings)

    def computed(**kept: Any) -> Run:
        options = {"seed": settings.seed, "threads": settings.threads, "progress": progress}
        if isinstance(settings, TrainSettings):
            choices = values_of(TrainingSettings, settings)
            return train(problem, settings.trajectories, **options, **kept, **choices)
        choices = values_of(FlowSettings, settings)
        return simulate(problem, settings.trajectories, **options, **kept, **choices)

    if checkpoint_every is None:
        run = computed()
    else:
        kept = {"path": work, "checkpoint_every": checkpoint_every, "overwrite": True}
        begun = work.with_name(f"{work.name}.checkpoint").is_dir() and not work.exists()
        run = _gone_on(begun, lambda resume: computed(resume=resume, **kept))
        run.tree.close()
        run = Run(load(work), problem=problem)
        work.unlink()
    failure = None
    if run.failed:
        failure = f"{run.tree.attrs['status']}: {run.summary()['failures'][0]['message']}"
    return Recorded(run.tree, failure, run)


def _deviation(settings: DeviationStudySettings, work: Path, progress: Progress | None) -> Recorded:
    # Imported only now, since it brings scipy's optimisation, which few sweeps need.
    from flowfa.deviation.from_settings import compared

    begun = work.is_dir() and any(work.iterdir())
    data = _gone_on(
        begun,
        lambda resume: compared(
            settings, work, resume=resume, overwrite=not resume, progress=progress
        ),
    )
    shutil.rmtree(work)
    tree = xr.DataTree(xr.Dataset(attrs={**data.attrs, "kind": DEVIATION}))
    tree[DEVIATION] = xr.DataTree(data.drop_attrs(deep=False))
    ended = sorted({str(status) for status in data["flow_status"].values.ravel()})
    lost = [status for status in ended if status not in ("ok", "diverged")]
    return Recorded(tree, f"the flow ended as {', '.join(lost)}" if lost else None)


def _gone_on(begun: bool, compute: Callable[[bool], Any]) -> Any:
    """Go on with what is kept; where it is of no use, as after damage, begin anew."""
    if begun:
        try:
            return compute(True)
        except InputError as error:
            if isinstance(error.__cause__, OSError) and error.__cause__.errno:
                raise
    return compute(False)
