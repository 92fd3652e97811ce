"""Looking at more times gives the same trajectory as integrating once more from the start."""

from __future__ import annotations

import pytest
import torch

from flowfa.solvers.registry import make_solver
from flowfa.solvers.stepping.side_by_side import SideBySide
from tests.support.sliding import network
from theory_checks.evidence import waypoints
from theory_checks.evidence.from_flow import evidence_of_flow
from theory_checks.evidence.trajectory import Path, integrate

END = 4.0
MESH = torch.linspace(0.0, END, 9, dtype=torch.float64)
MORE = torch.tensor([0.013, 0.9, 0.91, 1.73, 2.6, 3.999], dtype=torch.float64)
SOLVERS = {
    "hybrid": {},
    "event": {},
    "bosh3": {},
    "dop853": {},
    "gauss4": {},
    "euler": {"step": 0.03},
    "torchdiffeq:dopri5": {},
}


def path_of(solver: str, leak: float, mesh: torch.Tensor = MESH, until: float = END) -> Path:
    """Return a path of fa and gd, the first of which is looked at up to `until`."""
    flow = network(rules=("fa", "gd"), leak=leak)
    limit = torch.full((len(flow),), END, dtype=torch.float64)
    limit[0] = until
    made = make_solver(solver, rtol=1e-5, **SOLVERS[solver])
    return integrate(flow.field, flow.initial, mesh, made, limit)


def looked_at(path: Path, until: torch.Tensor, more: torch.Tensor = MORE) -> Path:
    """Return the path on the mesh and at more times."""
    finer = path.looked_at(MESH, more, until)
    assert finer is not None
    return finer


def assert_same(finer: Path, whole: Path) -> None:
    """Assert that the states are those of another path, but for rounding."""
    torch.testing.assert_close(finer.states, whole.states, rtol=1e-10, atol=1e-13, equal_nan=True)


@pytest.mark.parametrize("solver", SOLVERS)
def test_more_times_are_as_integrated_anew(solver):
    leak = 0.1 if solver in ("hybrid", "event", "euler") else 1.0
    until = torch.full((4,), END, dtype=torch.float64)
    until[0] = 1.8
    path = path_of(solver, leak, until=1.8)
    mesh = torch.cat([MESH, MORE]).sort().values
    finer = looked_at(path, until)
    assert_same(finer, path_of(solver, leak, mesh, 1.8))
    assert finer.states[0, mesh > 1.8].isnan().all()
    assert finer.states[1:].isfinite().all()


def test_a_trajectory_that_ended_early_is_seen_as_far_as_it_got():
    flow = network(rules=("fa",), leak=0.1)
    solver = make_solver("bosh3", rtol=1e-5, max_steps=30)
    until = torch.full((len(flow),), END, dtype=torch.float64)
    path = integrate(flow.field, flow.initial, MESH, solver, until)
    assert set(path.status) == {"max-steps"}
    more = torch.linspace(0.01, END - 0.01, 40, dtype=torch.float64)
    finer = looked_at(path, until, more)
    mesh = torch.cat([MESH, more]).sort().values
    assert (finer.states[:, :, 0].isfinite() == (mesh <= path.reached[:, None])).all()


def test_chosen_trajectories_are_looked_at_alone():
    path = path_of("hybrid", 0.1)
    until = torch.full((4,), END, dtype=torch.float64)
    chosen = torch.tensor([1, 3])
    together = looked_at(path, until)
    alone = looked_at(path.select(chosen), until[chosen])
    torch.testing.assert_close(alone.states, together.states[chosen], rtol=1e-10, atol=1e-13)


def test_short_memory_keeps_fewer_waypoints_and_gives_the_same_states(monkeypatch):
    until = torch.full((4,), END, dtype=torch.float64)
    everything = path_of("hybrid", 0.1)
    monkeypatch.setattr(waypoints, "MOST_BYTES", everything.waypoints.bytes // 5)
    monkeypatch.setattr(waypoints, "BATCH_BYTES", 2**12)
    few = path_of("hybrid", 0.1)
    assert 0 < few.waypoints.bytes <= everything.waypoints.bytes // 5
    assert_same(looked_at(few, until), looked_at(everything, until))


def test_evidence_looks_again_without_integrating_anew(monkeypatch):
    flow = network(rules=("fa", "gd"))
    evidence = evidence_of_flow(flow, t_end=END, rtol=1e-4, saves=5, solver="hybrid")
    _ = evidence.paths
    finer = evidence.closer()
    again = torch.zeros(len(evidence.times) // 2, dtype=torch.bool)
    again[1] = True
    refined = evidence.refined(again)
    integrated = []
    monkeypatch.setattr(
        "theory_checks.evidence.evidence.integrate",
        lambda *given: integrated.append(given[3]) or integrate(*given),
    )
    assert len(refined.paths[0].states[0]) == len(evidence.times) + 2
    assert finer is not None
    assert finer.paths[:-1] == evidence.paths
    # The finer rung.
    assert len(integrated) == 1


def test_solvers_side_by_side_are_integrated_anew():
    flow = network(rules=("fa", "gd"), leak=1.0)
    solver = SideBySide(
        {"fa": make_solver("hybrid", rtol=1e-4), "gd": make_solver("dopri5", rtol=1e-4)}
    )
    path = integrate(flow.field, flow.initial, MESH, solver)
    assert path.looked_at(MESH, MORE, path.reached) is None
