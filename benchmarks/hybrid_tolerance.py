"""What tolerance buys: the global error of the hybrid solver where neurons slide.

Random labels, 8 samples in 5 dimensions (three classes or two targets where the loss wants them),
width 10, leak 0.1, all six rules, two starts each, t = 8. The error is the largest difference of a
weight at the end, in units of the largest preactivation or output weight of the start, to the same
solver at rtol 1e-10; benchmarks/event_agreement.py checks that this is the right limit.
Trajectories that met a point without a unique solution are left out.

Run with ``python benchmarks/hybrid_tolerance.py``; prints the table of docs/benchmarks.md. Takes a
few minutes.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from flowfa.flow.network_flow import NetworkFlow
from tests.sliding import integrate, network

TOLERANCES = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9)
LOSSES = ("exponential", "logistic", "cross-entropy", "squared")


def scale(flow: NetworkFlow) -> torch.Tensor:
    """Return the largest preactivation or output weight of each start."""
    views = flow.layout.views(flow.initial)
    z = views["W1"] @ flow.field.inputs.T
    if "c1" in views:
        z = z + views["c1"][:, :, None]
    return torch.maximum(z.abs().amax((1, 2)), views["W2"].abs().amax((1, 2)))


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    errors: dict[float, list[float]] = {rtol: [] for rtol in TOLERANCES}
    ratios: dict[float, list[float]] = {rtol: [] for rtol in TOLERANCES}
    steps: dict[float, list[int]] = {rtol: [] for rtol in TOLERANCES}
    for loss in LOSSES:
        for bias in ("none", "all"):
            for seed in (1, 2, 3):
                flow = network(loss, bias=bias, seed=seed)
                reference, _ = integrate(flow, rtol=1e-10)
                unique = reference.counters["repelling"] == 0
                for rtol in TOLERANCES:
                    run, _ = integrate(flow, rtol=rtol)
                    difference = (run.state - reference.state).abs().amax(1) / scale(flow)
                    error = difference.numpy()[unique]
                    errors[rtol] += error.tolist()
                    ratios[rtol] += (run.counters["error_estimate"][unique] / error).tolist()
                    steps[rtol] += run.counters["steps"].tolist()
    count = len(errors[TOLERANCES[0]])
    print(f"{count} trajectories\n")
    print("| rtol | error: median | 95 % | worst | estimate / error: 5 % | median | steps |")
    print("|---|---|---|---|---|---|---|")
    for rtol in TOLERANCES:
        low, high = np.quantile(errors[rtol], (0.5, 0.95))
        least, middle = np.quantile(ratios[rtol], (0.05, 0.5))
        print(
            f"| {rtol:.0e} | {low:.1e} | {high:.1e} | {max(errors[rtol]):.1e} | {least:.1f} "
            f"| {middle:.0f} | {np.median(steps[rtol]):.0f} |"
        )


if __name__ == "__main__":
    main()
