"""Settings and fixtures of the whole test suite."""

from __future__ import annotations

import os
from pathlib import Path

# Before NumPy and torch are imported: thread pools read these once, at import.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["FLOWFA_THREADS"] = "1"
os.environ["MPLBACKEND"] = "Agg"

import pytest
import torch
from hypothesis import HealthCheck, settings

torch.set_num_threads(1)

# Shared machines are slow at times: the cost of an example is no property of the code.
settings.register_profile(
    "ci",
    derandomize=True,
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "nightly",
    max_examples=1000,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_sessionstart(session: pytest.Session) -> None:
    """Before xdist starts its processes for the whole suite, compile what each of them needs."""
    config = session.config
    distributed = config.getoption("dist", "no") != "no" and not hasattr(config, "workerinput")
    whole_suite = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    if distributed and whole_suite and not config.getoption("collectonly"):
        # Here, because the engines take seconds to import, and a run of some tests needs none.
        from tests.support.engines import compile_engines

        terminal = config.pluginmanager.get_plugin("terminalreporter")
        compile_engines(terminal.write_line if terminal else print)


DEVICES = ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> torch.device:
    """Each device that this machine has, one after the other."""
    return torch.device(request.param)


@pytest.fixture(scope="session")
def flowfa_data() -> Path:
    """The folder of data sets too large for the repository, named by FLOWFA_DATA."""
    named = os.environ.get("FLOWFA_DATA")
    if not named:
        pytest.skip("set FLOWFA_DATA to the folder of downloaded data sets to run this test")
    folder = Path(named)
    if not folder.is_dir():
        pytest.skip(f"FLOWFA_DATA is {named!r}, which is not a folder")
    return folder


@pytest.fixture
def step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let compiled solvers come back after each step, so that runs can be stopped anywhere."""
    monkeypatch.setattr("flowfa.solvers.hybrid.solver.MOST_STEPS", 1)
    monkeypatch.setattr("flowfa.solvers.deep_event.solver.STEPS_AT_ONCE", 1)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of data sets, and a cache of this test's own."""
    place = tmp_path / "data"
    place.mkdir()
    monkeypatch.setenv("FLOWFA_DATA", str(place))
    monkeypatch.setenv("FLOWFA_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return place
