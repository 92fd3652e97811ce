"""The deviation of all rules, starts and variants of one problem, as a data set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from flowfa.deviation.distances import FreshInputs, compare
from flowfa.deviation.reference import COARSER, Reference, refer
from flowfa.deviation.settings import FINEST, DeviationSettings
from flowfa.deviation.stability import spectrum
from flowfa.deviation.variants import Variants, make_variants
from flowfa.deviation.walk import Walk, walk
from flowfa.deviation.warp import time_warped
from flowfa.errors import InputError
from flowfa.flow.network_flow import NetworkFlow
from flowfa.problems.ensemble import build_ensemble
from flowfa.problems.problem import Problem
from flowfa.records.output import free_memory, readable
from flowfa.seeds import generator

BLOCK_BYTES = 2**29
"""Memory for the states of the starts that are compared together."""
CURVE_TIMES = 200
"""Times of the flow's curve, beside those of comparison, for the time-warped distance."""
BEYOND = 1.25
"""How far beyond the end the curve goes, as a multiple: steps may be ahead of the flow."""
EDGE_TIMES = (0.0, 0.01, 0.1, 0.5, 1.0)
"""Where the stability edge is measured, as shares of t_end; the least counts."""

EDGE_RTOL = 1e-5
"""Tolerance of the flow along which it is measured."""
SHOWN_NEURONS = 4
"""Neurons of the first start whose weights are kept, to show flow and steps side by side."""

Monitor = Callable[[str, float], None]
"""Told what is being done and the share of it that is done; may raise to stop."""


@dataclass(frozen=True)
class _Block:
    """Some starts of one rule: their rows in the flow, and the rows of their variants."""

    flow: NetworkFlow
    rows: Tensor
    fresh: FreshInputs


def study(
    problem: Problem,
    index: int,
    trajectories: int,
    settings: DeviationSettings,
    *,
    seed: int = 0,
    monitor: Monitor = lambda what, share: None,
) -> xr.Dataset:
    """Compare discrete training with the flow, from the same starts.

    Parameters
    ----------
    problem : Problem
        Its data are shared by all trajectories.
    index : int
        Which of its rules is studied.
    trajectories : int
        Starts.
    settings : DeviationSettings
    seed : int
    monitor : callable, optional

    Returns
    -------
    xarray.Dataset
        Dimensions start, variant, point, layer, refinement, shown; see docs/deviation.md.

    Raises
    ------
    InputError
        If data differ by start, the rule has no flow, or not even one start fits into memory.
    """
    check_problem(problem)
    flow = NetworkFlow(problem, build_ensemble(problem, trajectories, seed))
    rows = torch.arange(index * trajectories, (index + 1) * trajectories)
    fresh = FreshInputs(*flow.span.other_inputs(_fresh_inputs(problem, settings.fresh, seed)))
    monitor("stability edge", 0.0)
    edges = _edges(flow, rows, settings, seed)
    variants = make_variants(settings, float(np.median(edges)))
    size = _block_size(flow, variants, trajectories)
    blocks = []
    for first in range(0, len(rows), size):

        def told(what: str, share: float, first: int = first) -> None:
            monitor(what, (first + share * min(size, len(rows) - first)) / len(rows))

        block = _Block(flow, rows[first : first + size], fresh)
        blocks.append(_measure(block, variants, settings, told))
    found = xr.concat(blocks, "start", data_vars="minimal", coords="minimal", compat="override")
    found["edge"] = ("start", edges)
    return found.assign_coords(
        start=np.arange(trajectories),
        layer=np.arange(1, problem.layers + 1),
        refinement=np.array(settings.refinements, dtype=np.int64),
    )


def check_problem(problem: Problem) -> None:
    """Refuse what has no flow to compare with, or data that differ by start."""
    if problem.data.differs_by_trajectory:
        raise InputError("deviation needs one data set for all starts: leave out --fresh-data")
    for rule in problem.rules:
        if rule.redrawn:
            raise InputError(f"{rule.name} has no flow to deviate from: choose another rule")


def _fresh_inputs(problem: Problem, count: int, seed: int) -> Tensor:
    """Return inputs in random directions, as long as a random sample of the data, (input, d)."""
    stream = generator(seed, "fresh inputs")
    X = problem.data.X
    directions = stream.standard_normal((count, X.shape[1]))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    lengths = np.linalg.norm(X, axis=1)[stream.integers(len(X), size=count)]
    return torch.from_numpy(directions * lengths[:, None])


def _edges(flow: NetworkFlow, rows: Tensor, settings: DeviationSettings, seed: int) -> np.ndarray:
    """Return the least stability edge of each start along its flow, (start,)."""
    times = np.unique(np.append(0.0, np.array(EDGE_TIMES) * settings.t_end))
    field = flow.field.select(rows)
    states = refer(flow.problem, field, flow.initial[rows], times, EDGE_RTOL).states
    found = [spectrum(field, states[:, k], seed).edge for k in range(len(times))]
    return np.fmin.reduce(found)


def _block_size(flow: NetworkFlow, variants: Variants, starts: int) -> int:
    """Return how many starts fit into memory together."""
    states = 2 * (variants.times.size + CURVE_TIMES) + variants.steps.size
    each = 8 * states * flow.initial.shape[1]
    free = free_memory()
    if free is not None and 2 * each > free:
        raise InputError(
            f"comparing at {variants.steps.size} points needs about {readable(2 * each)} for one "
            f"start and {readable(free)} are free: ask for fewer points or rates"
        )
    return max(1, min(starts, BLOCK_BYTES // each))


def _measure(
    block: _Block, variants: Variants, settings: DeviationSettings, monitor: Monitor
) -> xr.Dataset:
    """Compare the variants of some starts of one rule with their flows."""
    flow, rows, count = block.flow, block.rows, len(variants)
    known = np.isfinite(variants.rate)
    chosen = np.flatnonzero(known)
    repeated = rows.repeat_interleave(len(chosen))
    tiled = np.tile(chosen, len(rows))

    def stepping(step: int, last: int) -> None:
        monitor("steps", 0.9 * step / max(1, last))

    walked = walk(
        flow.field.select(repeated),
        flow.initial[repeated],
        variants.rate[tiled],
        variants.momentum[tiled],
        variants.steps[tiled],
        stepping,
    )
    monitor("flow", 0.9)
    field, initial = flow.field.select(rows), flow.initial[rows]
    end = settings.t_end * BEYOND
    times = np.union1d(variants.times[known].ravel(), np.linspace(0.0, end, CURVE_TIMES))
    reference = refer(flow.problem, field, initial, times, settings.rtol)
    while True:
        found = _compared(block, variants, chosen, walked, reference)
        resolved = found["flow_error"] <= settings.share * found["parameters"]
        finer = reference.rtol / COARSER
        undecided = (~resolved & np.isfinite(found["parameters"])).any()
        if not undecided or finer < 0.99 * FINEST or not np.isfinite(found["flow_error"]).any():
            break
        reference = refer(flow.problem, field, initial, times, finer, reference.states)
    monitor("distances", 0.95)
    warped, matched = _warped(block, variants, chosen, walked, reference)
    shape = (len(rows), len(chosen))
    full = {
        name: _spread(values.reshape(*shape, *values.shape[1:]), chosen, count)
        for name, values in (
            found
            | {
                "resolved": resolved,
                "warped": warped,
                "matched_time": matched,
                "law_drift": _largest(walked.drift),
                "law_predicted": _largest(walked.predicted),
                "law_error": _largest((walked.drift - walked.predicted) / walked.turnover),
                "diverged_step": walked.diverged,
                "first_flip_step": walked.first_flip,
            }
        ).items()
    }
    over = {2: ("start", "variant"), 3: ("start", "variant", "point")}
    data = {
        name: ((*over[3], "layer") if values.ndim == 4 else over[values.ndim], values)
        for name, values in full.items()
    }
    data["apparent"] = (
        ("start", "refinement", "point"),
        _apparent(block, variants, settings, chosen, walked, reference),
    )
    if flow.starts[int(rows[0])] == 0:
        data |= _shown(block, variants, chosen, walked, reference)
    data |= {
        "rate": ("variant", variants.rate),
        "time": (("variant", "point"), variants.times),
        "step": (("variant", "point"), variants.steps),
        "flow_rtol": ((), reference.rtol),
        "flow_solver": ((), reference.solver),
    }
    return xr.Dataset(
        data,
        coords={
            "momentum": ("variant", variants.momentum),
            "edge_multiple": ("variant", variants.edge_multiple),
        },
    )


def _compared(
    block: _Block, variants: Variants, chosen: np.ndarray, walked: Walk, reference: Reference
) -> dict[str, np.ndarray]:
    """Return the distances of all pairs, each (row, point[, layer])."""
    flow, points = block.flow, variants.times.shape[1]
    rows = len(walked.states)
    outside = flow.span.outside_norm2
    columns: list[dict[str, Tensor]] = []
    errors = []
    for row in range(rows):
        start, variant = divmod(row, len(chosen))
        place = torch.from_numpy(reference.at(variants.times[chosen[variant]]))
        own = block.rows[start].repeat(points)
        columns.append(
            compare(
                flow.field.select(own),
                reference.states[start, place],
                walked.states[row],
                outside[own],
                block.fresh.select(own),
            )
        )
        norm = reference.states[start, place].norm(dim=1)
        whole = (norm.square() + outside[block.rows[start]].sum()).sqrt()
        errors.append(reference.error[start, place] * norm / whole)
    found = {name: torch.stack([each[name] for each in columns]).numpy() for name in columns[0]}
    return found | {"flow_error": torch.stack(errors).numpy()}


def _warped(
    block: _Block, variants: Variants, chosen: np.ndarray, walked: Walk, reference: Reference
) -> tuple[np.ndarray, np.ndarray]:
    """Return time-warped distances relative to ||theta_flow||, and the matched times."""
    outside = block.flow.span.outside_norm2
    distances, matches = [], []
    for row, states in enumerate(walked.states):
        start, variant = divmod(row, len(chosen))
        curve = reference.states[start].numpy()
        place = reference.at(variants.times[chosen[variant]])
        distance, matched = time_warped(states.numpy(), curve, reference.times)
        whole = np.square(curve[place]).sum(1) + float(outside[block.rows[start]].sum())
        distances.append(distance / np.sqrt(whole))
        matches.append(matched)
    return np.stack(distances), np.stack(matches)


def _largest(values: Tensor) -> np.ndarray:
    """Return the largest absolute value of any neuron with a law, NaN without one, (row, point)."""
    absolute = values.abs()
    nothing = absolute.isnan().all(2)
    return absolute.nan_to_num(0.0).amax(2).masked_fill(nothing, torch.nan).numpy()


def _spread(values: np.ndarray, chosen: np.ndarray, count: int) -> np.ndarray:
    """Return (start, known variant, ...) as (start, variant, ...), with what stands for nothing."""
    nothing = {"f": np.nan, "i": -1, "b": False}[values.dtype.kind]
    full = np.full((len(values), count, *values.shape[2:]), nothing, dtype=values.dtype)
    full[:, chosen] = values
    return full


def _apparent(
    block: _Block,
    variants: Variants,
    settings: DeviationSettings,
    chosen: np.ndarray,
    walked: Walk,
    reference: Reference,
) -> np.ndarray:
    """Return Elkabetz and Cohen's distances, (start, refinement, point).

    Steps at the largest rate against those at rate / r, as a share of ||theta_flow||; the
    first momentum.
    """
    outside = block.flow.span.outside_norm2[block.rows].sum(1)
    largest = max(settings.rates)
    first = variants.momentum[chosen] == settings.momenta[0]

    def states_of(rate: float) -> Tensor:
        place = int(np.flatnonzero(first & (variants.rate[chosen] == rate))[0])
        return walked.states[place :: len(chosen)]

    coarse = states_of(largest)
    place = np.flatnonzero((variants.rate == largest) & (variants.momentum == settings.momenta[0]))
    norm2 = reference.states[:, reference.at(variants.times[place[0]])].square().sum(2)
    whole = (norm2 + outside[:, None]).sqrt()
    found = [(coarse - states_of(largest / r)).norm(dim=2) / whole for r in settings.refinements]
    shape = (len(block.rows), 0, variants.times.shape[1])
    return torch.stack(found, 1).numpy() if found else np.empty(shape)


def _shown(
    block: _Block, variants: Variants, chosen: np.ndarray, walked: Walk, reference: Reference
) -> dict[str, tuple[tuple[str, ...], np.ndarray]]:
    """Return a few neurons' weights of the first start: w_out and ||w_in||, flow and steps."""
    flow = block.flow
    last = flow.layout.layers
    width = flow.layout.sizes[-2]
    neurons = torch.linspace(0, width - 1, min(SHOWN_NEURONS, width)).round().long()

    def read(states: Tensor) -> tuple[Tensor, Tensor]:
        views = flow.layout.views(states)
        inner = views[f"W{last - 1}"].square().sum(2)
        if last == 2:
            inner = inner + flow.span.outside_norm2[block.rows[:1]]
        return views[f"W{last}"][:, 0, neurons], inner[:, neurons].sqrt()

    # Widths of fewer neurons have as many columns, so that a sweep fits into one array.
    shape = (len(variants), variants.times.shape[1], SHOWN_NEURONS)
    names = ("shown_out_flow", "shown_in_flow", "shown_out_steps", "shown_in_steps")
    weights = {name: np.full(shape, np.nan) for name in names}
    for position, variant in enumerate(chosen):
        place = torch.from_numpy(reference.at(variants.times[variant]))
        pairs = (*read(reference.states[0, place]), *read(walked.states[position]))
        for name, values in zip(names, pairs, strict=True):
            weights[name][variant, :, : len(neurons)] = values.numpy()
    result: dict[str, tuple[tuple[str, ...], np.ndarray]] = {
        name: (("variant", "point", "shown"), values) for name, values in weights.items()
    }
    numbers = np.full(SHOWN_NEURONS, -1)
    numbers[: len(neurons)] = neurons.numpy()
    return result | {"shown_neuron": (("shown",), numbers)}
