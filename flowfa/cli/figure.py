"""``flowfa plot``, and the figure at the end of ``flowfa simulate``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from flowfa.cli.commands import PlotSettings
from flowfa.cli.console import say
from flowfa.errors import InputError
from flowfa.files.atomic import check_place
from flowfa.settings.output import figure_beside

if TYPE_CHECKING:
    from xarray import DataTree


def plot(settings: PlotSettings) -> int:
    """Draw the figure of a result file, or of several laid over each other.

    Raises
    ------
    InputError
        If a file is no result, or the figure cannot be written.
    """
    from flowfa.plots.saving import figure_format
    from flowfa.records import load

    path = _place(settings)
    figure_format(path)
    check_place(path, settings.overwrite)
    if settings.panel is not None and settings.panels is not None:
        raise InputError(
            "`panel` and `panels` are both given: the first draws variables, the second parts of "
            "the default figure; give one"
        )
    if _drawn_from_collection(settings, path):
        say(f"figure: {path}")
        return 0
    trees = [load(run) for run in settings.runs]
    for run, tree in zip(settings.runs, trees, strict=True):
        _check_recorded(tree, settings.panel or (), run)
    drawn = dict(zip(_names(settings.runs), trees, strict=True))
    draw(drawn, path, settings.panel, settings.panels, settings.style)
    say(f"figure: {path}")
    return 0


def _place(settings: PlotSettings) -> Path:
    """Return where the figure goes."""
    path = figure_beside(settings.runs[0]) if settings.out is None else Path(settings.out)
    if settings.format is None:
        return path
    ending = f".{settings.format}"
    if settings.out is not None and path.suffix.lower() != ending:
        raise InputError(
            f"`out` is {settings.out} and `format` is {settings.format}: give one of them, or a "
            f"name that ends in {ending}"
        )
    return path if settings.out is not None else path.with_name(f"{path.stem}{ending}")


def _names(runs: Sequence[str]) -> list[str]:
    """Return what files are called in a legend: their names, or their paths where these differ."""
    for run in runs:
        if runs.count(run) > 1:
            raise InputError(f"{run} is given twice: give each file once")
    names = [Path(run).stem for run in runs]
    return names if len(set(names)) == len(names) else list(runs)


def _drawn_from_collection(settings: PlotSettings, path: Path) -> bool:
    """Draw the phase diagram of a sweep; return False where there is no collection."""
    from flowfa.plots.phase import phase_diagram
    from flowfa.plots.saving import save
    from flowfa.records.collection import read_collection

    first = next(iter(settings.runs))
    if not Path(first).exists():
        raise InputError(
            f"there is no file {first}: give a file written by flowfa simulate, or by flowfa sweep "
            "collect"
        )
    collection = read_collection(first)
    if collection is None:
        if settings.over is not None:
            raise InputError(
                f"`over` is for the collection of a sweep, and {first} is none: leave it out"
            )
        return False
    if len(settings.runs) > 1 or settings.panels is not None:
        raise InputError(
            f"{first} is the collection of a sweep, which is drawn by itself: leave out "
            "other files and `panels`"
        )
    variable, *others = settings.panel or (None,)
    if others:
        raise InputError(
            f"`panel` names {len(others) + 1} variables: a phase diagram shows one, so give one"
        )
    figure = phase_diagram(collection, variable, settings.over, settings.style)
    save(figure, path, settings.style)
    return True


def _check_recorded(tree: DataTree, names: Sequence[str], run: str) -> None:
    """Refuse an observable that is known, but that the run was not asked for."""
    recorded = {
        str(name) for group in tree.children.values() for name in group.to_dataset().variables
    }
    for name in names:
        if name in recorded:
            continue
        # Imported only where a name is not in the file, because it takes torch along.
        from flowfa.flow import observables as _with_those_of_flowfa  # noqa: F401
        from flowfa.flow.observable_registry import OBSERVABLES

        if name in OBSERVABLES.names():
            raise InputError(
                f"{name} was not recorded in {run}: flowfa rerun {run} --observe {name} makes it "
                "again with it"
            )


def draw(
    results: DataTree | dict[str, DataTree],
    path: Path,
    panel: Sequence[str] | None = None,
    panels: Sequence[str] | None = None,
    style: str = "screen",
) -> None:
    """Write a figure of results to `path`: of some variables, some parts, or the default one."""
    from flowfa.plots.overview import overview
    from flowfa.plots.saving import save
    from flowfa.plots.variables import panel_of

    if panel is not None:
        figure = panel_of(results, *panel, style=style)
    else:
        figure = overview(results, panels=panels, style=style)
    save(figure, path, style)
