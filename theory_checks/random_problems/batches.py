"""Batches of random problems: small plans that hypothesis draws, and the problems they make."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from hypothesis import strategies as st

from flowfa.seeds import generator
from theory_checks.random_problems.data import DATA_KINDS, draw_data, possible_kinds, scales, seeds
from theory_checks.random_problems.problems import RandomProblems
from theory_checks.random_problems.starting import START_KINDS, Seat, draw_start, limited
from theory_checks.random_problems.structure import (
    SCALES,
    Architecture,
    architectures,
    losses,
    make_rule,
    rule_names,
)

HORIZONS = (1.0, 0.1, 10.0)
"""Lengths of runs, in units of the time in which a quarter of the networks move by their size."""


@dataclass(frozen=True)
class Plan:
    """What determines a batch of random problems.

    Network i has the i-th kind of data, cyclically, and the next kind of start each time the kinds
    of data are through; its numbers depend on `seed` and i alone, not on the number of networks.

    Attributes
    ----------
    seed : int
    architecture : Architecture
    rule : str
    scale : float
        signfa's s, or the factor of the feedback that other rules keep.
    loss : str
    outputs : int
    samples, dim : int
    data, start : tuple of str
        Kinds, names in `DATA_KINDS` and `START_KINDS`.
    data_scale : float
        Factor of all samples.
    horizon : float
        Length of the run in units of the networks' own time; see `HORIZONS`.
    smooth_kinks : float or None
    networks : int
    t_end : float or None
        Length of the run, the same for all networks whatever their own time; None: by `horizon`.
    layer_rates, weight_decay : tuple of float
        As `flowfa.Problem`; strategies leave them plain.
    """

    seed: int
    architecture: Architecture
    rule: str
    scale: float
    loss: str
    outputs: int
    samples: int
    dim: int
    data: tuple[str, ...]
    start: tuple[str, ...]
    data_scale: float
    horizon: float
    smooth_kinks: float | None
    networks: int
    t_end: float | None = None
    layer_rates: tuple[float, ...] = (1.0,)
    weight_decay: tuple[float, ...] = (0.0,)


def build(plan: Plan) -> RandomProblems:
    """Return the problems of a plan."""
    rule = make_rule(plan.rule, plan.scale)
    sizes = (plan.dim, *plan.architecture.hidden, plan.outputs)
    feedback_scale = 1.0 if hasattr(rule, "scale") else plan.scale
    possible = set(possible_kinds(plan.samples, plan.dim))
    kinds = tuple(data_kind for data_kind in plan.data if data_kind in possible)
    sets, starts, data_kinds, start_kinds = [], [], [], []
    for network in range(plan.networks):
        random = generator(plan.seed, "network", network)
        data_kind = kinds[network % len(kinds)]
        start_kind = plan.start[network // len(kinds) % len(plan.start)]
        X, y = draw_data(
            data_kind, plan.samples, plan.dim, plan.loss, plan.outputs, random, plan.data_scale
        )
        seat = Seat(sizes, plan.architecture.has_bias, rule, feedback_scale, X)
        arrays = draw_start(start_kind, seat, random)
        if plan.loss == "exponential":
            arrays = limited(arrays, X, y, plan.architecture.leak)
        sets.append((X, y))
        starts.append(arrays)
        data_kinds.append(data_kind)
        start_kinds.append(start_kind)
    problems = RandomProblems(
        X=np.stack([X for X, _ in sets]),
        y=np.stack([y for _, y in sets]),
        start={name: np.stack([arrays[name] for arrays in starts]) for name in starts[0]},
        rule=rule,
        leak=plan.architecture.leak,
        loss=plan.loss,
        smooth_kinks=plan.smooth_kinks,
        t_end=1.0 if plan.t_end is None else plan.t_end,
        data_kinds=tuple(data_kinds),
        start_kinds=tuple(start_kinds),
        origin=f"build({plan!r})",
        layer_rates=plan.layer_rates,
        weight_decay=plan.weight_decay,
    )
    if plan.t_end is not None:
        return problems
    return replace(problems, t_end=plan.horizon * _own_time(problems))


def plans(
    networks: int = 32,
    rules: tuple[str, ...] | None = None,
    depths: tuple[int, ...] = (1, 2, 3),
    data: tuple[str, ...] = tuple(DATA_KINDS),
    start: tuple[str, ...] = tuple(START_KINDS),
) -> st.SearchStrategy[Plan]:
    """Draw plans; shrinks to one neuron, one sample, one kind of data and of start.

    Parameters
    ----------
    networks, rules, depths, data, start
        As `batches`.
    """
    chosen = rule_names() if rules is None else rules

    @st.composite
    def drawn(draw: st.DrawFn) -> Plan:
        architecture = draw(architectures(depths))
        loss, outputs = draw(losses())
        samples = draw(st.integers(2 if loss == "cross-entropy" else 1, 6))
        dim = draw(st.integers(1, 6))
        kinds = tuple(kind for kind in data if kind in possible_kinds(samples, dim))
        kinds_of_data = st.lists(st.sampled_from(kinds), min_size=1, max_size=4, unique=True)
        kinds_of_start = st.lists(st.sampled_from(start), min_size=1, max_size=4, unique=True)
        deep = len(architecture.hidden) > 1 and architecture.leak < 1.0
        return Plan(
            seed=draw(seeds()),
            architecture=architecture,
            rule=draw(st.sampled_from(chosen)),
            scale=draw(st.sampled_from(SCALES)),
            loss=loss,
            outputs=outputs,
            samples=samples,
            dim=dim,
            data=tuple(draw(kinds_of_data)),
            start=tuple(draw(kinds_of_start)),
            data_scale=draw(scales()),
            horizon=draw(st.sampled_from(HORIZONS)),
            smooth_kinks=draw(st.sampled_from((None, 0.1))) if deep else None,
            networks=networks,
        )

    return drawn()


def batches(
    networks: int = 32,
    rules: tuple[str, ...] | None = None,
    depths: tuple[int, ...] = (1, 2, 3),
    data: tuple[str, ...] = tuple(DATA_KINDS),
    start: tuple[str, ...] = tuple(START_KINDS),
) -> st.SearchStrategy[RandomProblems]:
    """Draw a batch of different networks on different data sets of the same shape.

    Hypothesis draws and shrinks the structure; `theory_checks.random_problems.smallest` then
    isolates the network of the batch that fails and makes it smaller.

    Parameters
    ----------
    networks : int
        In each batch.
    rules, depths, data, start : tuple
        What to choose from: names of rules (by default all `rule_names`), numbers of hidden
        layers, kinds of data and of starts.
    """
    return plans(networks, rules, depths, data, start).map(build)


def _own_time(problems: RandomProblems) -> float:
    """Return the time in which a quarter of the networks have moved by their size, or by one."""
    flow = problems.flow()
    speed = flow.field(torch.zeros(len(flow), dtype=torch.float64), flow.initial).norm(dim=1)
    times = flow.initial.norm(dim=1).clamp_min(1.0) / speed
    times = times[times.isfinite()]
    # Where nothing moves any time will do. Two digits are enough, and easier to read.
    return float(f"{float(times.quantile(0.25)):.2g}") if len(times) else 1.0
