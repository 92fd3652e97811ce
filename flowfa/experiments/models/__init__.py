"""The networks of the paper's experiments E-2 and E-3, in torch alone."""

from flowfa.experiments.models.lenet import lenet
from flowfa.experiments.models.resnet import ResNet18, resnet18
from flowfa.experiments.models.start import xavier_start

__all__ = ["ResNet18", "lenet", "resnet18", "xavier_start"]
