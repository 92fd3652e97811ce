"""D-3, the margin of the data, against the shared template of checks."""

from __future__ import annotations

from tests.support import sample_geometry
from tests.support.sample_geometry import evidence_on, gaussian, problem_on, three_classes
from theory_checks.statements.data.d3_margin import MarginOfData


class TestMarginOfData(sample_geometry.DataTestCase):
    def make(self):
        return MarginOfData()

    def problem(self):
        return problem_on(gaussian(6, 20))

    def inapplicable(self):
        return {"labels are -1 and +1": evidence_on(three_classes())}
