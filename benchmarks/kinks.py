"""Work and precision where neurons slide: random labels, which stop ordinary solvers.

The problem is n = 20 Gaussian samples in 50 dimensions with random labels, width 100, leak 0.1,
exponential loss, feedback alignment, t = 50; then n = 300 and width 800. The error is the largest
relative difference of the final state (over trajectories, in the Euclidean norm) to the hybrid
solver at its finest; that this is the right limit is shown by Euler's column, whose error falls
in proportion to its step although it knows nothing of events, and by validation/event_agreement.py.

Euler runs in Gram coordinates, its fastest form here. Methods without a batch (scipy) and those
whose steps are shared or one by one (torchdiffeq) are timed on one start: more take as long each.

Run with ``python benchmarks/kinks.py [--quick] [--figure FILE.png]``; one thread; prints the
Markdown tables of docs/laboratory/benchmarks.md. Takes about ten minutes, --quick two. Times
are those of the processor, not of the clock, so that a busy machine spoils them less.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from _script import begin, parser_of, print_header
from scipy.integrate import solve_ivp
from torch import Tensor

import flowfa
from flowfa.flow.network_flow import NetworkFlow
from flowfa.problems import build_ensemble
from flowfa.solvers.registry import make_solver
from flowfa.solvers.stepping.integration import Integration
from flowfa.solvers.stepping.solve import solve
from flowfa.solvers.stepping.status import Status

LEAK = 0.1
GOAL = 1e-5


@dataclass(frozen=True)
class Point:
    """One run: what it was, its error, evaluations of the field, and seconds a trajectory."""

    method: str
    setting: str
    error: float
    evaluations: float
    seconds: float
    note: str = ""


def make_flow(starts: int, samples: int = 20, width: int = 100) -> NetworkFlow:
    """Return the flow of random labels from so many starts."""
    data = flowfa.datasets.gaussian(samples=samples, dim=50, seed=0)
    problem = flowfa.Problem(data, (width,), leak=LEAK, rule="fa", initial="xavier")
    return NetworkFlow(problem, build_ensemble(problem, starts, 0))


def integrate(flow: NetworkFlow, solver: str, end: float, **settings: Any) -> Integration:
    """Integrate without records."""

    def keep_nothing(rows: Tensor, saves: Tensor, states: Tensor) -> None:
        """Drop saved states: only the last state counts."""

    run = Integration.begin(flow.initial, torch.tensor([0.0, end], dtype=torch.float64))
    return solve(flow.field, run, make_solver(solver, **settings), keep_nothing)


def distance(state: Tensor, reference: Tensor) -> float:
    """Return the largest relative difference over trajectories."""
    return float(((state - reference).norm(dim=1) / reference.norm(dim=1)).max())


def timed(run: Callable[[], Integration], repeats: int) -> tuple[Integration, float]:
    """Return the result and the least processor seconds of some repeats."""
    best, result = math.inf, None
    for _ in range(repeats):
        began = time.process_time()
        result = run()
        best = min(best, time.process_time() - began)
    assert result is not None
    return result, best


def of_flowfa(
    flow: NetworkFlow, reference: Tensor, end: float, solver: str, rtol: float, repeats: int = 1
) -> Point:
    """Run one of flowfa's own solvers, or torchdiffeq through it."""
    run, seconds = timed(lambda: integrate(flow, solver, end, rtol=rtol), repeats)
    bad = {status.label for status in run.status if status is not Status.OK}
    return Point(
        solver,
        f"rtol {rtol:.0e}",
        math.nan if bad else distance(run.state, reference),
        float(run.counters["evaluations"].mean()),
        seconds / len(flow),
        f"{', '.join(sorted(bad))} at t = {float(run.time.min()):.2f}" if bad else "",
    )


def of_scipy(flow: NetworkFlow, reference: Tensor, end: float, rtol: float) -> Point:
    """Run scipy's DOP853 on the first start, with a field written in plain NumPy."""
    field, layout = flow.field, flow.layout
    X = field.inputs.numpy()
    y = field.targets.numpy()[0]
    feedback = field.groups[0].kept["B2"][0, :, 0].numpy()
    shape = layout.shapes["W1"]
    cut = shape[0] * shape[1]

    def velocity(_: float, state: np.ndarray) -> np.ndarray:
        """Return d(W, v)/dt."""
        z = state[:cut].reshape(shape) @ X.T
        h = np.where(z > 0, z, LEAK * z)
        r = y * np.exp(-y * (state[cut:] @ h)) / len(y)
        slope = np.where(z > 0, 1.0, LEAK)
        return np.concatenate([((slope * r * feedback[:, None]) @ X).ravel(), h @ r])

    began = time.process_time()
    solution = solve_ivp(
        velocity, (0.0, end), flow.initial[0].numpy(), "DOP853", rtol=rtol, atol=rtol / 100
    )
    seconds = time.process_time() - began
    state = torch.from_numpy(solution.y[:, -1])[None]
    error = distance(state, reference[:1])
    return Point("scipy DOP853", f"rtol {rtol:.0e}", error, solution.nfev, seconds)


def of_euler(flow: NetworkFlow, reference: Tensor, end: float, step: float) -> Point:
    """Run Euler's method in Gram coordinates: Z = W X', and drives summed up for W."""
    views = flow.layout.views(flow.initial)
    X, y = flow.field.inputs, flow.field.targets[0]
    feedback = flow.field.groups[0].kept["B2"][:, :, 0]
    began = time.process_time()
    gram = X @ X.T
    Z = views["W1"] @ X.T
    v = views["W2"][:, 0].clone()
    total = torch.zeros_like(Z)
    for _ in range(round(end / step)):
        h = torch.nn.functional.leaky_relu(Z, LEAK)
        f = torch.bmm(v[:, None], h)[:, 0]
        r = (y * step / len(y)) * torch.exp(-y * f)
        drive = torch.ops.aten.leaky_relu_backward(
            feedback[:, :, None] * r[:, None], Z, LEAK, False
        )
        total += drive
        Z = torch.addmm(Z.flatten(0, 1), drive.flatten(0, 1), gram).view_as(Z)
        v += torch.bmm(h, r[:, :, None])[:, :, 0]
    W = views["W1"] + total @ X
    seconds = time.process_time() - began
    state = flow.layout.pack({"W1": W, "W2": v[:, None]})
    error = distance(state, reference)
    return Point("Euler, Gram", f"step {step:g}", error, end / step, seconds / len(flow))


def time_to(points: list[Point], goal: float) -> float:
    """Return the seconds to reach an error, interpolated between runs in logarithms."""
    known = sorted((p for p in points if p.error > 0.0), key=lambda p: -p.error)
    x = [-math.log(p.error) for p in known]
    y = [math.log(p.seconds) for p in known]
    if not x or not x[0] <= -math.log(goal) <= x[-1]:
        return math.nan
    return math.exp(np.interp(-math.log(goal), x, y))


def table(title: str, points: list[Point]) -> None:
    """Print runs as a Markdown table."""
    print(f"\n{title}\n")
    print_header("method", "setting", "error", "evaluations", "ms a trajectory")
    for p in points:
        error = p.note if p.note else f"{p.error:.1e}"
        print(
            f"| {p.method} | {p.setting} | {error} | {p.evaluations:,.0f} "
            f"| {1e3 * p.seconds:,.3g} |"
        )


def summary(points: list[Point], goal: float) -> None:
    """Print how much sooner the hybrid solver is than the best of the others."""
    names = dict.fromkeys(p.method for p in points)
    times = {name: time_to([p for p in points if p.method == name], goal) for name in names}
    others = {k: t for k, t in times.items() if k != "hybrid" and not math.isnan(t)}
    for name, seconds in times.items():
        print(f"{name}: {1e3 * seconds:,.4g} ms a trajectory for an error of {goal:g}")
    if others:
        best = min(others, key=lambda name: others[name])
        print(f"hybrid is {others[best] / times['hybrid']:.0f} times faster than {best}")


def figure(sets: dict[str, list[Point]], path: str) -> None:
    """Draw error against time, one panel a set."""
    import matplotlib.pyplot as plt
    from matplotlib.lines import Line2D

    names = sorted({p.method for points in sets.values() for p in points})
    styles = {name: f"C{i}" for i, name in enumerate(names)}
    drawn, axes = plt.subplots(1, len(sets), figsize=(4.2 * len(sets), 3.6), sharey=True)
    for axis, (title, points) in zip(np.atleast_1d(axes), sets.items(), strict=True):
        for name, colour in styles.items():
            of_method = [p for p in points if p.method == name and p.error > 0.0]
            if of_method:
                axis.loglog(
                    [1e3 * p.seconds for p in of_method],
                    [p.error for p in of_method],
                    "o-",
                    ms=4,
                    color=colour,
                    label=name,
                )
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("CPU milliseconds a trajectory")
        axis.grid(alpha=0.3)
    np.atleast_1d(axes)[0].set_ylabel("relative error at t = 50")
    handles = [Line2D([], [], marker="o", ms=4, color=colour) for colour in styles.values()]
    drawn.legend(handles, list(styles), loc="lower center", ncol=len(styles), fontsize=8)
    drawn.tight_layout(rect=(0.0, 0.08, 1.0, 1.0))
    drawn.savefig(path, dpi=150)


def main() -> None:
    """Print the tables and draw the figure."""
    parser = parser_of(__doc__)
    parser.add_argument("--quick", action="store_true", help="leave out what takes minutes")
    parser.add_argument("--figure", help="where to draw the figure")
    arguments = begin(parser)
    print(f"{arguments.threads} thread(s)")
    end = 50.0
    integrate(make_flow(1), "hybrid", 1.0, rtol=1e-3)  # compiles the engine, or loads it
    sets = {}
    for starts in (1, 64):
        flow = make_flow(starts)
        reference = integrate(flow, "hybrid", end, rtol=1e-9).state
        repeats = 5
        points = [
            of_flowfa(flow, reference, end, "hybrid", rtol, repeats)
            for rtol in (1e-3, 1e-4, 3e-5, 1e-5, 1e-6, 1e-7)
        ]
        steps = (0.01,) if arguments.quick else (0.01, 0.001, 0.0005)
        points += [of_euler(flow, reference, end, step) for step in steps]
        if starts == 1:
            points += [of_flowfa(flow, reference, end, "dopri5", rtol) for rtol in (1e-3, 1e-5)]
            points += [of_flowfa(flow, reference, end, "event", 1e-5)]
            if not arguments.quick:
                points += [
                    of_flowfa(flow, reference, end, "torchdiffeq:dopri5", rtol)
                    for rtol in (1e-4, 1e-5)
                ]
                points += [of_scipy(flow, reference, end, rtol) for rtol in (1e-4, 1e-5, 1e-6)]
        noun = "start" if starts == 1 else "starts"
        sets[f"n = 20, width 100, {starts} {noun}"] = points
    flow = make_flow(1, samples=300, width=800)
    reference = integrate(flow, "hybrid", end, rtol=1e-7).state
    points = [of_flowfa(flow, reference, end, "hybrid", rtol) for rtol in (1e-3, 1e-4, 1e-5)]
    points += [of_euler(flow, reference, end, step) for step in (0.05, 0.01)]
    sets["n = 300, width 800, 1 start"] = points
    for title, points in sets.items():
        table(title, points)
        summary(points, GOAL if "300" not in title else 1e-4)
    if arguments.figure:
        figure(sets, arguments.figure)


if __name__ == "__main__":
    main()
