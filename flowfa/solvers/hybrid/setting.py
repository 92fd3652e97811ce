"""What the hybrid solver knows from the field alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from flowfa.flow.field import NetworkField
from flowfa.flow.surfaces import Surfaces
from flowfa.solvers.one_hidden_layer.network import Feedback


@dataclass(frozen=True)
class Setting:
    """What follows from the field alone: the network, its surfaces, and its feedback."""

    net: NetworkField
    surfaces: Surfaces
    feedback: Feedback

    def select(self, rows: np.ndarray) -> Setting:
        """Return some trajectories."""
        net = self.net.select(torch.from_numpy(rows))
        return Setting(net, self.surfaces.select(rows), self.feedback.select(rows))

    def residuals(self, outputs: np.ndarray) -> np.ndarray:
        """Return r of outputs, both (trajectory, time, output, sample)."""
        net = self.net
        targets = net.targets if net.targets.ndim == 2 else net.targets[:, None]
        return (net.loss.derivative(torch.from_numpy(outputs), targets) / -net.samples).numpy()
