"""Deep flows through kinks: error and time of the event solver, bosh3, dopri5 and Euler.

Prints the table of docs/laboratory/deep.md. The reference is the event solver at rtol 1e-10;
Euler's method knows nothing of events, so that its errors, which fall with its step, confirm the
reference. Time is processor time of one thread; compiling is not counted.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

import flowfa
from flowfa.flow.network_flow import NetworkFlow
from flowfa.problems import build_ensemble
from flowfa.solvers.registry import make_solver
from flowfa.solvers.stepping.integration import Integration
from flowfa.solvers.stepping.solve import solve

PROBLEMS = (
    # samples, dimension, hidden widths
    (6, 4, (8, 6)),
    (10, 10, (20, 20)),
    (20, 50, (25, 25)),
    (10, 10, (10, 10, 10)),
)
T_END = 20.0


def flow_of(samples: int, dim: int, widths: tuple[int, ...], starts: int) -> NetworkFlow:
    """Return fa and gd on random labels, leak 0.1, exponential loss."""
    random = np.random.default_rng(0)
    X = random.standard_normal((samples, dim))
    data = flowfa.Dataset(X, random.choice((-1.0, 1.0), samples), "random labels")
    problem = flowfa.Problem(data, widths, 0.1, ("fa", "gd"), "exponential", initial="xavier")
    return NetworkFlow(problem, build_ensemble(problem, starts, 0))


def run_to_end(flow: NetworkFlow, solver: str, **settings: Any) -> tuple[Integration, float]:
    """Return the integration, and the processor time that a trajectory of it took."""
    run = Integration.begin(flow.initial, torch.tensor([0.0, T_END], dtype=torch.float64))
    begin = time.process_time()
    solve(flow.field, run, make_solver(solver, **settings), _ignore)
    return run, (time.process_time() - begin) / len(flow)


def _ignore(rows: Tensor, saves: Tensor, states: Tensor) -> None:
    """Save nothing."""


def rows(starts: int) -> Iterator[str]:
    """Yield the lines of the table."""
    yield "| samples, widths | solver | ms | largest error, median | not ok | events, sliding |"
    yield "| -- | -- | -- | -- | -- | -- |"
    for samples, dim, widths in PROBLEMS:
        flow = flow_of(samples, dim, widths, starts)
        exact, _ = run_to_end(flow, "event", rtol=1e-10)
        size = exact.state.abs().amax(1)
        cases: list[tuple[str, dict[str, Any]]] = [
            *(("event", {"rtol": rtol}) for rtol in (1e-3, 1e-5, 1e-7)),
            *(("bosh3", {"rtol": rtol, "max_steps": 20_000}) for rtol in (1e-3, 1e-5)),
            ("dopri5", {"rtol": 1e-5, "max_steps": 20_000}),
            *(("euler", {"step": step}) for step in (1e-2, 1e-3)),
        ]
        for solver, settings in cases:
            run, seconds = run_to_end(flow, solver, **settings)
            ok = torch.tensor([status.value == "reached the end" for status in run.status])
            errors = ((run.state - exact.state).abs().amax(1) / size)[ok]
            worst = f"{errors.max():.1e}, {errors.median():.1e}" if len(errors) else "none"
            name = solver + (f" {settings['rtol']:.0e}" if "rtol" in settings else "")
            name += f" h = {settings['step']:g}" if "step" in settings else ""
            events = ""
            if solver == "event":
                counts = {n: run.counters[n].mean() for n in ("crossings", "slidings", "exits")}
                still = counts["slidings"] - counts["exits"]
                events = f"{sum(counts.values()):.0f}, {still:.0f}"
            shape = f"{samples}, {'-'.join(map(str, widths))}"
            bad = int((~ok).sum())
            yield f"| {shape} | {name} | {1e3 * seconds:.3g} | {worst} | {bad} | {events} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=int, default=4)
    starts = parser.parse_args().starts
    torch.set_num_threads(1)
    run_to_end(flow_of(6, 4, (4, 4), 1), "event", rtol=1e-3)
    for line in rows(starts):
        print(line, flush=True)


if __name__ == "__main__":
    main()
