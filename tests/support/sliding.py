"""Random-label flows on which neurons slide, for the tests of the solvers that follow them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

import flowfa
from flowfa.datasets.dataset import Dataset
from flowfa.flow.network_flow import NetworkFlow
from flowfa.problems import build_ensemble
from flowfa.solvers.registry import make_solver
from flowfa.solvers.stepping.integration import Integration
from flowfa.solvers.stepping.solve import solve

RULES = ("gd", "fa", "adafa", "signfa", "dfa", "frsf")


def labels(loss: str, samples: int, outputs: int, random: np.random.Generator) -> np.ndarray:
    """Return labels that fit a loss: three classes, real targets, or signs."""
    if loss == "cross-entropy":
        return np.arange(samples) % 3.0
    if loss == "squared":
        return random.standard_normal((samples, outputs))
    return random.choice((-1.0, 1.0), samples)


def network(
    loss: str = "exponential",
    rules: tuple[str, ...] = RULES,
    bias: str = "none",
    leak: float = 0.1,
    X: np.ndarray | None = None,
    starts: int = 2,
    seed: int = 1,
    width: int = 10,
    outputs: int = 2,
    widths: tuple[int, ...] = (),
) -> NetworkFlow:
    """Return a flow of few neurons on 8 samples in 5 dimensions, or on `X`.

    It has one hidden layer of `width` neurons, or those of `widths`.
    """
    random = np.random.default_rng(seed)
    X = 2.0 * random.standard_normal((8, 5)) / 5**0.5 if X is None else X
    data = Dataset(X, labels(loss, len(X), outputs, random))
    problem = flowfa.Problem(data, widths or (width,), leak, rules, loss, bias, initial="xavier")
    return NetworkFlow(problem, build_ensemble(problem, starts, 0))


def integrate(
    flow: NetworkFlow, solver: str = "hybrid", end: float = 8.0, saves: int = 2, **settings: Any
) -> tuple[Integration, Tensor]:
    """Return the integration and the states at evenly spaced times, (row, save, parameter)."""
    run = Integration.begin(flow.initial, torch.linspace(0.0, end, saves, dtype=torch.float64))
    states = torch.full((len(flow), saves, flow.layout.length), torch.nan, dtype=torch.float64)

    def save(rows: Tensor, index: Tensor, values: Tensor) -> None:
        states[rows, index] = values

    solve(flow.field, run, make_solver(solver, **settings), save)
    return run, states


def agrees_with_euler(flow: NetworkFlow, run: Integration, end: float, step: float = 2e-2) -> None:
    """Assert that Euler's method tends to the states of `run` as its step shrinks.

    Euler knows nothing of events; its error is of first order, so that an eighth of the step must
    leave less than a third of the distance. Trajectories that met a point without a unique
    solution are left out, since Euler may take the other branch.
    """
    coarse, _ = integrate(flow, "euler", end, step=step)
    fine, _ = integrate(flow, "euler", end, step=step / 8.0)
    unique = torch.tensor(run.counters["repelling"] == 0)
    assert unique.any()
    far, near = (coarse.state - run.state).norm(dim=1), (fine.state - run.state).norm(dim=1)
    assert (near < far / 3.0)[unique].all()
    assert (far < 100.0 * step)[unique].all()
