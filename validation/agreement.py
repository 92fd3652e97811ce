"""Accuracy on nearly orthogonal data: the law's drift by tolerance, and scipy as a second opinion.

The second opinion shares no code with flowfa but the data and the start: the flow of one network
in the user's coordinates, written in numpy, integrated by scipy's DOP853 at rtol 1e-9.

Run with ``python validation/agreement.py [--threads N]``; prints the Markdown tables of
docs/laboratory/benchmarks.md.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from scipy.integrate import solve_ivp

import flowfa
from flowfa.machine.allocator import keep_freed_memory
from flowfa.problems import build_ensemble

RULES = ("gd", "fa", "adafa", "signfa")
T_END = 100.0


def plain_flow(
    X: np.ndarray, y: np.ndarray, width: int, leak: float, rule: str, feedback: np.ndarray | None
) -> Callable[[float, np.ndarray], np.ndarray]:
    """Return dtheta/dt of a two-layer network with exponential loss, from its definition."""
    samples, dim = X.shape

    def velocity(_: float, theta: np.ndarray) -> np.ndarray:
        w, v = theta[: width * dim].reshape(width, dim), theta[width * dim :]
        z = X @ w.T
        h = np.where(z > 0, z, leak * z)
        delta = -y * np.exp(-y * (h @ v)) / samples
        if rule == "gd":
            b = v
        elif rule == "signfa":
            b = np.sign(v)
        else:
            assert feedback is not None
            b = feedback
        hidden = np.outer(delta, b) * np.where(z > 0, 1.0, leak)
        return np.concatenate([-(hidden.T @ X).ravel(), -(h.T @ delta)])

    return velocity


def drift_table(solver: str) -> None:
    """Print statuses and the drift of C-1 for three tolerances."""
    data = flowfa.datasets.nearly_orthogonal(samples=30, dim=300, gamma=2.0, seed=0)
    problem = flowfa.Problem(data, widths=(100,), rule=RULES)
    print("\n| rtol | status | worst drift of C-1: gd | fa | adafa | signfa | steps | s |")
    print("|---|---|---|---|---|---|---|---|")
    for rtol in (1e-4, 1e-5, 1e-6):
        start = time.perf_counter()
        run = flowfa.simulate(problem, trajectories=16, t_end=T_END, rtol=rtol, solver=solver)
        took = time.perf_counter() - start
        summaries = run.summary()["rules"]
        statuses = ", ".join(sorted(set(run.statuses)))
        drifts = " | ".join(f"{summaries[rule]['conservation_drift']:.1e}" for rule in RULES)
        steps = max(entry["steps"] for entry in summaries.values())
        print(f"| {rtol:.0e} | {statuses} | {drifts} | {steps:.0f} | {took:.1f} |")


def scipy_table(solver: str) -> None:
    """Print the distance to scipy's solution for a width-20 trajectory of each rule."""
    data = flowfa.datasets.nearly_orthogonal(samples=30, dim=300, gamma=2.0, seed=0)
    print("\n| rule | largest difference of a weight at t = 100 | scipy evaluations | ours |")
    print("|---|---|---|---|")
    for rule in RULES:
        problem = flowfa.Problem(data, widths=(20,), rule=rule)
        run = flowfa.simulate(problem, trajectories=1, t_end=T_END, rtol=1e-7, solver=solver)
        start = build_ensemble(problem, 1, 0)
        kept = start.feedback[0].get("B2")
        feedback = None if kept is None else kept[0, :, 0]
        initial = np.concatenate([start.weights[0][0].ravel(), start.weights[1][0].ravel()])
        oracle = solve_ivp(
            plain_flow(data.X, data.y, 20, 0.1, rule, feedback),
            (0.0, T_END),
            initial,
            "DOP853",
            rtol=1e-9,
            atol=1e-11,
        )
        weights = run.tree.children["weights"].to_dataset()
        last = np.concatenate(
            [weights["W1"].values[0, -1].ravel(), weights["W2"].values[0, -1].ravel()]
        )
        difference = np.abs(last - oracle.y[:, -1]).max()
        counts = run.tree.children["solver"].to_dataset()
        evaluations = int(counts["evaluations"].values[0])
        print(f"| {rule} | {difference:.1e} | {oracle.nfev} | {evaluations} |", flush=True)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--solver", default="auto")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    keep_freed_memory()
    print(f"{torch.get_num_threads()} thread(s)")
    drift_table(arguments.solver)
    scipy_table(arguments.solver)


if __name__ == "__main__":
    main()
