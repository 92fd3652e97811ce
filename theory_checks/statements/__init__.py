"""The statements of the theory, one file each, named for it.

The order of the imports is the order of the statements in a report.
"""

# isort: off
from theory_checks.statements.conservation import c1_neuron, c2_bias, c3_layer, c5_matrix, c11_steps
from theory_checks.statements.rate import eq1_rate
from theory_checks.statements.record import record
from theory_checks.statements.alignment import l1_dale, a1_alignment, p1_sign
from theory_checks.statements.convergence import t1_decay, a2_dominance, p2_explicit
from theory_checks.statements.data import d3_margin, d1_d2_orthogonal
# isort: on

__all__ = [
    "a1_alignment",
    "a2_dominance",
    "c1_neuron",
    "c2_bias",
    "c3_layer",
    "c5_matrix",
    "c11_steps",
    "d1_d2_orthogonal",
    "d3_margin",
    "eq1_rate",
    "l1_dale",
    "p1_sign",
    "p2_explicit",
    "record",
    "t1_decay",
]
