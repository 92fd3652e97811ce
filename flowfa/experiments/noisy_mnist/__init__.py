"""E-1, noisy MNIST: Figures 2, 3 and 4 and table B.1 of the paper."""

from flowfa.experiments.noisy_mnist.protocol import PAPER, QUICK, Protocol, protocol_of
from flowfa.experiments.noisy_mnist.study import run_study

__all__ = ["PAPER", "QUICK", "Protocol", "protocol_of", "run_study"]
