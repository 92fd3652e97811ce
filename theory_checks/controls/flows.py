"""Small flows for controls and tests: sound ones, and the same ones broken in a named way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import torch

from flowfa.datasets import orthogonally_separable
from flowfa.flow.base import Field
from flowfa.flow.field import NetworkField
from flowfa.flow.network_flow import NetworkFlow
from flowfa.problems import Problem
from flowfa.problems.activations import LeakyReLU
from flowfa.problems.ensemble import Ensemble, build_ensemble
from flowfa.problems.rules import Rule
from flowfa.registry import unknown_name
from flowfa.seeds import generator
from theory_checks.controls.control import Control
from theory_checks.controls.fields import (
    AgainstFeedback,
    DriftingFeedback,
    FrozenBiases,
    FrozenFeedback,
    GradientOf,
    Slowed,
    WeightDecay,
    batch_normalised,
)
from theory_checks.evidence.evidence import Evidence
from theory_checks.evidence.from_flow import evidence_of_flow

BREAKS: Mapping[str, Callable[[NetworkField], Field]] = {
    "tanh": lambda field: GradientOf(field, torch.tanh),
    "batch norm": lambda field: GradientOf(field, batch_normalised),
    "weight decay": lambda field: WeightDecay(field, 0.05),
    "frozen bias": FrozenBiases,
    "frozen feedback": FrozenFeedback,
    "drifting feedback": lambda field: DriftingFeedback(field, 0.2),
    "against feedback": lambda field: AgainstFeedback(field, 2.0),
    "slowed": lambda field: Slowed(field, 0.1),
    "leaky activation": lambda field: field.replace(activation=LeakyReLU(0.3)),
}


def small_problem(
    rule: str | Rule,
    bias: str = "none",
    leak: float = 0.3,
    widths: tuple[int, ...] = (4, 3),
    loss: str = "logistic",
) -> Problem:
    """Return a problem whose neurons meet few kinks and never slide."""
    data = orthogonally_separable(samples=5, dim=4, seed=0)
    return Problem(data, widths, leak, rule, loss, bias, initial="aligned")


def small_ensemble(problem: Problem, trajectories: int = 3) -> Ensemble:
    """Return its networks; biases start away from zero."""
    ensemble = build_ensemble(problem, trajectories, seed=2)
    random = generator(12, "control")
    biases = tuple(
        None if bias is None else 0.1 * np.abs(random.standard_normal(bias.shape))
        for bias in ensemble.biases
    )
    return replace(ensemble, biases=biases)


def small_flow(
    rule: str | Rule,
    bias: str = "none",
    leak: float = 0.3,
    widths: tuple[int, ...] = (4, 3),
    loss: str = "logistic",
) -> NetworkFlow:
    """Return a flow of three small networks under a rule."""
    problem = small_problem(rule, bias, leak, widths, loss)
    return NetworkFlow(problem, small_ensemble(problem))


def broken(
    rule: str | Rule,
    way: str,
    bias: str = "none",
    leak: float = 0.3,
    widths: tuple[int, ...] = (4, 3),
    loss: str = "logistic",
) -> Control:
    """Return a control: a small flow that claims a rule, moved by something else.

    Parameters
    ----------
    rule : str or Rule
        The rule it claims.
    way : str
        A name in `BREAKS`.
    bias : {"none", "hidden", "all"}
    leak : float
        The leak it claims.
    widths : tuple of int
        Widths of the hidden layers.
    loss : str

    Raises
    ------
    InputError
        If the way is unknown.
    """
    if way not in BREAKS:
        raise unknown_name("way to break a flow", way, BREAKS)

    def control() -> Evidence:
        flow = small_flow(rule, bias, leak, widths, loss)
        return evidence_of_flow(
            flow, t_end=2.0, motion=BREAKS[way](flow.field), rtol=1e-5, saves=9, label=way
        )

    return control
