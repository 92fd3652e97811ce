"""Compiled code is kept on disk, and never outlives a source that it was made of."""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from numba import njit
from numba.core.dispatcher import Dispatcher

import flowfa
from flowfa.machine import code_cache
from flowfa.machine.code_cache import is_kept, keep_on_disk, sources_of
from flowfa.machine.compiled import compiling_message
from flowfa.solvers.hybrid import loop

ENTRY = """
import json
import sys

import numpy as np

from flowfa.machine.compiled import compiled
from flowfa.solvers.hybrid.motion import horner


@compiled(from_python=True)
def value(coefficients, x):
    return horner(coefficients, x)


result = value(np.array([1.0, 2.0, 3.0]), 2.0)
stats = value.stats
print(json.dumps({
    "value": result,
    "loaded": sum(stats.cache_hits.values()),
    "compiled": sum(stats.cache_misses.values()),
    "folder": stats.cache_path,
}))
"""
"""A module of the engine that is compiled in no time and calls one of its helpers."""
RUN = """
import json

import flowfa
from flowfa.datasets import nearly_orthogonal
from flowfa.solvers.hybrid.loop import integrate

problem = flowfa.Problem(nearly_orthogonal(4, 5, seed=0), widths=(3,), rule="fa")
run = flowfa.simulate(problem, 1, t_end=1.0, solver="hybrid")
print(json.dumps({
    "loss": run.tree["trajectory"]["loss"].values[0, -1],
    "loaded": sum(integrate.stats.cache_hits.values()),
}))
"""
HORNER = "total = total * x + coefficients[q]"
names = (f"made_{number}" for number in itertools.count())


@pytest.fixture
def package(tmp_path):
    """A copy of the package's sources."""
    folder = tmp_path / "flowfa"
    original = Path(flowfa.__file__).parent
    return shutil.copytree(original, folder, ignore=shutil.ignore_patterns("__pycache__"))


@pytest.fixture
def copy(tmp_path, package):
    """The folder of a copy of the package, with a module `entry` in the engine."""
    engine = package / "solvers" / "hybrid"
    (engine / "entry.py").write_text(ENTRY)
    # So that torch, which the entry has no use for, is not imported.
    (engine / "__init__.py").write_text("")
    return tmp_path


def run(copy, program="import flowfa.solvers.hybrid.entry", **environment):
    """What a program prints in a process of its own."""
    # Python looks at whole seconds to see whether its own bytecode is stale: it writes none.
    settings = {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1", "HOME": str(copy)}
    result = subprocess.run(
        [sys.executable, "-c", program],
        cwd=copy,
        env={key: word for key, word in os.environ.items() if key[:5] not in ("NUMBA", "XDG_C")}
        | settings
        | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(result.stdout) | {"stderr": result.stderr}


def test_an_edited_helper_of_the_engine_gives_new_numbers_and_nothing_else_compiles(copy):
    first, second = run(copy), run(copy)
    assert first["value"] == second["value"] == 17.0
    assert (first["loaded"], first["compiled"]) == (0, 1)
    assert (second["loaded"], second["compiled"]) == (1, 0)

    motion = copy / "flowfa" / "solvers" / "hybrid" / "motion.py"
    motion.write_text(motion.read_text().replace(HORNER, HORNER.replace("+", "-")))
    edited = run(copy)
    assert edited["value"] == -17.0 and edited["compiled"] == 1


def test_where_no_folder_can_be_written_each_process_compiles_and_none_complains(copy):
    blocked = copy / "file"
    blocked.write_text("")
    (copy / "flowfa" / "solvers" / "hybrid" / "__pycache__").write_text("")
    # Not by permissions, which root does not heed.
    nowhere = {"HOME": str(blocked), "XDG_CACHE_HOME": str(blocked)}
    printed = run(copy, NUMBA_CACHE_DIR=str(blocked / "cache"), **nowhere)
    assert printed["value"] == 17.0 and printed["folder"] is None and printed["stderr"] == ""


def test_compiled_code_is_kept_where_numba_is_told_to(copy):
    folder = copy / "elsewhere"
    printed = run(copy, NUMBA_CACHE_DIR=str(folder))
    assert Path(printed["folder"]).is_relative_to(folder) and list(
        folder.rglob("entry.value-*.nbc")
    )


def test_the_sources_of_the_engine_are_those_of_all_functions_that_it_calls():
    files, called, left = set(sources_of(Path(loop.__file__)).values()), set(), [loop.integrate]
    while left:
        function = left.pop()
        called.add(function)
        values = [function.py_func.__globals__.get(n) for n in function.py_func.__code__.co_names]
        left += [one for one in values if isinstance(one, Dispatcher) and one not in called]
    assert len(called) > 10 and all(is_kept(function) for function in called)
    assert {Path(function.py_func.__code__.co_filename).resolve() for function in called} <= files


def test_a_module_is_made_of_what_it_imports_in_whatever_way(tmp_path):
    package = tmp_path / "house"
    (package / "room").mkdir(parents=True)
    sources = {
        "__init__.py": "",
        "unrelated.py": "",
        "room/__init__.py": "",
        "room/start.py": "import math\nfrom . import sister\ndef f():\n    import house.late",
        "room/sister.py": "from ..cousin import function\nfrom house.room import start",
        "cousin.py": "from house import constants",
        "constants.py": "",
        "late.py": "",
    }
    for name, text in sources.items():
        (package / name).write_text(text)
    expected = {f"house/{name}" for name in sources if name != "unrelated.py"}
    assert set(sources_of(package / "room" / "start.py")) == expected
    lonely = tmp_path / "lonely.py"
    lonely.write_text("import house.late")
    assert set(sources_of(lonely)) == {"lonely.py", "house/late.py"}


def made(folder, factor):
    """A compiled function of a module in `folder` that multiplies by `factor`."""
    path = folder / "module.py"
    path.write_text(f"def times(x):\n    return {factor} * x\n")
    spec = importlib.util.spec_from_file_location(next(names), path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    code_cache.digest_of_sources.cache_clear()
    function = njit(module.times)
    keep_on_disk(function)
    return function


@pytest.fixture
def no_bytecode(monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)


def test_versions_of_old_sources_are_removed(tmp_path, no_bytecode):
    assert [made(tmp_path, factor)(1.0) for factor in range(1, 8)] == [1, 2, 3, 4, 5, 6, 7]
    kept = list((tmp_path / "__pycache__").glob("module.times-*.nbi"))
    assert len(kept) == code_cache.VERSIONS_KEPT
    latest = made(tmp_path, 7)
    assert latest(1.0) == 7 and sum(latest.stats.cache_hits.values()) == 1


def test_a_folder_that_fills_or_goes_is_said_once_and_harms_nothing(tmp_path, no_bytecode, capfd):
    function = made(tmp_path, 3)
    (tmp_path / "__pycache__").rmdir()
    (tmp_path / "__pycache__").write_text("")
    assert function(2.0) == 6.0 and function(2) == 6
    assert capfd.readouterr().err.count("could not be kept") == 1


def test_what_cannot_be_read_is_compiled(tmp_path, no_bytecode):
    made(tmp_path, 3)(2.0)
    (data,) = (tmp_path / "__pycache__").glob("*.nbc")
    data.unlink()
    data.mkdir()
    function = made(tmp_path, 3)
    assert function(2.0) == 6.0 and sum(function.stats.cache_misses.values()) == 1


def test_the_message_promises_to_keep_only_what_is_kept():
    def plain(x):
        return x

    assert "is kept for later runs" in compiling_message(loop.integrate)
    unkept = compiling_message(njit(plain))
    assert "in every run: set NUMBA_CACHE_DIR" in unkept and "kept for later" not in unkept


@pytest.mark.slow
def test_an_edit_deep_in_the_engine_changes_the_weights_of_a_run(tmp_path, package):
    """What the fast tests show of one small function, of the whole engine: it takes its time."""
    before, again = run(tmp_path, RUN), run(tmp_path, RUN)
    motion = package / "solvers" / "hybrid" / "motion.py"
    motion.write_text(motion.read_text().replace("h * q1,", "1.5 * h * q1,"))
    after = run(tmp_path, RUN)
    assert before["loss"] == again["loss"] != after["loss"]
    assert [before["loaded"], again["loaded"], after["loaded"]] == [0, 1, 0]
