"""The two event engines, compiled before the tests are dealt to several processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from flowfa.machine.code_cache import is_kept
from flowfa.solvers.deep_event import loop as deep_event
from flowfa.solvers.hybrid import loop as hybrid

ENGINES = {"hybrid": (hybrid.integrate, (3,)), "event": (deep_event.integrate, (3, 3))}
"""By the solver's name: what it compiles last, and widths that it takes."""
PROGRAM = """
import sys

import flowfa

solver, *widths = sys.argv[1:]
data = flowfa.datasets.gaussian(samples=4, dim=3, seed=0)
problem = flowfa.Problem(data, tuple(int(width) for width in widths), rule="fa")
flowfa.simulate(problem, 1, t_end=0.1, save=2, solver=solver)
"""


def not_on_disk() -> list[str]:
    """Return the engines that the next process would compile, and keep for those after it."""
    return [
        solver
        for solver, (function, _) in ENGINES.items()
        if is_kept(function) and not _index_of(function).exists()
    ]


def compile_engines(say: Callable[[str], None]) -> None:
    """Compile what is not on disk, the engines side by side.

    Otherwise each process that tests would compile both for itself; if it fails, they do.

    Parameters
    ----------
    say : callable
        Is told what is compiled, and what failed.
    """
    missing = not_on_disk()
    if not missing:
        return
    say(f"compiling once for all processes: {', '.join(missing)}")
    root = os.fspath(Path(__file__).parents[2])
    begun = {solver: _begin(solver, root) for solver in missing}
    for solver, process in begun.items():
        _, complaint = process.communicate()
        if process.returncode != 0:
            last = complaint.strip().rpartition("\n")[2]
            say(f"{solver} could not be compiled ahead of the tests: {last}")


def _begin(solver: str, root: str) -> subprocess.Popen[str]:
    widths = [str(width) for width in ENGINES[solver][1]]
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, solver, *widths],
        cwd=root,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def _index_of(function: Callable) -> Path:
    # numba writes a function's index after its code, and the callers' after those they call. Its
    # type stubs do not know where.
    return Path(function._cache._cache_file._index_path)  # type: ignore[attr-defined]
