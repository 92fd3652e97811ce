"""The memory that a study needs, known before it begins."""

from __future__ import annotations

import itertools

from flowfa.deviation.settings import DeviationSettings
from flowfa.errors import InputError
from flowfa.problems.problem import Problem
from flowfa.records.output import free_memory, readable

BLOCK_BYTES = 2**29
"""Memory for the states of the starts that are compared together."""
CURVE_TIMES = 400
"""Times of the flow's curve, beside those of comparison, for the time-warped distance."""


def bytes_of_start(problem: Problem, settings: DeviationSettings) -> int:
    """Return about how many bytes the states of one start of a rule take, flow and steps."""
    inputs = min(problem.data.dim, problem.data.samples)
    parameters = sum(a * b for a, b in itertools.pairwise((inputs, *problem.sizes[1:])))
    variants = len(settings.all_rates) + len(settings.edge_multiples)
    compared = variants * len(settings.momenta) * settings.compared
    # The flow is kept at two tolerances, at all times of comparison and along its curve.
    return 8 * parameters * (2 * (compared + CURVE_TIMES) + compared)


def check_memory(problem: Problem, settings: DeviationSettings) -> None:
    """Refuse a study of which not even one start fits into memory.

    Raises
    ------
    InputError
        With what it needs, what is free, and what to ask for instead.
    """
    needed, free = 2 * bytes_of_start(problem, settings), free_memory()
    if free is not None and needed > free:
        variants = len(settings.all_rates) + len(settings.edge_multiples)
        raise InputError(
            f"comparing {variants * len(settings.momenta)} variants at {settings.compared} points "
            f"needs about {readable(needed)} for one start at width "
            f"{' '.join(map(str, problem.sizes[1:-1]))} and {readable(free)} are free: ask for "
            "fewer points, rates or momenta"
        )


def starts_together(problem: Problem, settings: DeviationSettings, starts: int) -> int:
    """Return how many starts are studied together."""
    return max(1, min(starts, BLOCK_BYTES // bytes_of_start(problem, settings)))
