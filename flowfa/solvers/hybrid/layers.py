"""From fields and the solver's memory to the records of the compiled loop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from flowfa.flow.compiled_losses import LOSSES
from flowfa.flow.field import NetworkField
from flowfa.flow.surfaces import Surfaces
from flowfa.solvers.hybrid.records import OWN_LOSS, Guess, Layer, Space
from flowfa.solvers.hybrid.residuals import DIFFERENCE
from flowfa.solvers.hybrid.signals import STEP_TIMES
from flowfa.solvers.hybrid.sweep import new_path
from flowfa.solvers.one_hidden_layer.network import (
    Feedback,
    decay_speeds,
    residuals_of,
    unit_of_inputs,
)


@dataclass(frozen=True)
class Setting:
    """What follows from the field alone: the network, its surfaces, and its feedback."""

    net: NetworkField
    surfaces: Surfaces
    feedback: Feedback

    @property
    def rows(self) -> int:
        """Number of trajectories."""
        return len(self.feedback.weight_share)

    def layer(self, row: int) -> Layer:
        """Return what one trajectory's loop needs to know."""
        net, surfaces, feedback = self.net, self.surfaces, self.feedback
        data = row if len(surfaces.gram) > 1 else 0
        directions = surfaces.directions[data]
        targets = net.targets if net.targets.ndim == 2 else net.targets[row]
        places = _places(net)
        magnitudes = feedback.magnitudes[row]
        return Layer(
            surfaces.gram[data],
            directions,
            surfaces.surface[data].astype(np.int64),
            surfaces.factor[data],
            feedback.fixed[row],
            magnitudes,
            np.ascontiguousarray(targets.numpy(), dtype=np.float64),
            self._shares(row),
            surfaces.primal,
            surfaces.merged,
            bool((magnitudes != 0.0).any()),
            float(net.leak),
            float(feedback.weight_share[row]),
            float(surfaces.longest[data]),
            unit_of_inputs(net),
            LOSSES.get(type(net.loss), OWN_LOSS),
            places.get("c1", -1),
            places["W2"],
            places.get("c2", -1),
            *decay_speeds(net),
        )

    def space(self) -> Space:
        """Return room for one trajectory's trials."""
        layout, surfaces = self.net.layout, self.surfaces
        neurons, outputs = layout.sizes[1], layout.sizes[2]
        P, samples = surfaces.gram.shape[1], surfaces.surface.shape[1]
        return Space(
            Guess(
                np.zeros(7),
                np.empty((3, 3, outputs, samples)),
                np.empty((3, 3, outputs, samples)),
                np.empty((6, 3, outputs, P)),
            ),
            new_path(neurons, P, outputs, samples, 4, 1),
            np.empty((4, outputs, samples)),
            np.empty((4, outputs, samples)),
            np.empty((outputs, outputs, samples)),
            STEP_TIMES.copy(),
            np.zeros(5, np.int64),
        )

    def _shares(self, row: int) -> np.ndarray:
        """Return minus the residual signals of one trajectory where the loss has the slope 1."""
        net = self.net.select(torch.tensor([row]))
        return -residuals_of(net, net.inputs.new_ones(1, 1, net.samples)).numpy()[0, 0]

    def residuals(self, outputs: Tensor, rows: Tensor) -> Tensor:
        """Return r of outputs of some trajectories, both (row, time, output, sample)."""
        targets = self.net.targets
        targets = targets if targets.ndim == 2 else targets[rows][:, None]
        net = self.net if len(rows) == self.rows else self.net.select(rows)
        return residuals_of(net, net.loss.derivative(outputs, targets))

    def slopes(self, outputs: Tensor, rows: Tensor) -> Tensor:
        """Return dr_c / df_k of each sample by differences, (row, output, output, sample).

        Parameters
        ----------
        outputs : Tensor
            f, (row, output, sample).
        rows : Tensor
        """
        step = DIFFERENCE * outputs.abs().clamp_min(1.0)
        slopes = []
        for k in range(outputs.shape[1]):
            ahead, behind = outputs.clone(), outputs.clone()
            ahead[:, k] += step[:, k]
            behind[:, k] -= step[:, k]
            rise = self.residuals(ahead[:, None], rows) - self.residuals(behind[:, None], rows)
            slopes.append(rise[:, 0] / (2.0 * step[:, k : k + 1]))
        return torch.stack(slopes, dim=2)


def _places(net: NetworkField) -> dict[str, int]:
    """Return where each parameter begins in a state."""
    at, places = 0, {}
    for name, shape in net.layout.shapes.items():
        places[name] = at
        at += int(np.prod(shape))
    return places
