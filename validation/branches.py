"""Do steps that left the flow at a kink come back to it as the rate falls? Three open cases.

The starts are those of ``deviation.py random-labels`` whose steps are elsewhere at rate 0.005.
Euler's steps are written here in numpy, with nothing of flowfa's field or solvers; the flow is the
hybrid solver's at rtol 1e-9. If that is right, and unique, steps come to it in the end.

Run with ``python validation/branches.py``; one thread; a minute. Prints the table of
docs/laboratory/deviation.md, section "Random labels".
"""

from __future__ import annotations

import numpy as np
import torch

import flowfa

CASES = (
    ("gd", 2, 6.0, (5e-3, 1e-3, 2e-4)),
    ("gd", 7, 30.0, (5e-3, 1e-4, 2e-5)),
    ("fa", 4, 50.0, (5e-3, 1e-3, 2e-4)),
)
"""Rule, start, time at the end, rates."""
LEAK = 0.1
POINTS = 41


def distances(rule: str, start: int, t_end: float, rates: tuple[float, ...]) -> list[float]:
    """Return the relative distance of steps to the flow at the end, for each rate."""
    data = flowfa.datasets.make("gaussian", seed=0, samples=20, dim=5)
    problem = flowfa.Problem(data, (50,), rule=(rule,), leak=LEAK)
    run = flowfa.simulate(
        problem, start + 1, t_end=t_end, save=POINTS, snapshots=2, solver="hybrid", rtol=1e-9
    )
    weights = run.tree.children["weights"].to_dataset()
    counts = run.tree.children["solver"].to_dataset()
    assert counts["repelling"].values[start] == 0, "the flow is not unique"
    hidden, out = weights["W1"].values[start], weights["W2"].values[start, :, 0]
    feedback = None if rule == "gd" else weights["B2"].values[start].reshape(-1)
    inputs, labels = np.asarray(data.X), np.asarray(data.y, dtype=float)
    relative = []
    for rate in rates:
        w, v = hidden[0].copy(), out[0].copy()
        for _ in range(round(t_end / rate)):
            z = w @ inputs.T
            slope = np.where(z > 0.0, 1.0, LEAK)
            activation = z * slope
            signal = labels * np.exp(-labels * (v @ activation)) / len(labels)
            back = v if feedback is None else feedback
            w, v = (
                w + rate * (back[:, None] * slope * signal) @ inputs,
                v + rate * activation @ signal,
            )
        away = np.hypot(np.linalg.norm(w - hidden[-1]), np.linalg.norm(v - out[-1]))
        relative.append(away / np.hypot(np.linalg.norm(hidden[-1]), np.linalg.norm(out[-1])))
    return relative


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    print("| rule, start | to t | deviation at each rate |\n|---|---|---|")
    for rule, start, t_end, rates in CASES:
        relative_distances = distances(rule, start, t_end, rates)
        cells = ", ".join(
            f"{rate:g}: {distance:.1e}"
            for rate, distance in zip(rates, relative_distances, strict=True)
        )
        print(f"| {rule}, {start} | {t_end:g} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
