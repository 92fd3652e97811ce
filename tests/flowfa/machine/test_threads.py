"""The number of threads: who decides, what is remembered, and that nothing of it can fail."""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from flowfa.errors import InputError
from flowfa.machine import threads


@pytest.fixture(autouse=True)
def eight_cpus(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("FLOWFA_THREADS", raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(threads, "available_cpus", lambda: 8)


@pytest.fixture
def measured(monkeypatch):
    """Measurements that say 7 and are counted."""
    calls = []

    def measure(most):
        calls.append(most)
        return 7

    monkeypatch.setattr(threads, "measure_threads", measure)
    return calls


def test_what_is_asked_for_is_taken(measured, monkeypatch):
    monkeypatch.setenv("FLOWFA_THREADS", "3")
    assert threads.choose_threads(5) == 5
    assert not measured


def test_the_environment_decides_without_a_measurement(measured, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert threads.choose_threads() == 2
    monkeypatch.setenv("FLOWFA_THREADS", "3")
    assert threads.choose_threads() == 3
    assert not measured


@pytest.mark.parametrize("value", ["0", "-1", "two", "", "1.5", "1_0", "\u0663"])
def test_an_environment_variable_that_is_no_count_is_refused(monkeypatch, value):
    monkeypatch.setenv("FLOWFA_THREADS", value)
    with pytest.raises(InputError, match="FLOWFA_THREADS is"):
        threads.choose_threads()


def test_a_request_below_one_is_refused():
    with pytest.raises(InputError, match="expected at least 1"):
        threads.choose_threads(0)


def test_a_form_of_the_openmp_variable_that_is_no_count_is_passed_over(measured, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "4,2")
    assert threads.choose_threads() == 7


def test_one_cpu_is_left_to_others_and_two_need_no_measurement(measured, monkeypatch):
    assert threads.choose_threads() == 7
    assert measured == [7]
    monkeypatch.setattr(threads, "available_cpus", lambda: 2)
    assert threads.choose_threads() == 1
    assert measured == [7]


def test_a_measurement_is_made_once(measured):
    assert [threads.choose_threads() for _ in range(3)] == [7, 7, 7]
    assert measured == [7]


def test_another_number_of_cpus_is_measured_anew_and_both_are_remembered(measured, monkeypatch):
    threads.choose_threads()
    monkeypatch.setattr(threads, "available_cpus", lambda: 16)
    threads.choose_threads()
    assert measured == [7, 15]
    assert len(json.loads(threads.cache_file().read_text())) == 2


@pytest.mark.parametrize("content", ["", "{", "[]", '"text"', "\x00"])
def test_a_broken_memory_is_replaced(measured, content):
    path = threads.cache_file()
    path.parent.mkdir()
    path.write_text(content)
    assert threads.choose_threads() == 7
    assert threads.choose_threads() == 7
    assert measured == [7]


@pytest.mark.parametrize("value", [0, 99, "7", None, True, 2.5])
def test_a_remembered_value_that_makes_no_sense_is_measured_anew(measured, value):
    threads.choose_threads()
    path = threads.cache_file()
    path.write_text(json.dumps(dict.fromkeys(json.loads(path.read_text()), value)))
    assert threads.choose_threads() == 7
    assert measured == [7, 7]


def test_nowhere_to_remember_is_no_error(measured, monkeypatch, tmp_path):
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(in_the_way))
    assert threads.choose_threads() == 7


def test_memory_is_written_whole_without_a_trace_of_the_writing(measured):
    threads.choose_threads()
    assert [path.name for path in threads.cache_file().parent.iterdir()] == ["threads.json"]


def test_a_relative_cache_folder_is_ignored(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert threads.cache_file() == tmp_path / ".cache" / "flowfa" / "threads.json"


@pytest.mark.parametrize(("slowdown", "chosen"), [(0.5, 4), (0.95, 1), (20.0, 1)])
def test_more_threads_are_taken_only_if_clearly_faster(monkeypatch, slowdown, chosen):
    # A clock that runs by the number of threads in use.
    times = itertools.count()
    now = [0.0]

    def clock():
        next(times)
        now[0] += 1e-3 * (slowdown if torch.get_num_threads() > 1 else 1.0)
        return now[0]

    before = torch.get_num_threads()
    assert threads.measure_threads(4, clock) == chosen
    assert torch.get_num_threads() == before


def test_a_measurement_that_fails_leaves_one_thread(monkeypatch):
    def fail(count, clock):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(threads, "_cost", fail)
    assert threads.measure_threads(4) == 1


def test_a_remembered_answer_needs_no_torch(measured):
    threads.choose_threads()
    code = (
        "import sys; from flowfa.machine import threads; threads.available_cpus = lambda: 8; "
        "assert threads.choose_threads() == 7; assert 'torch' not in sys.modules"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(threads.__file__).parents[2])}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
