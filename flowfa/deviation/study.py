"""The deviation of all rules, starts and variants of one problem, as a data set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from flowfa.deviation.distances import FreshInputs
from flowfa.deviation.measures import Pairs, apparent, distances, law, shown, warped
from flowfa.deviation.memory import CURVE_TIMES, check_memory, starts_together
from flowfa.deviation.reference import COARSER, Reference, refer
from flowfa.deviation.stability import spectrum
from flowfa.deviation.variants import Variants, make_variants
from flowfa.deviation.walk import walk
from flowfa.errors import InputError
from flowfa.flow.network_flow import NetworkFlow
from flowfa.problems.ensemble import build_ensemble
from flowfa.problems.problem import Problem
from flowfa.seeds import generator
from flowfa.settings import DeviationSettings, validated
from flowfa.settings.deviation import FINEST
from flowfa.solvers.stepping.integration import Integration

BEYOND = 1.25
"""The curve goes on to this multiple of t_end, because steps may be ahead of the flow."""
EDGE_TIMES = (0.0, 0.01, 0.1, 0.5, 1.0)
"""Where the stability edge is measured, as shares of t_end; the least counts."""
EDGE_RTOL = 1e-5
"""Tolerance of the flow along which it is measured."""

Monitor = Callable[[str, float], None]
"""A function that is told the work in progress and the share that is done; may raise to stop."""


@dataclass(frozen=True)
class _Task:
    """Some starts of one rule: their rows in the flow, and what is to be done with them."""

    flow: NetworkFlow
    rows: Tensor
    fresh: FreshInputs
    variants: Variants
    settings: DeviationSettings
    monitor: Monitor


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
        A problem whose data are shared by all trajectories.
    index : int
        Index of the rule that is studied.
    trajectories : int
        Starts.
    settings : DeviationSettings
    seed : int
    monitor : callable, optional

    Returns
    -------
    xarray.Dataset
        Dimensions start, variant, point, layer, refinement, shown; see docs/theory/deviation.md.

    Raises
    ------
    InputError
        If data differ by start, the rule has no flow, or not even one start fits into memory.
    """
    settings = validated(settings)
    check_problem(problem)
    check_memory(problem, settings)
    flow = NetworkFlow(problem, build_ensemble(problem, trajectories, seed))
    rows = torch.arange(index * trajectories, (index + 1) * trajectories)
    fresh = FreshInputs(*flow.span.other_inputs(_fresh_inputs(problem, settings.fresh, seed)))
    edges, radius = _stability(flow, rows, settings, seed, monitor)
    variants = make_variants(settings, {mu: float(np.median(e)) for mu, e in edges.items()})
    size = starts_together(problem, settings, trajectories)
    parts: list[xr.Dataset] = []
    few: dict[str, Any] = {}
    for first in range(0, len(rows), size):

        def report(what: str, share: float, first: int = first) -> None:
            monitor(what, (first + share * min(size, len(rows) - first)) / len(rows))

        task = _Task(flow, rows[first : first + size], fresh, variants, settings, report)
        measured, neurons = _measure(task)
        parts.append(measured)
        # The report shows the neurons of the first start only.
        few = few or neurons
    data = xr.concat(parts, "start", data_vars="minimal", coords="minimal", compat="override")
    data = data.assign(few)
    data["edge"] = (("start", "variant"), np.stack([edges[mu] for mu in variants.momentum], 1))
    data["radius"] = ("start", radius)
    return data.assign_coords(
        start=np.arange(trajectories),
        layer=np.arange(1, problem.layers + 1),
        refinement=np.array(settings.refinements, dtype=np.int64),
    )


def check_problem(problem: Problem) -> None:
    """Refuse what has no flow to compare with, or data that differ by start."""
    if problem.data.differs_by_trajectory:
        raise InputError("deviation needs one data set for all starts: leave out `fresh_data`")
    for rule in problem.rules:
        if rule.redrawn:
            raise InputError(
                f"{rule.name} draws its feedback anew at each step and has no flow to deviate "
                "from: choose another rule, or see its steps alone with flowfa train"
            )


def _fresh_inputs(problem: Problem, count: int, seed: int) -> Tensor:
    """Return inputs in random directions, as long as a random sample of the data, (input, d)."""
    stream = generator(seed, "fresh inputs")
    X = problem.data.X
    directions = stream.standard_normal((count, X.shape[1]))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    lengths = np.linalg.norm(X, axis=1)[stream.integers(len(X), size=count)]
    return torch.from_numpy(directions * lengths[:, None])


def _stability(
    flow: NetworkFlow, rows: Tensor, settings: DeviationSettings, seed: int, monitor: Monitor
) -> tuple[dict[float, np.ndarray], np.ndarray]:
    """Return the least edge along the flow with each momentum, and the largest radius, (start,)."""
    times = np.unique(np.append(0.0, np.array(EDGE_TIMES) * settings.t_end))
    field = flow.field.select(rows)

    def flowing(run: Integration) -> None:
        monitor("stability edge", 0.0)

    reference = refer(flow.problem, field, flow.initial[rows], times, EDGE_RTOL, None, flowing)
    spectra = [spectrum(field, reference.states[:, k], seed) for k in range(len(times))]
    edges = {
        mu: np.fmin.reduce([at_time.edge(mu) for at_time in spectra]) for mu in settings.momenta
    }
    return edges, np.fmax.reduce([at_time.radius for at_time in spectra])


def _measure(task: _Task) -> tuple[xr.Dataset, dict[str, Any]]:
    """Compare the variants of some starts with their flows; also show neurons of the first."""
    flow, rows, variants, settings = task.flow, task.rows, task.variants, task.settings
    known = np.isfinite(variants.rate)
    chosen = np.flatnonzero(known)
    repeated = rows.repeat_interleave(len(chosen))
    tiled = np.tile(chosen, len(rows))

    def stepping(step: int, last: int) -> None:
        task.monitor("steps", 0.5 * step / max(1, last))

    walked = walk(
        flow.field.select(repeated),
        flow.initial[repeated],
        variants.rate[tiled],
        variants.momentum[tiled],
        variants.steps[tiled],
        stepping,
    )
    curve = np.linspace(0.0, settings.t_end * BEYOND, CURVE_TIMES)
    times = np.union1d(variants.times[known].ravel(), curve)

    def pair(reference: Reference) -> Pairs:
        return Pairs(flow, rows, task.fresh, variants, chosen, walked, reference)

    reference = _flow_of(task, times, settings.rtol)
    while True:
        gaps = distances(pair(reference))
        resolved = gaps["flow_error"] <= settings.share * gaps["parameters"]
        finer = reference.rtol / COARSER
        undecided = (~resolved & np.isfinite(gaps["parameters"])).any()
        if not undecided or finer < 0.99 * FINEST or not np.isfinite(gaps["flow_error"]).any():
            break
        reference = _flow_of(task, times, finer, reference.states)
    task.monitor("distances", 0.95)
    pairs = pair(reference)
    of_steps = {"diverged_step": walked.diverged, "first_flip_step": walked.first_flip}
    measured = gaps | {"resolved": resolved} | warped(pairs) | law(walked) | of_steps
    data = {name: _of_variants(values, pairs) for name, values in measured.items()}
    data["apparent"] = ("start", "refinement", "point"), apparent(pairs, settings)
    starts = len(rows)
    data |= {
        "flow_status": ("start", np.array(reference.status, dtype=np.str_)),
        "flow_reached": ("start", reference.reached),
        "flow_crossings": ("start", reference.events["crossings"]),
        "flow_slidings": ("start", reference.events["slidings"]),
        "rate": ("variant", variants.rate),
        "time": (("variant", "point"), variants.times),
        "step": (("variant", "point"), variants.steps),
        "flow_rtol": ("start", np.full(starts, reference.rtol)),
        "flow_solver": ("start", np.full(starts, reference.solver)),
    }
    coordinates = {
        "momentum": ("variant", variants.momentum),
        "edge_multiple": ("variant", variants.edge_multiple),
    }
    return xr.Dataset(data, coordinates), shown(pairs)


def _flow_of(
    task: _Task, times: np.ndarray, rtol: float, coarser: Tensor | None = None
) -> Reference:
    """Return the flow of the starts at a tolerance; see `refer`."""
    field, initial = task.flow.field.select(task.rows), task.flow.initial[task.rows]

    def flowing(run: Integration) -> None:
        task.monitor(f"flow at rtol {rtol:.0e}", 0.5)

    return refer(task.flow.problem, field, initial, times, rtol, coarser, flowing)


def _of_variants(values: np.ndarray, pairs: Pairs) -> tuple[tuple[str, ...], np.ndarray]:
    """Return rows of the walk as (start, variant, ...), filled up where a variant was not run."""
    fill = {"f": np.nan, "i": -1, "b": False}[values.dtype.kind]
    starts, dimensions = len(pairs.rows), values.shape[1:]
    full = np.full((starts, len(pairs.variants), *dimensions), fill, dtype=values.dtype)
    full[:, pairs.chosen] = values.reshape(starts, len(pairs.chosen), *dimensions)
    return ("start", "variant", "point", "layer")[: full.ndim], full
