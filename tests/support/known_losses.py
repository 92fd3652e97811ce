"""Flows of one or two neurons whose losses are known."""

from __future__ import annotations

import numpy as np

import flowfa
from flowfa.flow.network_flow import NetworkFlow
from flowfa.problems.ensemble import build_ensemble
from flowfa.problems.starts import given_start
from theory_checks import evidence_of_flow


def one_neuron(loss, rule="gd", feedback=1.0, samples=1):
    """Return the flow of f = a w x with x = y = 1 and a = w = 1: all of it is known."""
    data = flowfa.datasets.Dataset(np.ones((samples, 1)), np.ones(samples), "one sample")
    arrays = {"W1": np.array([[[1.0]]]), "W2": np.array([[[1.0]]])}
    if rule == "fa":
        arrays["B2"] = np.array([[[feedback]]])
    start = given_start(arrays, "start")
    problem = flowfa.Problem(data, leak=1.0, rule=rule, loss=loss, initial=start)
    return NetworkFlow(problem, build_ensemble(problem, 1, seed=0))


def burst(weight):
    """Return evidence on a loss that rises for a moment, at t = 0.24, for 0.004.

    Two samples with nearly opposite labels hold neuron 0 against its feedback, until one of them
    is inactive: then the other drives it down, and its share of f with it, which is the larger the
    larger its out-weight. Euler's method finds the same. Neuron 1 descends.
    """
    data = flowfa.datasets.Dataset(np.array([[1.0, 0.0], [1.0, -0.05]]), np.array([[1.0], [-0.9]]))
    arrays = {
        "W1": np.array([[[0.012, 0.04], [1.0, 0.0]]]),
        "W2": np.array([[[weight, 0.0]]]),
        "B2": np.array([[[-1.0], [0.1]]]),
    }
    start = given_start(arrays, "start")
    problem = flowfa.Problem(data, leak=1e-6, rule="fa", loss="squared", initial=start)
    flow = NetworkFlow(problem, build_ensemble(problem, 1, seed=0))
    return evidence_of_flow(flow, t_end=1.0, rtol=1e-8, saves=17, solver="hybrid")
