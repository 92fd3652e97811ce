"""C-3, the sum of C-1 over a layer, against the shared template of checks."""

from __future__ import annotations

from theory_checks.statements.conservation.c3_per_layer import LayerConservation
from theory_checks.testing import CheckTestCase


class TestLayerConservation(CheckTestCase):
    def make(self):
        return LayerConservation()
