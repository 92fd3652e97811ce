"""Work and precision of the Runge-Kutta solvers on a flow with kinks and on one without.

The rule by which ``--solver auto`` chooses rests on this table. The error is the largest relative
difference of the final state (over trajectories, in the Euclidean norm) to a run at a far tighter
tolerance: for kinks dop853 at rtol 1e-9, for the linear network dop853 at 1e-13. The data are
orthogonally separable: neurons cross kinks there, and do not slide.

Run with ``python benchmarks/solvers.py [--threads N]``; prints the Markdown tables of
docs/laboratory/benchmarks.md. Takes several minutes.
"""

from __future__ import annotations

import time

import torch
from _script import begin, parser_of, print_header
from torch import Tensor

import flowfa
from flowfa.flow.network_flow import NetworkFlow
from flowfa.problems import build_ensemble
from flowfa.solvers.registry import make_solver
from flowfa.solvers.stepping.integration import Integration
from flowfa.solvers.stepping.solve import solve
from flowfa.solvers.stepping.status import Status

SOLVERS = ("bosh3", "dopri5", "tsit5", "dop853")
TOLERANCES = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7)


def keep_nothing(rows: Tensor, saves: Tensor, states: Tensor) -> None:
    """Drop saved states: only the last state counts."""


def integrate(flow: NetworkFlow, solver: str, rtol: float) -> tuple[Integration, float]:
    """Integrate to t = 100 without records; return the result and the seconds it took."""
    run = Integration.begin(flow.initial, torch.tensor([0.0, 100.0], dtype=torch.float64))
    began = time.perf_counter()
    solve(flow.field, run, make_solver(solver, rtol=rtol), keep_nothing)
    if set(run.status) != {Status.OK}:
        raise RuntimeError(f"{solver} at rtol {rtol:g}: {run.message(0)}")
    return run, time.perf_counter() - began


def table(leak: float, finest: float) -> None:
    """Print the table of one leak."""
    data = flowfa.datasets.orthogonally_separable(samples=30, dim=50, lambda_=0.1, seed=0)
    problem = flowfa.Problem(data, widths=(100,), rule="fa", leak=leak)
    flow = NetworkFlow(problem, build_ensemble(problem, 3, 0))
    reference, _ = integrate(flow, "dop853", finest)
    print(f"\nleak {leak:g}, 3 trajectories, t = 100\n")
    print_header("solver", "rtol", "error", "evaluations", "s")
    for solver in SOLVERS:
        for rtol in TOLERANCES:
            run, took = integrate(flow, solver, rtol)
            distance = (run.state - reference.state).norm(dim=1) / reference.state.norm(dim=1)
            evaluations = int(run.counters["evaluations"].max())
            print(
                f"| {solver} | {rtol:.0e} | {float(distance.max()):.1e} | {evaluations} "
                f"| {took:.2f} |"
            )


def main() -> None:
    """Print both tables."""
    arguments = begin(parser_of(__doc__))
    print(f"{arguments.threads} thread(s)")
    table(leak=0.1, finest=1e-9)
    table(leak=1.0, finest=1e-13)


if __name__ == "__main__":
    main()
