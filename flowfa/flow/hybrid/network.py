"""What the hybrid solver needs of a one-hidden-layer network field, in its own shapes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from flowfa.errors import InputError
from flowfa.flow.base import Field
from flowfa.flow.field import NetworkField
from flowfa.flow.hybrid.geometry import Surfaces
from flowfa.flow.hybrid.neuron import FIXED, OWN, SIGN
from flowfa.problems.rules import (
    AdaptiveFeedbackAlignment,
    DirectFeedbackAlignment,
    FeedbackAlignment,
    FixedRandomSignFeedback,
    GradientDescent,
    Rule,
    SignFeedbackAlignment,
)


@dataclass(frozen=True)
class Feedback:
    """Where the feedback of each trajectory's neurons comes from.

    Attributes
    ----------
    kind : numpy.ndarray
        `FIXED`, `OWN` or `SIGN`, (trajectory,).
    matrix : numpy.ndarray
        The fixed feedback, or the magnitudes of one that has the sign of v, (trajectory, neuron,
        output); 1 where it is not used.
    """

    kind: np.ndarray
    matrix: np.ndarray

    def weights(self, v: np.ndarray, signs: np.ndarray) -> np.ndarray:
        """Return b for out-weights v and their signs, all (trajectory, neuron, output)."""
        kind = self.kind[:, None, None]
        steady = np.where(kind == SIGN, self.matrix * signs, self.matrix)
        return np.where(kind == OWN, v, steady)

    def select(self, rows: np.ndarray) -> Feedback:
        """Return some trajectories."""
        return Feedback(self.kind[rows], self.matrix[rows])


NEEDS_EXACT_KINKS = (
    "the hybrid solver follows kinks exactly: leave out --smooth-kinks, or take --solver dopri5"
)


def network(field: Field) -> NetworkField:
    """Return the field as the network that it must be.

    Raises
    ------
    InputError
        If it has more than one hidden layer or smoothed kinks, or is no network at all.
    """
    if not isinstance(field, NetworkField):
        raise InputError("the hybrid solver integrates networks: take --solver dopri5")
    if field.smooth_kinks is not None:
        raise InputError(NEEDS_EXACT_KINKS)
    if field.layout.layers != 2:
        raise InputError(
            f"the hybrid solver integrates one hidden layer, but there are "
            f"{field.layout.layers - 1}: take --solver bosh3"
        )
    return field


def treats(rule: Rule) -> bool:
    """Return whether the hybrid solver knows a rule's feedback."""
    return isinstance(
        rule,
        GradientDescent
        | FeedbackAlignment
        | AdaptiveFeedbackAlignment
        | SignFeedbackAlignment
        | FixedRandomSignFeedback
        | DirectFeedbackAlignment,
    )


def feedback_of(field: NetworkField) -> Feedback:
    """Return the feedback of each trajectory of a field.

    Raises
    ------
    InputError
        If a rule is not one of flowfa's own.
    """
    kinds, matrices = [], []
    width, outputs = field.layout.sizes[1], field.layout.sizes[2]
    for group in field.groups:
        size, rule = group.stop - group.start, group.rule
        matrix = torch.ones(size, width, outputs, dtype=torch.float64)
        if isinstance(rule, FeedbackAlignment | AdaptiveFeedbackAlignment):
            kind, matrix = FIXED, group.kept["B2"]
        elif isinstance(rule, DirectFeedbackAlignment):
            kind, matrix = FIXED, group.kept["D1"]
        elif isinstance(rule, GradientDescent):
            kind = OWN
        elif isinstance(rule, SignFeedbackAlignment):
            weight = matrix.transpose(1, 2)
            kind, matrix = SIGN, rule.layer_scale(weight) * matrix
        elif isinstance(rule, FixedRandomSignFeedback):
            kind, matrix = SIGN, group.kept["M2"]
        else:
            raise InputError(
                f"the hybrid solver does not know the rule {rule.name!r}: take --solver bosh3"
            )
        kinds.append(np.full(size, kind))
        matrices.append(matrix.numpy())
    return Feedback(np.concatenate(kinds), np.ascontiguousarray(np.concatenate(matrices)))


def augmented_inputs(field: NetworkField) -> np.ndarray:
    """Return the inputs, (set, sample, feature), with a constant column if there is a bias."""
    inputs = field.inputs.cpu().numpy().astype(np.float64)
    inputs = inputs if inputs.ndim == 3 else inputs[None]
    if "c1" in field.layout.shapes:
        inputs = np.concatenate([inputs, np.ones((*inputs.shape[:2], 1))], axis=2)
    return np.ascontiguousarray(inputs)


def in_weights(field: NetworkField, state: Tensor) -> Tensor:
    """Return W_1 with the bias as its last column, (trajectory, neuron, feature)."""
    views = field.layout.views(state)
    if "c1" in views:
        return torch.cat([views["W1"], views["c1"][:, :, None]], dim=2)
    return views["W1"]


def pack(field: NetworkField, first: Tensor, second: Tensor, output_bias: Tensor | None) -> Tensor:
    """Return the flat state of in-weights (with bias column), out-weights, and output bias."""
    parameters = {"W1": first, "W2": second.transpose(1, 2)}
    if "c1" in field.layout.shapes:
        parameters |= {"W1": first[:, :, :-1], "c1": first[:, :, -1]}
    if output_bias is not None:
        parameters["c2"] = output_bias
    return field.layout.pack(parameters)


def sample_preactivations(zeta: Tensor, surfaces: Surfaces) -> Tensor:
    """Return c_k zeta_p(k), (trajectory, ..., sample), of zeta (trajectory, ..., surface)."""
    if not surfaces.merged:
        return zeta
    index = torch.tensor(surfaces.surface, device=zeta.device)
    factor = torch.tensor(surfaces.factor, dtype=zeta.dtype, device=zeta.device)
    shape = (len(index), *(1,) * (zeta.ndim - 2), index.shape[1])
    spread = index.view(shape).expand(*zeta.shape[:-1], index.shape[1])
    return zeta.gather(-1, spread) * factor.view(shape)
