"""Time of the vector field against the matmul floor.

The floor is the time that the field's matrix products would take at the rate a large matrix
product reaches on the same machine with the same number of threads: flops / measured GEMM rate.

Run with ``python benchmarks/field.py [--threads N] [--device cuda]``; prints the Markdown table of
docs/laboratory/benchmarks.md.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from _script import begin, parser_of, print_header

from flowfa.datasets.dataset import Dataset
from flowfa.flow.network_flow import NetworkFlow
from flowfa.problems import Problem, build_ensemble

CASES = ((64, 100, 20, 50), (16, 200, 1000, 784), (1, 200, 4000, 784))
"""Trajectories, width, samples, features."""
LARGE = ((64, 200, 1000, 784), (64, 200, 4000, 784), (2048, 100, 20, 50))
"""More of them, which fill a GPU."""


def seconds(function: Callable[[], object], device: torch.device, least: float = 1.0) -> float:
    """Return the median time of a call, over at least `least` seconds after a warm-up."""

    def finish() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    function()
    finish()
    times: list[float] = []
    while sum(times) < least or len(times) < 5:
        began = time.perf_counter()
        function()
        finish()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def gemm_rate(device: torch.device) -> float:
    """Return the flops per second of a large float64 matrix product."""
    n = 2048 if device.type == "cpu" else 8192
    a = torch.randn(n, n, dtype=torch.float64, device=device)
    b = torch.randn(n, n, dtype=torch.float64, device=device)
    return 2.0 * n**3 / seconds(lambda: a @ b, device)


def flops(trajectories: int, width: int, samples: int, features: int) -> float:
    """Return the flops of the products for one hidden layer and one output.

    Forward W_1 X^T and W_2 h, the update's delta_1 X and delta_2 h^T, and the signal B delta_2.
    """
    first = 2.0 * width * samples * features
    second = 2.0 * width * samples
    return trajectories * (2.0 * first + 3.0 * second)


def flow_of(
    trajectories: int, width: int, samples: int, features: int, device: torch.device
) -> NetworkFlow:
    """Return a flow on Gaussian data with random labels."""
    random = np.random.default_rng(0)
    X = random.standard_normal((samples, features)) / features**0.5
    problem = Problem(Dataset(X, random.choice((-1.0, 1.0), samples)), (width,), rule="fa")
    return NetworkFlow(problem, build_ensemble(problem, trajectories, 0), device)


def main() -> None:
    """Print the table."""
    parser = parser_of(__doc__)
    parser.add_argument("--device", default="cpu")
    arguments = begin(parser)
    device = torch.device(arguments.device)
    rate = gemm_rate(device)
    where = f"{torch.get_num_threads()} thread(s)" if device.type == "cpu" else arguments.device
    print(f"{where}, GEMM rate {rate / 1e9:.1f} GFlop/s\n")
    print_header(
        "trajectories x width x n x d", "products, MFlop", "floor, ms", "field, ms", "ratio"
    )
    for case in CASES if device.type == "cpu" else CASES + LARGE:
        flow = flow_of(*case, device)
        clock = torch.zeros(len(flow), dtype=torch.float64, device=device)
        with torch.no_grad():
            took = seconds(lambda flow=flow, clock=clock: flow.field(clock, flow.initial), device)
        # The products are done in the span of the data.
        work = flops(case[0], case[1], case[2], min(case[2], case[3]))
        floor = work / rate
        name = " x ".join(map(str, case))
        print(
            f"| {name} | {work / 1e6:.1f} | {1e3 * floor:.3f} | {1e3 * took:.3f} "
            f"| {took / floor:.2f} |"
        )


if __name__ == "__main__":
    main()
