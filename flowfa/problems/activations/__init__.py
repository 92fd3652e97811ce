"""Activations of hidden layers, one file each; `ACTIVATIONS` finds them by name."""

from flowfa.problems.activations.base import ACTIVATIONS, Activation, activation
from flowfa.problems.activations.identity import Identity
from flowfa.problems.activations.leaky_relu import LeakyReLU
from flowfa.problems.activations.smoothed_leaky_relu import SmoothedLeakyReLU
from flowfa.problems.activations.squared_relu import SquaredReLU
from flowfa.problems.activations.tanh import Tanh

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "Identity",
    "LeakyReLU",
    "SmoothedLeakyReLU",
    "SquaredReLU",
    "Tanh",
    "activation",
]
