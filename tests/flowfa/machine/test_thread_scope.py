"""The library computes with a chosen number of threads, says so, and leaves torch as it was."""

from __future__ import annotations

import pytest
import torch

import flowfa
import theory_checks
from flowfa.flow.observable_registry import OBSERVABLES
from flowfa.machine import thread_scope
from flowfa.machine.thread_scope import chosen_threads


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    """A machine on which 2 threads are measured to be best, and a torch that takes 3."""
    monkeypatch.delenv("FLOWFA_THREADS", raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(thread_scope, "choose_threads", lambda requested=None: requested or 2)
    monkeypatch.setattr(thread_scope, "_measured", {})
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def seen():
    """The number of threads while a run is observed."""
    numbers = []

    @flowfa.observable("threads-seen", per="trajectory")
    def threads_seen(measured):
        """Number of threads."""
        numbers.append(torch.get_num_threads())
        return measured.state[:, 0]

    yield numbers
    OBSERVABLES.forget("threads-seen")


def problem():
    data = flowfa.datasets.orthogonally_separable(samples=3, dim=2, seed=0)
    return flowfa.Problem(data, (2,))


def test_a_flow_takes_what_was_measured_and_gives_it_back(seen):
    run = flowfa.simulate(problem(), 1, t_end=0.1, save=2, observe=["threads-seen"])
    assert set(seen) == {2} and run.threads == 2 and torch.get_num_threads() == 3
    assert "2 threads" in repr(run)


def test_training_takes_what_was_measured_and_gives_it_back(seen):
    run = flowfa.train(problem(), 1, steps=2, save=2, observe=["threads-seen"])
    assert set(seen) == {2} and run.threads == 2 and torch.get_num_threads() == 3


@pytest.mark.parametrize("run", [flowfa.simulate, flowfa.train])
def test_a_request_counts_more(run, seen):
    made = run(problem(), 1, t_end=0.1, save=2, threads=1, observe=["threads-seen"])
    assert set(seen) == {1} and made.threads == 1 and torch.get_num_threads() == 3


def test_checks_are_computed_so(monkeypatch):
    run = flowfa.simulate(problem(), 1, t_end=0.1, save=2)
    numbers = []
    theory_checks.check(run, ["C-1"], watch=lambda doing: numbers.append(torch.get_num_threads()))
    assert set(numbers) == {2} and torch.get_num_threads() == 3


def test_an_error_gives_them_back():
    with pytest.raises(flowfa.InputError):
        flowfa.simulate(problem(), 1, t_end=0.1, save=0)
    assert torch.get_num_threads() == 3


def test_callers_number_is_an_upper_limit():
    torch.set_num_threads(1)
    with chosen_threads() as threads:
        assert threads == 1


def test_environment_is_no_subject_to_it(monkeypatch):
    monkeypatch.setenv("FLOWFA_THREADS", "2")
    torch.set_num_threads(1)
    with chosen_threads() as threads:
        assert threads == 2


def test_blocks_within_a_block_keep_its_number():
    with chosen_threads(1), chosen_threads() as threads:
        assert threads == 1
        with chosen_threads(2) as other:
            assert other == 2
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 3


def test_machine_is_measured_once(monkeypatch):
    calls = []
    monkeypatch.setattr(thread_scope, "choose_threads", lambda requested=None: calls.append(1) or 2)
    for _ in range(3):
        with chosen_threads():
            pass
    assert len(calls) == 1
