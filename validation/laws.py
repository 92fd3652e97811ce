"""Laws of 140 random networks against the theory (C-9, C-14), and the table of docs/theory/laws.md.

``python validation/laws.py`` prints how many agree and how long it took on one core;
``python validation/laws.py docs/theory/laws.md`` writes the table into the page.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

from flowfa.problems.activations import LeakyReLU
from theory_checks.laws import Dynamics, laws
from theory_checks.laws.table import write_table


def main() -> None:
    """Count, compare and print."""
    if len(sys.argv) > 1:
        write_table(Path(sys.argv[1]))
        return
    source = np.random.default_rng(0)
    begun, longest, wrong, number = time.perf_counter(), 0.0, [], 0
    for dynamics, expected in _batch(source):
        before = time.perf_counter()
        found = laws(dynamics)
        longest = max(longest, time.perf_counter() - before)
        number += 1
        if found.count != expected or not found.complete:
            wrong.append((dynamics.rule.name, dynamics.sizes, found.count, expected))
    seconds = time.perf_counter() - begun
    print(f"{number} networks, {number - len(wrong)} as the theory says, complete")
    print(f"{seconds:.1f} s on one core, the longest {longest:.2f} s")
    for each in wrong:
        print("wrong:", *each)
    print(*_others(source), sep="\n")


def _sizes(source: np.random.Generator) -> tuple[int, ...]:
    """Return depth 2 to 4, widths 1 to 8."""
    return tuple(int(size) for size in source.integers(1, 9, int(source.integers(3, 6))))


def _batch(source: np.random.Generator):  # noqa: ANN202 - pairs of a flow and its count
    """Yield 40 networks without biases, each of one rule in turn, and 50 with, under two rules."""
    for number in range(40):
        sizes, rule = _sizes(source), ("gd", "fa")[number % 2]
        yield Dynamics(rule, sizes, LeakyReLU(0.1)), sum(sizes[1:-1])
    for _ in range(50):
        sizes = _sizes(source)
        has_bias = tuple(bool(one) for one in source.integers(0, 2, len(sizes) - 1))
        for rule in ("gd", "fa"):
            yield Dynamics(rule, sizes, LeakyReLU(0.1), has_bias), sum(sizes[1:-1])


def _others(source: np.random.Generator) -> list[str]:
    """Return how many of 40 more networks have the count of dfa, brsf and momentum."""
    nets = [_sizes(source) for _ in range(40)]
    agree = {
        "dfa, as many as the last hidden layer has neurons": [
            laws(Dynamics("dfa", sizes)).count == sizes[-2] for sizes in nets
        ],
        "brsf, none": [laws(Dynamics("brsf", sizes)).count == 0 for sizes in nets],
        "gd with momentum, none": [
            laws(Dynamics("gd", sizes, friction=0.1)).count == 0 for sizes in nets
        ],
        "fa with momentum, none": [
            laws(Dynamics("fa", sizes, friction=0.1)).count == 0 for sizes in nets
        ],
    }
    return [f"{name}: {sum(each)} of {len(each)}" for name, each in agree.items()]


if __name__ == "__main__":
    main()
