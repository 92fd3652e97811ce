"""Discrete training for controls and tests: as it claims to be, and otherwise."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

import flowfa
from flowfa.flow.network_flow import NetworkFlow
from flowfa.problems import Problem
from flowfa.problems.ensemble import Ensemble
from flowfa.settings import TrainingSettings, validated
from flowfa.simulation.training_run import step_rule
from theory_checks.controls.control import Control
from theory_checks.controls.flows import small_ensemble, small_problem
from theory_checks.evidence.evidence import Evidence
from theory_checks.evidence.from_flow import evidence_of_training
from theory_checks.evidence.from_run import evidence_of_run

STEPS = 40


def small_training(
    problem: Problem,
    ensemble: Ensemble,
    claimed: dict[str, Any],
    actual: dict[str, Any] | None = None,
    weight_decay: float = 0.0,
) -> Evidence:
    """Return evidence on discrete training.

    Parameters
    ----------
    problem : Problem
    ensemble : Ensemble
    claimed : dict
        Settings of `TrainingSettings` that the training claims.
    actual : dict, optional
        Settings that it follows; by default the claimed ones.
    weight_decay : float
        Of all layers, which is not claimed.
    """
    settings = validated(TrainingSettings(steps=STEPS, **claimed))
    flow = NetworkFlow(
        problem, ensemble, repeats=len(settings.variants), reduce=weight_decay == 0.0
    )
    rule = step_rule(flow, settings, ensemble.starts, seed=0)
    steps = np.tile(np.arange(0, STEPS + 1, STEPS // 10), (len(flow), 1))
    moved = None
    if actual is not None and actual != claimed:
        moving = validated(dataclasses.replace(settings, **actual))
        moved = step_rule(flow, moving, ensemble.starts, seed=0)
    motion = flow.field
    if weight_decay:
        motion = motion.replace(weight_decay=(weight_decay,) * flow.layout.layers)
    return evidence_of_training(flow, rule, steps, moved_by=moved, motion=motion)


def moved_otherwise(
    rule: str, *, told: float = 0.0, weight_decay: float = 0.0, **settings: Any
) -> Control:
    """Return a control: training that claims rate 0.2 and momentum `told`, and does otherwise.

    Parameters
    ----------
    rule : str
    told : float
        The momentum it claims.
    weight_decay : float
        Of all layers, which it does not claim.
    **settings
        Settings of `TrainingSettings` that it follows without claiming them.
    """
    claimed = {"rate": 0.2, "momentum": told}

    def control() -> Evidence:
        problem = small_problem(rule)
        moved = claimed | settings
        return small_training(problem, small_ensemble(problem), claimed, moved, weight_decay)

    return control


def changed_file(name: str) -> Control:
    """Return a control: a run in which a matrix, but for the start, was multiplied by 1.001."""

    def control() -> Evidence:
        run = flowfa.train(small_problem("fa"), 2, rate=0.2, steps=STEPS, save=11)
        matrix = run.tree.children["weights"].to_dataset()[name]
        factor = np.full(matrix.shape, 1.001)
        if "snapshot" in matrix.dims:
            factor[:, 0] = 1.0
        run.tree["weights"] = run.tree.children["weights"].assign({name: matrix * factor})
        return evidence_of_run(run)

    return control
