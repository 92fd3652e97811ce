"""``flowfa info``: what is in a result file, and how it was made."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from flowfa.cli.commands import InfoSettings
from flowfa.cli.console import say, say_json
from flowfa.cli.flags import in_flags, settings_of_run
from flowfa.cli.report import aligned, failure_lines, number, rule_table
from flowfa.errors import InputError

MADE_FROM_PYTHON = "none, made from Python"

if TYPE_CHECKING:
    from xarray import DataTree


def info(settings: InfoSettings) -> int:
    """Describe a result file.

    Raises
    ------
    InputError
        If the file is no result, or a part of it is missing.
    """
    from flowfa.records.attributes import decoded
    from flowfa.simulation.run import Run
    from flowfa.simulation.unfinished import find_unfinished, load_run

    unfinished = find_unfinished(settings.run)
    run = Run.open(settings.run) if unfinished is None else Run(load_run(settings.run))
    origin = decoded(run.tree.attrs, settings.run)
    groups = contents(run.tree)
    try:
        summary = run.summary()
    except KeyError as error:
        raise InputError(
            f"{settings.run} is not as flowfa writes it ({error.args[0].partition('. ')[0]}): make "
            "the run again, or use a copy"
        ) from error
    if settings.json:
        say_json({"run": settings.run, "made": origin, "groups": groups, **summary})
        return 0
    if unfinished is not None:
        say(_how_far(run.tree, origin))
    for line in _lines(settings.run, origin, groups, summary):
        say(in_flags(line, settings_of_run(run.tree)))
    return 0


def _how_far(tree: DataTree, origin: dict[str, Any]) -> str:
    """Say of a run that is not finished how far it is, as its checkpoint has it."""
    solver = tree.children["solver"].to_dataset()
    running = solver["status"].values.astype(str) == "running"
    reached = solver["t_reached"].values
    end = float(tree.children["trajectory"].to_dataset()["time"].values[-1])
    slowest = float(reached[running].min()) if running.any() else end
    words = origin.get("argv", [])
    mend = f"; {shlex.join(['flowfa', *words])} --resume goes on" if words else ""
    return (
        f"not finished, as of its last checkpoint: {int(running.sum())} of {len(running)} "
        f"trajectories run, the slowest is recorded to t = {slowest:.4g} of {end:.4g} "
        f"({100.0 * slowest / end:.0f} %){mend}"
    )


def contents(tree: DataTree) -> dict[str, Any]:
    """Return the dimensions and variables of each group."""
    return {
        str(name): {
            "dims": {str(dim): size for dim, size in group.sizes.items()},
            "variables": {
                str(title): {
                    "dims": [str(dim) for dim in variable.dims],
                    "type": _type_name(variable.dtype),
                    "long_name": variable.attrs.get("long_name"),
                }
                for title, variable in group.to_dataset(inherit=False).variables.items()
            },
        }
        for name, group in tree.children.items()
    }


def _type_name(dtype: Any) -> str:
    return "text" if dtype.kind in "OUS" else str(dtype)


def _lines(
    path: str, origin: dict[str, Any], groups: dict[str, Any], summary: dict[str, Any]
) -> Iterator[str]:
    yield f"{path}: {origin.get('status', 'no status')}"
    words = origin.get("argv", [])
    yield f"command   {shlex.join(['flowfa', *words]) if words else MADE_FROM_PYTHON}"
    for name in ("created", "device", "dtype", "threads", "seed", "git_revision"):
        yield f"{name.replace('_', ' '):<9} {_brief(origin.get(name, ''))}".rstrip()
    yield f"solving   {number(origin.get('solve_seconds'))} s"
    versions = origin.get("versions", {})
    yield "versions  " + ", ".join(f"{package} {version}" for package, version in versions.items())
    yield ""
    yield "settings"
    yield from (f"  {name} = {_brief(value)}" for name, value in origin.get("config", {}).items())
    for name, group in groups.items():
        yield ""
        yield f"/{name}  " + ", ".join(f"{dim} {size}" for dim, size in group["dims"].items())
        rows = [
            [f"  {title}", f"({', '.join(entry['dims'])})", entry["type"], entry["long_name"] or ""]
            for title, entry in group["variables"].items()
        ]
        yield from aligned(rows, left=4) if rows else ()
    yield ""
    yield from rule_table(summary)
    yield from failure_lines(summary)


def _brief(value: Any) -> str:
    """Return a setting as one would write it, lists and tables as JSON."""
    return value if isinstance(value, str) else json.dumps(value)
