"""Steps per second of processor time of discrete training, many networks side by side.

Run with ``python benchmarks/training.py [--threads N]``; prints the Markdown table of
docs/laboratory/benchmarks.md.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

from _script import begin, parser_of, print_header

from flowfa import datasets
from flowfa.flow.network_flow import NetworkFlow
from flowfa.problems import Problem, build_ensemble
from flowfa.settings import TrainingSettings
from flowfa.simulation.training_run import step_rule
from flowfa.training import strides

DECAY = "weight decay (no span reduction)"
SETTINGS: dict[str, dict[str, Any]] = {
    "full batch": {},
    "momentum 0.9": {"momentum": 0.9},
    "batches of 10": {"batch_size": 10},
    DECAY: {},
}
STARTS, RATES = 16, (0.1, 0.05, 0.025, 0.0125)
STEPS, REPETITIONS = 100, 5


def steps_per_second(settings: TrainingSettings, weight_decay: float) -> float:
    """Return the median over repetitions, after a warm-up."""
    data = datasets.nearly_orthogonal(samples=50, dim=500, gamma=2.0, seed=0)
    problem = Problem(data, widths=(100,), rule="fa", weight_decay=weight_decay)
    ensemble = build_ensemble(problem, STARTS, 0)
    flow = NetworkFlow(problem, ensemble, repeats=len(settings.variants))
    rule = step_rule(flow, settings, STARTS, 0)
    speeds = []
    for repetition in range(REPETITIONS + 1):
        began = time.process_time()
        for _ in strides(rule, flow.field, flow.initial, STEPS):
            pass
        if repetition:
            speeds.append(STEPS / (time.process_time() - began))
    return statistics.median(speeds)


def main() -> None:
    """Print the table."""
    begin(parser_of(__doc__))
    print_header(
        "fa, 64 networks, width 100, n = 50, d = 500", "steps of all / s", "network steps / s"
    )
    for name, more in SETTINGS.items():
        decay = 1e-4 if name == DECAY else 0.0
        speed = steps_per_second(TrainingSettings(rate=RATES, **more), decay)
        print(f"| {name} | {speed:.0f} | {64 * speed:.0f} |")


if __name__ == "__main__":
    main()
