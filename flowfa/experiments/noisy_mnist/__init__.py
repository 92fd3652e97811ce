"""E-1, noisy MNIST: Figures 2, 3 and 4 and table B.1 of the paper."""

from flowfa.experiments.noisy_mnist.settings import PAPER, QUICK, NoisyMnistSettings, settings_of
from flowfa.experiments.noisy_mnist.study import run_study

__all__ = ["PAPER", "QUICK", "NoisyMnistSettings", "run_study", "settings_of"]
