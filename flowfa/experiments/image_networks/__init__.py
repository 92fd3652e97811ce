"""E-2 and E-3, LeNet on CIFAR-100 and ResNet-18 on Tiny-ImageNet: tables 1 and 2 of the paper."""

from flowfa.experiments.image_networks.settings import (
    PAPER,
    QUICK,
    ImageNetworkSettings,
    settings_of,
)
from flowfa.experiments.image_networks.study import run_study

__all__ = ["PAPER", "QUICK", "ImageNetworkSettings", "run_study", "settings_of"]
