"""The memory that a study needs, known before it begins."""

from __future__ import annotations

import itertools

from flowfa.machine.memory import check_fits
from flowfa.problems.problem import Problem
from flowfa.settings import DeviationSettings

BLOCK_BYTES = 2**29
"""Memory for the states of the starts that are compared together."""
CURVE_TIMES = 400
"""Times of the flow's curve, beside those of comparison, for the time-warped distance."""

MEASURES = 40
"""Numbers that are measured of a variant at a point, roughly."""
MATCHING_ARRAYS = 8
"""Arrays (point, time of the curve) that the time-warped distance needs at once."""


def bytes_of_start(problem: Problem, settings: DeviationSettings) -> int:
    """Return about how many bytes the states of one start of a rule take, flow and steps."""
    inputs = min(problem.data.dim, problem.data.samples)
    if any(problem.weight_decay[:1]):
        inputs = problem.data.dim
    parameters = sum(a * b for a, b in itertools.pairwise((inputs, *problem.sizes[1:])))
    compared = _variants(settings) * settings.compared
    # The flow is kept at two tolerances, at all times of comparison and along its curve. Memory
    # also holds the law's terms of each neuron, and the measures.
    numbers = parameters * (2 * (compared + CURVE_TIMES) + compared)
    return 8 * (numbers + compared * (3 * sum(problem.sizes[1:-1]) + MEASURES))


def _variants(settings: DeviationSettings) -> int:
    rates = len(settings.all_rates) + len(settings.edge_multiples)
    return rates * len(settings.momenta)


def _bytes_of_matching(settings: DeviationSettings) -> int:
    """Return about how many bytes matching the points of a variant with the curve takes."""
    times = _variants(settings) * settings.compared + CURVE_TIMES
    return 8 * MATCHING_ARRAYS * settings.compared * times


def check_memory(problem: Problem, settings: DeviationSettings) -> None:
    """Refuse a study of which not even one start fits into memory.

    Raises
    ------
    InputError
        With what it needs, what is free, and what to ask for instead.
    """
    check_fits(
        2 * bytes_of_start(problem, settings) + _bytes_of_matching(settings),
        f"comparing {_variants(settings)} variants at {settings.compared} points needs {{}} for "
        f"one start at width {' '.join(map(str, problem.sizes[1:-1]))}",
        "ask for fewer points, rates or momenta",
    )


def starts_together(problem: Problem, settings: DeviationSettings, starts: int) -> int:
    """Return how many starts are studied together."""
    return max(1, min(starts, BLOCK_BYTES // bytes_of_start(problem, settings)))
