"""How a sweep stands, for who watches it."""

from __future__ import annotations

import time

from flowfa.sweeps.standing import Standing
from tests.support.sweeps import begun, small_plan


def test_cells_that_are_done_or_have_failed_are_counted(tmp_path):
    plan = small_plan()
    folder = begun(tmp_path / "sweep", plan)
    folder.file(plan.cells[0]).touch()
    folder.fail(plan.cells[1], "error", "poison")
    assert Standing(folder, plan).state.doing == "2 of 4 cells"
    assert Standing(folder, plan).state.share == 0.5
    assert "stopped after 2 of 4 cells" in Standing(folder, plan).stopped


def test_a_folder_that_is_slow_to_list_is_listed_seldom(tmp_path, monkeypatch):
    plan = small_plan()
    folder = begun(tmp_path / "sweep", plan)
    looks = []

    def slow(plan):
        looks.append(time.sleep(0.02))
        return list(plan.cells)

    monkeypatch.setattr(folder, "left", slow)
    standing = Standing(folder, plan)
    begin = time.monotonic()
    while time.monotonic() < begin + 0.3:
        standing.state  # noqa: B018
    assert len(looks) == 1
    assert "after 0 of 4" in standing.stopped, "at the end it is counted whatever it takes"
    assert len(looks) == 2
