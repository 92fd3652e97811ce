"""Data sets, evidence on them, and the template of checks whose subject is the data."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch

import flowfa
from flowfa.datasets import Dataset
from flowfa.flow.network_flow import NetworkFlow
from theory_checks import Verdict, evidence_of_flow
from theory_checks.controls.flows import small_ensemble
from theory_checks.testing import CheckTestCase
from theory_checks.verdicts.judging import outcomes_of


def problem_on(data):
    return flowfa.Problem(data, (3,), 1.0, "fa", initial="xavier")


def evidence_on(data):
    problem = problem_on(data)
    starts = len(data.X) if data.differs_by_trajectory else 2
    flow = NetworkFlow(problem, small_ensemble(problem, starts))
    return evidence_of_flow(flow, t_end=0.5, rtol=1e-5, saves=5)


def gaussian(samples, dim, seed=0):
    random = np.random.default_rng(seed)
    return Dataset(random.standard_normal((samples, dim)), random.choice((-1.0, 1.0), samples))


def three_classes(seed=0):
    random = np.random.default_rng(seed)
    return Dataset(random.standard_normal((6, 4)), np.arange(6) % 3)


class DataTestCase(CheckTestCase):
    """Data do not move: what is not a number has to be in the inputs."""

    def test_what_is_not_a_number_is_inconclusive(self):
        evidence = self.sound_evidence()
        inputs = evidence.flow.field.inputs.clone()
        inputs[0, 0] = torch.nan
        evidence.flow.field = evidence.flow.field.replace(inputs=inputs)
        found = outcomes_of(self.make(), dataclasses.replace(evidence))
        assert {outcome.verdict for outcome in found} == {Verdict.INCONCLUSIVE}
