"""The statements of the theory, one file each: named by its ID, and its name or number.

The order of the imports is the order of the statements in a report.
"""

# isort: off
from theory_checks.statements.conservation import (
    c1_per_neuron,
    c2_biases,
    c3_per_layer,
    c5_matrix_law,
    c8_rates_of_layers,
    c11_discrete_steps,
    c13_weight_decay,
    c13b_balance,
)
from theory_checks.statements import eq1_loss_rate, record
from theory_checks.statements.alignment import (
    l1_lemma_5_4,
    l1c_never_obtuse,
    a1_alignment,
    p1_proposition_5_3,
)
from theory_checks.statements.convergence import (
    t1_theorem_5_1,
    a2_alignment_dominance,
    p2_proposition_5_7,
)
from theory_checks.statements.data import d3_margin, d1_orthogonally_separable, d2_nearly_orthogonal
# isort: on

__all__ = [
    "a1_alignment",
    "a2_alignment_dominance",
    "c1_per_neuron",
    "c2_biases",
    "c3_per_layer",
    "c5_matrix_law",
    "c8_rates_of_layers",
    "c11_discrete_steps",
    "c13_weight_decay",
    "c13b_balance",
    "d1_orthogonally_separable",
    "d2_nearly_orthogonal",
    "d3_margin",
    "eq1_loss_rate",
    "l1_lemma_5_4",
    "l1c_never_obtuse",
    "p1_proposition_5_3",
    "p2_proposition_5_7",
    "record",
    "t1_theorem_5_1",
]
