"""The same flows on the processor and on a GPU: times, and how far the weights are apart.

The two round differently, so that steps chosen by the tolerance may differ in their last digits;
the distance of the final weights should be far below the tolerance. MNIST is read from
FLOWFA_DATA, and left out where that is not set.

Run with ``python benchmarks/devices.py [--threads N] [--device cuda]``; prints the Markdown tables
of docs/laboratory/benchmarks.md.
"""

from __future__ import annotations

import os
import time

import numpy as np
import torch
from _script import begin, parser_of, print_header

import flowfa
from flowfa.datasets.dataset import Dataset

RULES = ("gd", "fa", "adafa", "signfa")


def cases() -> dict[str, tuple[Dataset, int, int, float]]:
    """Return data, width, trajectories of each rule, and end."""
    small = flowfa.datasets.nearly_orthogonal(samples=30, dim=300, gamma=2.0, seed=0)
    named: dict[str, tuple[Dataset, int, int, float]] = {
        "nearly orthogonal, n = 30": (small, 100, 16, 20.0),
        "nearly orthogonal, n = 30, many starts": (small, 100, 128, 20.0),
    }
    if os.environ.get("FLOWFA_DATA"):
        digits = flowfa.datasets.make("mnist", samples=1000, classes=(3, 8), seed=0)
        named["MNIST, 3 and 8, n = 1000"] = (digits, 200, 4, 2.0)
    return named


def weights_and_seconds(
    data: Dataset, width: int, starts: int, end: float, device: str
) -> tuple[np.ndarray, float, flowfa.Run]:
    """Return the final W_1, (trajectory, neuron, feature), the time, and the run."""
    problem = flowfa.Problem(data, widths=(width,), rule=RULES)
    began = time.perf_counter()
    run = flowfa.simulate(
        problem, starts, t_end=end, rtol=1e-5, solver="bosh3", save=2, device=device
    )
    took = time.perf_counter() - began
    return run.tree.children["weights"].to_dataset()["W1"].values[:, -1], took, run


def main() -> None:
    """Print the table."""
    parser = parser_of(__doc__)
    parser.add_argument("--device", default="cuda")
    arguments = begin(parser)
    if arguments.device.startswith("cuda") and not torch.cuda.is_available():
        print("there is no GPU to compare with")
        return
    # The first use of a device takes seconds.
    torch.zeros(8, device=arguments.device).sum().item()
    print(f"{arguments.threads} thread(s); {arguments.device}\n")
    print_header("data", "networks", "steps", "cpu, s", "other, s", "faster", "W_1 differs by")
    for name, case in cases().items():
        on_cpu, slow, run = weights_and_seconds(*case, device="cpu")
        on_device, fast, other = weights_and_seconds(*case, device=arguments.device)
        assert run.statuses == other.statuses, (run.statuses, other.statuses)
        apart = np.abs(on_device - on_cpu).max() / np.abs(on_cpu).max()
        steps = max(summary["steps"] for summary in run.summary()["rules"].values())
        print(
            f"| {name}, width {case[1]}, t = {case[3]:g} | {len(on_cpu)} | {steps:.0f} "
            f"| {slow:.1f} | {fast:.1f} | {slow / fast:.1f} | {apart:.1e} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
