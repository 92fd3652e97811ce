"""The hybrid solver against the event solver, where neurons slide: agreement, and what rtol buys.

Random labels, 8 samples in 5 dimensions, width 10, leak 0.1, t = 8; every rule, every loss with one
and with three outputs where it has them, with and without biases. The error is the largest
difference of a weight at the end to the event solver at rtol 1e-11, in units of the largest
preactivation or output weight of the start. The two solvers share the merging of collinear
samples and the reading of rules, and nothing of their dynamics. Trajectories that met a point
without a unique solution are counted, and left out of the tables.

Then the same from small starts, which grow to the size of 1: the error is the largest over 21
times to t = 20 of the difference of a weight, in units of the largest preactivation or output
weight so far.

Run with ``python validation/event_agreement.py [--starts]``; prints the tables of
docs/laboratory/benchmarks.md, with --starts only the last. Takes about ten minutes, --starts three.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from flowfa.flow.network_flow import NetworkFlow
from flowfa.solvers.stepping.status import Status
from tests.support.sliding import RULES, integrate, network

TOLERANCES = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9)
SHOWN = (1e-4, 1e-6, 1e-8)
CASES = (
    ("exponential", 1),
    ("logistic", 1),
    ("cross-entropy", 3),
    ("squared", 1),
    ("squared", 3),
)


STARTS = (1.0, 1e-3, 1e-6)
CASES_OF_STARTS = ("exponential", "squared")


def sizes(flow: NetworkFlow, states: torch.Tensor) -> torch.Tensor:
    """Return the largest preactivation or output weight of states, (row, save), so far."""
    views = flow.layout.views(states.flatten(0, 1))
    z = views["W1"] @ flow.field.inputs.T
    size = torch.maximum(z.abs().amax((1, 2)), views["W2"].abs().amax((1, 2)))
    return size.view(states.shape[:2]).cummax(1).values


def table_of_starts() -> None:
    """Print errors and steps by rtol for starts of several sizes."""
    print("\n| rtol | start: " + " | ".join(f"{size:g}" for size in STARTS) + " | steps |")
    print("|---|" + "---|" * (len(STARTS) + 1))
    errors: dict[tuple[float, float], list[float]] = {}
    steps: dict[tuple[float, float], list[int]] = {}
    for size in STARTS:
        for loss in CASES_OF_STARTS:
            flow = network(loss, seed=1, outputs=1, starts=1, width=4)
            flow.initial *= size
            path = {"end": 20.0, "saves": 21}
            reference, exact = integrate(flow, "event", rtol=1e-11, atol=1e-20, **path)
            if set(reference.status) != {Status.OK}:
                raise RuntimeError(f"event: {reference.status}")
            finest, _ = integrate(flow, rtol=TOLERANCES[-1], **path)
            counts = reference.counters["repelling"], finest.counters["repelling"]
            unique = np.maximum(*counts) == 0
            for rtol in TOLERANCES:
                run, states = integrate(flow, rtol=rtol, **path)
                off = ((states - exact).abs().amax(2) / sizes(flow, exact)).amax(1).numpy()
                errors.setdefault((rtol, size), []).extend(off[unique].tolist())
                steps.setdefault((rtol, size), []).extend(run.counters["steps"].tolist())
    for rtol in TOLERANCES:
        cells = [f"{np.median(errors[rtol, s]):.0e}, {max(errors[rtol, s]):.0e}" for s in STARTS]
        counts = ", ".join(f"{np.median(steps[rtol, size]):.0f}" for size in STARTS)
        print(f"| {rtol:.0e} | {' | '.join(cells)} | {counts} |", flush=True)
    print(f"\n{', '.join(str(len(errors[TOLERANCES[0], size])) for size in STARTS)} trajectories")


def scale(flow: NetworkFlow) -> torch.Tensor:
    """Return the largest preactivation or output weight of each start."""
    views = flow.layout.views(flow.initial)
    z = views["W1"] @ flow.field.inputs.T
    if "c1" in views:
        z = z + views["c1"][:, :, None]
    return torch.maximum(z.abs().amax((1, 2)), views["W2"].abs().amax((1, 2)))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", action="store_true", help="only errors of small starts")
    only_starts = parser.parse_args().starts
    torch.set_num_threads(1)
    if not only_starts:
        agreement()
    table_of_starts()


def agreement() -> None:
    """Print the tables of all rules, losses and biases."""
    errors: dict[float, list[float]] = {rtol: [] for rtol in TOLERANCES}
    ratios: dict[float, list[float]] = {rtol: [] for rtol in TOLERANCES}
    steps: dict[float, list[int]] = {rtol: [] for rtol in TOLERANCES}
    slid, undecided, differing = 0, 0, 0
    print(f"| loss, outputs, bias | {' | '.join(f'rtol {rtol:.0e}' for rtol in SHOWN)} |")
    print("|---|" + "---|" * len(SHOWN))
    for loss, outputs in CASES:
        for bias in ("none", "all"):
            worst = {rtol: np.zeros(len(RULES)) for rtol in TOLERANCES}
            for seed in (1, 2):
                flow = network(loss, bias=bias, seed=seed, outputs=outputs)
                reference, _ = integrate(flow, "event", rtol=1e-11)
                if set(reference.status) != {Status.OK}:
                    raise RuntimeError(f"event: {reference.status}")
                unique = reference.counters["repelling"] == 0
                undecided += int((~unique).sum())
                slid += int(reference.counters["slidings"].sum())
                for rtol in TOLERANCES:
                    run, _ = integrate(flow, rtol=rtol)
                    difference = ((run.state - reference.state).abs().amax(1) / scale(flow)).numpy()
                    per_rule = np.where(unique, difference, 0.0).reshape(len(RULES), -1).max(1)
                    worst[rtol] = np.maximum(worst[rtol], per_rule)
                    errors[rtol] += difference[unique].tolist()
                    ratios[rtol] += (run.counters["error_estimate"] / difference)[unique].tolist()
                    steps[rtol] += run.counters["steps"].tolist()
                    if rtol == SHOWN[-1]:
                        same = run.counters["slidings"] == reference.counters["slidings"]
                        differing += int((~same & unique).sum())
            cells = (", ".join(f"{error:.0e}" for error in worst[rtol]) for rtol in SHOWN)
            print(f"| {loss}, {outputs}, {bias} | {' | '.join(cells)} |", flush=True)
    print(f"\nworst error of each rule: {', '.join(RULES)}")
    print(
        f"{len(errors[1e-3])} trajectories, {slid} sliding modes; {undecided} more met a point "
        f"without a unique solution; {differing} slid another number of times at rtol "
        f"{SHOWN[-1]:.0e}\n"
    )
    print("| rtol | error: median | 95 % | worst | estimate / error: 5 % | median | steps |")
    print("|---|---|---|---|---|---|---|")
    for rtol in TOLERANCES:
        middle, high = np.quantile(errors[rtol], (0.5, 0.95))
        least, typical = np.quantile(ratios[rtol], (0.05, 0.5))
        print(
            f"| {rtol:.0e} | {middle:.1e} | {high:.1e} | {max(errors[rtol]):.1e} | {least:.1f} "
            f"| {typical:.0f} | {np.median(steps[rtol]):.0f} |"
        )


if __name__ == "__main__":
    main()
