"""Small sweeps for tests."""

from __future__ import annotations

from flowfa.sweeps import SweepFolder, make_plan
from flowfa.sweeps.definition import parse_definition

SETTINGS = {"samples": 4, "dim": 6, "t_end": 1.0, "save": 3, "trajectories": 2, "width": 3}


def small_plan(check=False, **more):
    """Return a plan of two rules and two leaks, of cells of some hundredths of a second."""
    document = {
        "settings": SETTINGS,
        "grid": {"rule": ["fa", "gd"], "leak": [0.5, 1.0]},
    }
    return make_plan(parse_definition({**document, **more}, "sweep.toml"), check)


def begun(path, plan):
    """Return the folder of a sweep that was begun."""
    folder = SweepFolder(path)
    folder.begin(plan)
    return folder


def contents(folder):
    """Return the bytes of the files of all cells."""
    return {file.name: file.read_bytes() for file in folder.cells.iterdir()}
