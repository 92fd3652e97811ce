"""Small random flows whose data are in unlike units, for the tests of scale invariance."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

import flowfa
from flowfa.datasets.dataset import Dataset
from flowfa.flow.network_flow import NetworkFlow
from flowfa.problems import build_ensemble
from flowfa.problems.starts import given_start
from tests.support.sliding import labels

SAMPLES, DIM, WIDTH = 5, 3, 3


def flow_in_units(
    rule: str,
    loss: str,
    leak: float,
    seed: int,
    *,
    features: np.ndarray | float = 1.0,
    lengths: np.ndarray | float = 1.0,
    c: float = 1.0,
) -> tuple[NetworkFlow, float]:
    """Return a flow, and how long it takes to do something.

    Parameters
    ----------
    rule, loss : str
    leak : float
    seed : int
        Of the data and the start.
    features : ndarray or float
        The units of the features, (feature,): they are multiplied by these and the in-weights
        divided, so that the preactivations of the start stay what they are.
    lengths : ndarray or float
        What each sample is multiplied by, (sample,).
    c : float
        What all data are multiplied by; the start is rescaled so that the flow is the same one, but
        for the units of weights (`in_unit`, `out_unit`) and time.
    """
    random = np.random.default_rng(seed)
    X = 2.0 * random.standard_normal((SAMPLES, DIM)) / DIM**0.5
    outputs = 3 if loss == "cross-entropy" else 1
    y = labels(loss, SAMPLES, outputs, random)
    W1, W2, B2 = (
        random.standard_normal(shape)
        for shape in ((WIDTH, DIM), (outputs, WIDTH), (WIDTH, outputs))
    )
    inner, outer, feedback, time = units(rule, c)
    start = {"W1": inner * W1 / features, "W2": outer * W2}
    start |= {"fa": {"B2": feedback * B2}, "dfa": {"D1": feedback * B2}}.get(rule, {})
    start |= {"frsf": {"M2": feedback * np.abs(B2)}}.get(rule, {})
    data = Dataset(c * X * features * np.reshape(lengths, (-1, 1)), y)
    problem = flowfa.Problem(data, (WIDTH,), leak, rule, loss, initial=given_start(start))
    return NetworkFlow(problem, build_ensemble(problem, 1, 0)), 5.0 * time


def units(rule: str, c: float) -> tuple[float, float, float, float]:
    """Return the units of in-weights, out-weights, feedback and time where data are c times longer.

    With x in units of c the flow is the same with w in units of a, v in 1 / (a c), b in a^3 c and
    t in 1 / (a c)^2. Where b follows v, a = c^(-1/2); where b is a sign, a = c^(-1/3).
    """
    a = c ** (-1.0 / 3.0) if rule == "signfa" else c**-0.5
    return a, 1.0 / (a * c), a**3 * c, 1.0 / (a * c) ** 2


def short_sample(s: float) -> flowfa.Problem:
    """Return a problem whose one neuron slides on the second sample, which is s times as long."""
    data = Dataset(np.array([[1.0, 0.0], [0.0, s], [s, s / 2.0]]), np.array([[1.0], [-3.0], [3.0]]))
    start = {"W1": np.array([[1.0, 0.01 * s]]), "W2": np.ones((1, 1)), "B2": np.ones((1, 1))}
    return flowfa.Problem(data, (1,), 0.1, "fa", "squared", initial=given_start(start))


def distance(flow: NetworkFlow, state: Tensor, path: Tensor) -> float:
    """Return how far preactivations and out-weights are from the end of a path.

    Parameters
    ----------
    flow : NetworkFlow
        Of one trajectory.
    state : Tensor
        (1, parameter).
    path : Tensor
        (1, save, parameter).

    Returns
    -------
    float
        In units of the largest preactivation or out-weight on the path.
    """

    def measured(states: Tensor) -> Tensor:
        views = flow.layout.views(states)
        z = views["W1"] @ flow.field.inputs.T
        return torch.cat([z.flatten(1), views["W2"].flatten(1)], dim=1)

    along = measured(path[0])
    return float((measured(state) - along[-1:]).abs().max() / along.abs().max())


def small_start(rule: str, loss: str, size: float, leak: float = 0.1) -> NetworkFlow:
    """Return the flow of two neurons from weights of a size; feedback is of the size of 1."""
    random = np.random.default_rng(0)
    X = random.standard_normal((5, 4))
    start = {
        "W1": size * random.standard_normal((2, 4)),
        "W2": size * random.standard_normal((1, 2)),
    }
    if rule == "fa":
        start["B2"] = random.standard_normal((2, 1))
    y = labels(loss, 5, 1, random)
    problem = flowfa.Problem(Dataset(X, y), (2,), leak, rule, loss, initial=given_start(start))
    return NetworkFlow(problem, build_ensemble(problem, 1, 0))
