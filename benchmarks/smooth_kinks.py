"""Smoothed kinks: distance to the exact flow, cost, and which solver wins on deep nets.

Run ``python benchmarks/smooth_kinks.py``; it takes three minutes and prints the tables of
docs/laboratory/smoothed-kinks.md. Random labels (20 samples in 50 dimensions), leak 0.1, Xavier
starts, t = 20.
"""

from __future__ import annotations

import time

import numpy as np
from _script import print_header

import flowfa

EPSILONS = (1e-1, 1e-2, 1e-3, 1e-4)
STARTS = 3
T_END = 20.0
EULER_STEP = 4e-3


def simulated(
    widths: tuple[int, ...],
    smooth_kinks: float | None,
    solver: str,
    rtol: float,
    rules: tuple[str, ...] = ("gd", "fa"),
    step: float | None = None,
) -> tuple[np.ndarray, flowfa.Run, float]:
    """Return the final weights, (trajectory, weight), the run and the seconds it took."""
    data = flowfa.datasets.gaussian(samples=20, dim=50, seed=0)
    problem = flowfa.Problem(data, widths, rule=rules, initial="xavier", smooth_kinks=smooth_kinks)
    began = time.perf_counter()
    run = flowfa.simulate(problem, STARTS, t_end=T_END, save=2, solver=solver, rtol=rtol, step=step)
    seconds = time.perf_counter() - began
    names = [f"weights/W{layer}" for layer in range(1, len(widths) + 2)]
    weights = [run.tree[name].isel(snapshot=-1).to_numpy() for name in names]
    flat = np.concatenate([weight.reshape(len(weight), -1) for weight in weights], axis=1)
    return flat, run, seconds


def distances(weights: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """Return the relative distance of the weights of each trajectory."""
    return np.linalg.norm(weights - exact, axis=1) / np.linalg.norm(exact, axis=1)


def most_evaluations(run: flowfa.Run) -> int:
    """Return the evaluations of the trajectory that took most."""
    return int(run.tree["solver/evaluations"].to_numpy().max())


def against_hybrid() -> None:
    """Print the distance to the hybrid solver and the cost, one hidden layer."""
    exact, run, _ = simulated((30,), None, "hybrid", 1e-9)
    print(f"against hybrid, width 30: {run.tree['solver/slidings'].to_numpy()} slidings,")
    print(f"{run.tree['solver/repelling'].to_numpy()} choices without a unique solution\n")
    print_header("EPS", "rtol", "median distance", "largest distance", "evaluations")
    for epsilon in EPSILONS:
        for rtol in (1e-4, 1e-8):
            weights, run, _ = simulated((30,), epsilon, "dopri5", rtol)
            far = distances(weights, exact)
            print(
                f"| {epsilon:.0e} | {rtol:.0e} | {np.median(far):.1e} | {far.max():.1e} | "
                f"{most_evaluations(run)} |"
            )


def bias_of_observables() -> None:
    """Print the cosine of gd while samples slide, whose limit is not the exact flow's 1."""
    print("\none hidden layer, width 30, gd: 1 - cosine at the end\n")
    print_header("EPS", "median", "largest")
    for epsilon in EPSILONS:
        _, run, _ = simulated((30,), epsilon, "dopri5", 1e-8, ("gd",))
        below = 1.0 - run.tree["trajectory/cosine"].to_numpy()[:, -1]
        print(f"| {epsilon:.0e} | {np.median(below):.1e} | {below.max():.1e} |")


def against_euler() -> None:
    """Print the distance to Euler's method on the exact kinks, extrapolated; two hidden layers."""
    rules = ("gd", "fa", "signfa")
    coarse, _, _ = simulated((30, 20), None, "euler", 1e-4, rules, EULER_STEP)
    fine, _, _ = simulated((30, 20), None, "euler", 1e-4, rules, EULER_STEP / 2.0)
    apart = distances(coarse, fine)
    print("\ntwo hidden layers, width 30 20, against extrapolated Euler, whose steps differ by")
    print(f"{apart.min():.1e} to {apart.max():.1e}\n")
    print_header("EPS", "median distance", "largest distance", "evaluations")
    for epsilon in EPSILONS:
        weights, run, _ = simulated((30, 20), epsilon, "dopri5", 1e-7, rules)
        far = distances(weights, 2.0 * fine - coarse)
        print(
            f"| {epsilon:.0e} | {np.median(far):.1e} | {far.max():.1e} | {most_evaluations(run)} |"
        )


def choice_of_auto() -> None:
    """Print work and precision on two hidden layers; the reference is dopri5 at 1e-9."""
    print("\ntwo hidden layers, width 30 20\n")
    print_header("EPS", "rtol", "solver", "error", "evaluations", "s")
    for epsilon in EPSILONS[:3]:
        reference, _, _ = simulated((30, 20), epsilon, "dopri5", 1e-9)
        for rtol in (1e-4, 1e-6):
            for solver in ("bosh3", "dopri5", "dop853"):
                weights, run, seconds = simulated((30, 20), epsilon, solver, rtol)
                print(
                    f"| {epsilon:.0e} | {rtol:.0e} | {solver} | "
                    f"{distances(weights, reference).max():.1e} | "
                    f"{most_evaluations(run)} | {seconds:.2f} |"
                )


if __name__ == "__main__":
    against_hybrid()
    bias_of_observables()
    against_euler()
    choice_of_auto()
