"""D-1, orthogonal separability, against the shared template of checks."""

from __future__ import annotations

import numpy as np

import flowfa
from flowfa.datasets import Dataset
from tests.support import sample_geometry
from tests.support.sample_geometry import evidence_on, problem_on, three_classes
from theory_checks.statements.data.d1_orthogonally_separable import OrthogonallySeparable


class TestOrthogonallySeparable(sample_geometry.DataTestCase):
    def make(self):
        return OrthogonallySeparable()

    def problem(self):
        return problem_on(flowfa.datasets.orthogonally_separable(samples=6, dim=4, seed=0))

    def inapplicable(self):
        return {
            "labels are -1 and +1": evidence_on(three_classes()),
            "lambda > 0": evidence_on(Dataset(np.eye(3), np.array([1.0, -1.0, 1.0]))),
        }
