"""A-2 and T-1: alignment dominance, and the bound on the loss that follows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

import flowfa
import theory_checks
from flowfa.errors import InputError
from flowfa.flow.network_flow import NetworkFlow
from theory_checks import Verdict, check_evidence, evidence_of_flow
from theory_checks.controls.flows import small_ensemble, small_problem
from theory_checks.convergence.decay import Decay, log_bound
from theory_checks.convergence.dominance import Dominance
from theory_checks.testing import CheckTestCase


class TestDominance(CheckTestCase):
    def make(self):
        return Dominance()

    def problem(self):
        return small_problem("fa", widths=(4,), loss="exponential")


class TestDecay(CheckTestCase):
    def make(self):
        return Decay()
