"""Runs in a loop: the memory of the process does not grow with their number."""

from __future__ import annotations

import gc
import mmap
import os

import pytest

import flowfa
from tests.support.damage import SOAK

LOOPS = 1000 if SOAK else 60
MOST_GROWTH = 8.0
"""Megabytes in the second half of the loop, whatever its length."""


def resident():
    """Return the megabytes of memory that this process has."""
    gc.collect()
    with open("/proc/self/statm") as stream:
        return int(stream.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def growth(work, loops):
    """Return by how many megabytes the process grows in the second half of a loop."""
    for number in range(loops // 2):
        work(number)
    middle = resident()
    for number in range(loops // 2, loops):
        work(number)
    return resident() - middle


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="memory is read from /proc")
class TestMemory:
    """The second half of many runs, since the first fills what is kept of compiled code."""

    def test_runs_of_every_shape_leave_nothing_behind(self):
        data = flowfa.datasets.gaussian(samples=4, dim=3, seed=0)

        def work(number):
            rules = ("gd", "fa", "adafa", "signfa")[: 1 + number % 4]
            problem = flowfa.Problem(data, (2 + number % 5,), rule=rules)
            flowfa.simulate(problem, 1 + number % 3, t_end=0.2, save=3, seed=number)

        assert growth(work, LOOPS) < MOST_GROWTH

    def test_runs_on_disk_leave_nothing_behind(self, tmp_path):
        data = flowfa.datasets.gaussian(samples=4, dim=3, seed=0)
        problem = flowfa.Problem(data, (3,), rule="fa")

        def work(number):
            path = tmp_path / "run.nc"
            run = flowfa.simulate(problem, 1, t_end=0.1, save=3, path=path, overwrite=True)
            run.tree.close()

        assert growth(work, LOOPS // 2) < MOST_GROWTH
        assert [file.name for file in tmp_path.iterdir()] == ["run.nc"]

    def test_a_leak_is_seen(self):
        """The measure above is not blind."""
        kept = []

        def work(number):
            # Not an array: it could lie where earlier tests have left memory.
            block = mmap.mmap(-1, 2**23)
            block.write(b"1" * 2**23)
            kept.append(block)

        assert growth(work, 8) > MOST_GROWTH
