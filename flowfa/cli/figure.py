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
    """Draw the figure of a result file.

    Raises
    ------
    InputError
        If the file is no result, or the figure cannot be written.
    """
    from flowfa.plots.saving import figure_format
    from flowfa.records import load

    path = figure_beside(settings.run) if settings.out is None else Path(settings.out)
    figure_format(path)
    check_place(path, settings.overwrite)
    if _drawn_from_collection(settings, path):
        say(f"figure: {path}")
        return 0
    tree = load(settings.run)
    _check_recorded(tree, settings.panel or ())
    draw(tree, path, settings.panel)
    say(f"figure: {path}")
    return 0


def _drawn_from_collection(settings: PlotSettings, path: Path) -> bool:
    """Draw the phase diagram of a sweep; return False where there is no collection."""
    from flowfa.plots.phase import phase_diagram
    from flowfa.plots.saving import save
    from flowfa.records.collection import read_collection

    collection = read_collection(settings.run)
    if collection is None:
        if settings.over is not None:
            raise InputError(
                f"`over` is for the collection of a sweep, and {settings.run} is none: leave it out"
            )
        return False
    variable, *others = settings.panel or ("alignment",)
    if others:
        raise InputError(
            f"`panel` names {len(others) + 1} variables: a phase diagram shows one, so give one"
        )
    save(phase_diagram(collection, variable, settings.over), path)
    return True


def _check_recorded(tree: DataTree, names: Sequence[str]) -> None:
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
                f"{name} was not recorded in this run: make it again with --observe {name}, and "
                "draw that"
            )


def draw(tree: DataTree, path: Path, panels: Sequence[str] | None = None) -> None:
    """Write a figure of a result to `path`: of some variables, or the default one."""
    from flowfa.plots.overview import overview
    from flowfa.plots.saving import save
    from flowfa.plots.variables import panel_of

    save(overview(tree) if panels is None else panel_of(tree, *panels), path)
