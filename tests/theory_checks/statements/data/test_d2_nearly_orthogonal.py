"""D-2, near orthogonality, against the shared template of checks."""

from __future__ import annotations

import flowfa
from tests.support import sample_geometry
from tests.support.sample_geometry import evidence_on, gaussian, problem_on, three_classes
from theory_checks.statements.data.d2_nearly_orthogonal import NearlyOrthogonal


class TestNearlyOrthogonal(sample_geometry.DataTestCase):
    # Both sides are the certificate's; a gamma without n (MISTAKES) violates it.
    beyond_controls = (">= (1 - 1/gamma) R_min^2/n",)

    def make(self):
        return NearlyOrthogonal()

    def problem(self):
        data = flowfa.datasets.nearly_orthogonal(
            samples=5, dim=8, gamma=1.5, norm_ratio=1.3, seed=0
        )
        return problem_on(data)

    def inapplicable(self):
        return {
            "labels are -1 and +1": evidence_on(three_classes()),
            "nearly orthogonal": evidence_on(gaussian(6, 3)),
        }
