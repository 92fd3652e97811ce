"""P-1 and A-1: angles between forward and feedback weights."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import flowfa
import theory_checks
from flowfa.flow.network_flow import NetworkFlow
from theory_checks import Verdict, check_evidence, evidence_of_flow
from theory_checks.alignment.definition import Alignment
from theory_checks.alignment.sign import SignAlignment
from theory_checks.controls.flows import small_ensemble, small_problem
from theory_checks.testing import CheckTestCase


class TestSignAlignment(CheckTestCase):
    def make(self):
        return SignAlignment()

    def problem(self):
        return small_problem("signfa")

    def inapplicable(self):
        other = small_problem("frsf")
        return {"the rule is signfa": self.evidence(other, small_ensemble(other))}


class TestAlignment(CheckTestCase):
    def make(self):
        return Alignment()

    def problem(self):
        return small_problem("fa", widths=(4,))

    def inapplicable(self):
        direct, deep = small_problem("dfa", widths=(4,)), small_problem("fa")
        return {
            "the rule is one of": self.evidence(direct, small_ensemble(direct)),
            "one hidden layer": self.evidence(deep, small_ensemble(deep)),
        }
