"""The flow of one trajectory with all modes locked: smooth, and exact while the modes hold.

A surface p of neuron j (a direction e_p of samples, zeta_jp = w_j . e_p) is in mode +1 (slope 1),
-1 (slope alpha) or 0 (it slides). Unlike the hybrid solver it takes no polynomials for the
signals: the slopes of sliding surfaces follow from the state at every evaluation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from flowfa.flow.field import NetworkField
from flowfa.flow.surfaces import Surfaces
from flowfa.solvers.one_hidden_layer.network import Feedback, decay_speeds, residuals_of


@dataclass(frozen=True)
class Weights:
    """Parameters of one trajectory.

    Attributes
    ----------
    first : numpy.ndarray
        W_1, with the bias as its last column where there is one, (neuron, feature).
    second : numpy.ndarray
        Out-weights, (neuron, output).
    bias : numpy.ndarray
        Of the output, (output,); zeros where there is none.
    """

    first: np.ndarray
    second: np.ndarray
    bias: np.ndarray

    def flat(self) -> np.ndarray:
        """Return everything in one vector."""
        return np.concatenate([self.first.ravel(), self.second.ravel(), self.bias])

    def like(self, flat: np.ndarray) -> Weights:
        """Return what `flat` made a vector of."""
        cut, end = self.first.size, self.first.size + self.second.size
        first, second = flat[:cut].reshape(self.first.shape), flat[cut:end]
        return Weights(first, second.reshape(self.second.shape), flat[end:])


@dataclass(frozen=True)
class Motion:
    """Velocities at a state, and what the events are read from.

    Attributes
    ----------
    velocity : Weights
    zeta : numpy.ndarray
        (neuron, surface); zero on sliding surfaces.
    push : numpy.ndarray
        G = b . R, (neuron, surface).
    offset : numpy.ndarray
        H = b . L, (neuron, surface).
    drive : numpy.ndarray
        u = s G + H, (neuron, surface).
    """

    velocity: Weights
    zeta: np.ndarray
    push: np.ndarray
    offset: np.ndarray
    drive: np.ndarray


@dataclass(frozen=True)
class LockedFlow:
    """One trajectory whose modes do not change.

    Attributes
    ----------
    net : NetworkField
        Of one row.
    surfaces : Surfaces
        Of its data.
    feedback : Feedback
        Of one row.
    modes, signs : numpy.ndarray
        (neuron, surface) and (neuron, output).
    """

    net: NetworkField
    surfaces: Surfaces
    feedback: Feedback
    modes: np.ndarray
    signs: np.ndarray

    def sliding(self) -> list[tuple[int, np.ndarray, np.ndarray]]:
        """Return each neuron that slides: its number, its surfaces, and their Gram's inverse."""
        gram = self.surfaces.gram[0]
        neurons = []
        for neuron in np.flatnonzero((self.modes == 0).any(axis=1)).tolist():
            members = np.flatnonzero(self.modes[neuron] == 0)
            # A pseudo-inverse: dependent directions have a motion, but no slopes of their own.
            inverse = np.linalg.pinv(gram[np.ix_(members, members)], rcond=1e-10, hermitian=True)
            neurons.append((neuron, members, inverse))
        return neurons

    def motion(self, weights: Weights, sliding: list[tuple[int, np.ndarray, np.ndarray]]) -> Motion:
        """Return the velocities at a state; `sliding` is what the method of that name returns."""
        net, surfaces = self.net, self.surfaces
        leak, gram = net.leak, surfaces.gram[0]
        directions, factor, index = (
            surfaces.directions[0],
            surfaces.factor[0],
            surfaces.surface[0],
        )
        zeta = np.where(self.modes == 0, 0.0, weights.first @ directions.T)
        side = factor * self.modes[:, index]
        slope = np.where(side > 0.0, 1.0, np.where(side < 0.0, leak, 0.0))
        hidden = slope * factor * zeta[:, index]
        output = weights.second.T @ hidden + weights.bias[:, None]
        targets = net.targets if net.targets.ndim == 2 else net.targets[0]
        derivative = net.loss.derivative(torch.from_numpy(output[None]), targets[None])
        r = residuals_of(net, derivative)[0].numpy()
        R, L = (of_trajectory[0] for of_trajectory in surfaces.signals(r[None], leak))
        b = self.feedback.weights(weights.second[None], self.signs[None])[0]
        push, offset = b @ R, b @ L
        pushed = np.where(self.modes > 0, push, leak * push)
        drive = np.where(self.modes == 0, 0.0, pushed + offset)
        for neuron, members, inverse in sliding:
            drive[neuron, members] = -inverse @ (gram[members] @ drive[neuron])
        has_bias = "c2" in net.layout.shapes
        first, second = drive @ directions, hidden @ r.T
        bias = r.sum(axis=1) if has_bias else np.zeros(len(r))
        if net.weight_decay:
            # It moves no preactivation that is zero, so that what slides has the same drive.
            inner, outer = decay_speeds(net)
            first, second = first - inner * weights.first, second - outer * weights.second
            bias = bias - outer * weights.bias
        velocity = Weights(first, second, bias)
        return Motion(velocity, zeta, push, offset, drive)

    def margins(self, weights: Weights, motion: Motion) -> tuple[np.ndarray, ...]:
        """Return what must stay positive while the modes hold.

        Returns
        -------
        tuple of numpy.ndarray
            The distance of free surfaces, of sliding ones to slope 1, and to slope alpha (each
            (neuron, surface), infinite where it does not apply), and of out-weights to a change
            of sign, (neuron, output).
        """
        slides = self.modes == 0
        slid = motion.drive - motion.offset
        # With leak 1 both sides of a surface are the same.
        unwatched = slides | (self.net.leak == 1.0)
        free = np.where(unwatched, np.inf, self.modes * motion.zeta)
        upper = np.where(slides, slid - motion.push, np.inf)
        lower = np.where(slides, self.net.leak * motion.push - slid, np.inf)
        # Where M is zero, b does not change with the sign of v.
        signed = self.feedback.magnitudes[0] != 0.0
        flips = np.where(signed, self.signs * weights.second, np.inf)
        return free, upper, lower, flips
