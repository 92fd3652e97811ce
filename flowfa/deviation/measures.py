"""The measures of some starts of one rule, taken once their steps and their flows are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from flowfa.deviation.distances import FreshInputs, compare
from flowfa.deviation.reference import Reference
from flowfa.deviation.variants import Variants
from flowfa.deviation.walk import Walk
from flowfa.deviation.warp import time_warped
from flowfa.flow.network_flow import NetworkFlow
from flowfa.settings import DeviationSettings

SHOWN_NEURONS = 4
"""Neurons of the first start whose weights are kept, to show flow and steps side by side."""
COMPARED_BYTES = 2**26
"""Memory for the preactivations of the points that are compared together."""


@dataclass(frozen=True)
class Pairs:
    """Steps of some starts of one rule beside their flows.

    Attributes
    ----------
    flow : NetworkFlow
        The flow of all starts and rules.
    rows : Tensor
        The rows of these starts in it.
    fresh : FreshInputs
        Inputs for all rows of the flow.
    variants : Variants
    chosen : numpy.ndarray
        The variants that were run.
    walked : Walk
        With a row for each start and chosen variant, the variants of the first start first.
    reference : Reference
        With a row for each start.
    """

    flow: NetworkFlow
    rows: Tensor
    fresh: FreshInputs
    variants: Variants
    chosen: np.ndarray
    walked: Walk
    reference: Reference

    def indices(self, variant: int) -> np.ndarray:
        """Return the indices, in the reference, of a variant's times of comparison, (point,)."""
        return self.reference.at(self.variants.times[variant])

    def outside(self, start: int) -> float:
        """Return the squared norm of the part of W_1 that never moves."""
        return float(self.flow.span.outside_norm2[self.rows[start]].sum())

    def split(self, row: int) -> tuple[int, int]:
        """Return the start and the variant of a row of the walk."""
        start, index = divmod(row, len(self.chosen))
        return start, int(self.chosen[index])


def distances(pairs: Pairs) -> dict[str, np.ndarray]:
    """Return the distances of `compare` and ``flow_error``, each (row, point[, layer])."""
    rows, errors = [], []
    for row, states in enumerate(pairs.walked.states):
        start, variant = pairs.split(row)
        at_times = torch.from_numpy(pairs.indices(variant))
        exact = pairs.reference.states[start, at_times]
        rows.append(_of_points(pairs, pairs.rows[start], exact, states))
        norm2 = exact.square().sum(1)
        share = (norm2 / (norm2 + pairs.outside(start))).sqrt()
        errors.append(pairs.reference.error[start, at_times] * share)
    measured = {name: torch.stack([of_row[name] for of_row in rows]).numpy() for name in rows[0]}
    return measured | {"flow_error": torch.stack(errors).numpy()}


def _of_points(pairs: Pairs, row: Tensor, exact: Tensor, states: Tensor) -> dict[str, Tensor]:
    """Compare all points of one row, a few at a time, as each has all preactivations."""
    flow = pairs.flow
    hidden = sum(flow.layout.sizes[1:-1])
    size = max(1, COMPARED_BYTES // (8 * hidden * flow.problem.data.samples))
    comparisons = []
    for flow_points, step_points in zip(exact.split(size), states.split(size), strict=True):
        rows = row.repeat(len(flow_points))
        comparisons.append(
            compare(
                flow.field.select(rows),
                flow_points,
                step_points,
                flow.span.outside_norm2[rows],
                pairs.fresh.select(rows),
            )
        )
    return {
        name: torch.cat([comparison[name] for comparison in comparisons]) for name in comparisons[0]
    }


def warped(pairs: Pairs) -> dict[str, np.ndarray]:
    """Return time-warped distances relative to ||theta_flow||, their error, the matched times.

    The curve is a polygon. What its corners cut off is judged by leaving out every second time:
    where the flow is smooth that makes the error four times as large.
    """
    measured: dict[str, list[np.ndarray]] = {"warped": [], "warped_error": [], "matched_time": []}
    times = pairs.reference.times
    half = np.union1d(np.arange(0, len(times), 2), [len(times) - 1])
    for row, states in enumerate(pairs.walked.states):
        start, variant = pairs.split(row)
        points, curve = states.numpy(), pairs.reference.states[start].numpy()
        norm2 = np.square(curve[pairs.indices(variant)]).sum(1) + pairs.outside(start)
        distance, matched = time_warped(points, curve, times)
        coarser, _ = time_warped(points, curve[half], times[half])
        measured["warped"].append(distance / np.sqrt(norm2))
        measured["warped_error"].append(np.abs(coarser - distance) / 3.0 / np.sqrt(norm2))
        measured["matched_time"].append(matched)
    return {name: np.stack(rows) for name, rows in measured.items()}


def law(walked: Walk) -> dict[str, np.ndarray]:
    """Return how far C moves, what C-11 predicts, and their difference, each (row, point)."""
    return {
        "law_drift": _largest(walked.drift),
        "law_predicted": _largest(walked.predicted),
        "law_error": _largest((walked.drift - walked.predicted) / walked.turnover),
    }


def _largest(values: Tensor) -> np.ndarray:
    """Return the largest absolute value of any neuron with a law, NaN without one, (row, point)."""
    missing = values.isnan()
    largest = values.abs().masked_fill(missing, 0.0).amax(2)
    return largest.masked_fill(missing.all(2), torch.nan).numpy()


def apparent(pairs: Pairs, settings: DeviationSettings) -> np.ndarray:
    """Return Elkabetz and Cohen's distances, (start, refinement, point).

    Steps at the largest rate against those at rate / r, as a share of ||theta_flow||; the
    first momentum.
    """
    variants, walked = pairs.variants, pairs.walked
    largest = max(settings.rates)
    first = variants.momentum == settings.momenta[0]

    def variant_of(rate: float) -> int:
        return int(np.flatnonzero(first & (variants.rate == rate))[0])

    def states_of(rate: float) -> Tensor:
        first_row = int(np.flatnonzero(pairs.chosen == variant_of(rate))[0])
        return walked.states[first_row :: len(pairs.chosen)]

    norm2 = pairs.reference.states[:, pairs.indices(variant_of(largest))].square().sum(2)
    outside = pairs.flow.span.outside_norm2[pairs.rows].sum(1)
    norm = (norm2 + outside[:, None]).sqrt()
    coarse = states_of(largest)
    gaps = [(coarse - states_of(largest / r)).norm(dim=2) / norm for r in settings.refinements]
    shape = (len(pairs.rows), 0, variants.times.shape[1])
    return torch.stack(gaps, 1).numpy() if gaps else np.empty(shape)


def shown(pairs: Pairs) -> dict[str, tuple[tuple[str, ...], np.ndarray]]:
    """Return a few neurons' weights of the first start: w_out and ||w_in||, flow and steps."""
    flow, variants = pairs.flow, pairs.variants
    last = flow.layout.layers
    width = flow.layout.sizes[-2]
    neurons = torch.linspace(0, width - 1, min(SHOWN_NEURONS, width)).round().long()

    def read(states: Tensor) -> tuple[Tensor, Tensor]:
        views = flow.layout.views(states)
        inner = views[f"W{last - 1}"].square().sum(2)
        if last == 2:
            inner = inner + flow.span.outside_norm2[pairs.rows[:1]]
        return views[f"W{last}"][:, 0, neurons], inner[:, neurons].sqrt()

    # A width of fewer neurons gets as many columns, so that the widths of a sweep fit together.
    shape = (len(variants), variants.times.shape[1], SHOWN_NEURONS)
    names = ("shown_out_flow", "shown_in_flow", "shown_out_steps", "shown_in_steps")
    weights = {name: np.full(shape, np.nan) for name in names}
    for position, variant in enumerate(pairs.chosen):
        at_times = torch.from_numpy(pairs.indices(variant))
        weights_shown = (
            *read(pairs.reference.states[0, at_times]),
            *read(pairs.walked.states[position]),
        )
        for name, values in zip(names, weights_shown, strict=True):
            weights[name][variant, :, : len(neurons)] = values.numpy()
    result: dict[str, tuple[tuple[str, ...], np.ndarray]] = {
        name: (("variant", "point", "shown"), values) for name, values in weights.items()
    }
    numbers = np.full(SHOWN_NEURONS, -1)
    numbers[: len(neurons)] = neurons.numpy()
    return result | {"shown_neuron": (("shown",), numbers)}
