"""Rates along the motion, which bound what lies between the times."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import torch

import flowfa
from tests.support.sliding import network
from theory_checks.evidence.from_flow import evidence_of_flow


def test_rate_is_the_slope_of_the_quantity_and_knows_its_own_dependence_on_time():
    evidence = evidence_of_flow(
        network(rules=("fa",), leak=1.0), t_end=1.0, rtol=1e-9, saves=201, solver="dop853"
    )

    def quantity(networks):
        return networks.observe()["weight_norm"] ** 2 + networks.time.exp()[:, None]

    course = evidence.along(quantity)
    step = evidence.times[1] - evidence.times[0]
    # The mesh is uniform, so that central differences are of second order.
    between = (course.values[:, 2:] - course.values[:, :-2]) / (2.0 * step)
    torch.testing.assert_close(course.rates[:, 1:-1], between, rtol=1e-4, atol=1e-4)


def test_quantity_that_depends_on_nothing_has_no_rate():
    evidence = evidence_of_flow(network(rules=("fa",)), t_end=1.0, saves=3, solver="hybrid")
    course = evidence.along(lambda networks: torch.ones(len(networks.state), 1).double())
    assert (course.rates == 0.0).all()


def test_checks_do_not_load_torchs_compiler():
    code = (
        "import sys, flowfa, theory_checks\n"
        "data = flowfa.datasets.orthogonally_separable(samples=4, dim=3, seed=0)\n"
        "run = flowfa.simulate(flowfa.Problem(data, (3,), rule='fa'), 1, t_end=1.0, save=3)\n"
        "assert theory_checks.check(run)['Eq-1'].verdict.value == 'holds'\n"
        "assert 'torch._dynamo' not in sys.modules\n"
    )
    root = Path(flowfa.__file__).parents[1]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root)
