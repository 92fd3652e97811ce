"""The conservation laws of alignment (C-1, C-2, C-3, C-5, C-11), one file each."""

from theory_checks.conservation.bias import BiasConservation
from theory_checks.conservation.layer import LayerConservation
from theory_checks.conservation.matrix import MatrixConservation
from theory_checks.conservation.neuron import NeuronConservation
from theory_checks.conservation.steps import StepConservation

__all__ = [
    "BiasConservation",
    "LayerConservation",
    "MatrixConservation",
    "NeuronConservation",
    "StepConservation",
]
