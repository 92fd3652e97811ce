"""What the hybrid solver needs of a one-hidden-layer network field, in its own shapes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from flowfa.errors import InputError
from flowfa.flow.base import Field
from flowfa.flow.field import NetworkField
from flowfa.problems.activations import Activation
from flowfa.problems.rules import (
    AdaptiveFeedbackAlignment,
    DirectFeedbackAlignment,
    FeedbackAlignment,
    FixedRandomSignFeedback,
    GradientDescent,
    Rule,
    SignFeedbackAlignment,
)
from flowfa.solvers.one_hidden_layer.feedback_kind import FIXED, OWN, SIGN
from flowfa.solvers.one_hidden_layer.geometry import Surfaces


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

    @property
    def has_signs(self) -> bool:
        """Whether any trajectory's feedback has the sign of v."""
        return bool((self.kind == SIGN).any())

    def weights(self, v: np.ndarray, signs: np.ndarray) -> np.ndarray:
        """Return b for out-weights v and their signs, all (trajectory, neuron, output)."""
        kind = self.kind[:, None, None]
        steady = np.where(kind == SIGN, self.matrix * signs, self.matrix)
        return np.where(kind == OWN, v, steady)

    def select(self, rows: np.ndarray) -> Feedback:
        """Return some trajectories."""
        return Feedback(self.kind[rows], self.matrix[rows])


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


def refusal(
    solver: str,
    hidden_layers: int,
    rules: Iterable[Rule],
    activation: Activation,
    dtype: str,
    device: str,
) -> str | None:
    """Return why the hybrid or the event solver cannot treat a problem, with the remedy.

    Parameters
    ----------
    solver : str
        The solver's name.
    hidden_layers : int
    rules : iterable of Rule
    activation : Activation
    dtype, device : str
        Without the prefix ``torch.``.
    """
    own = [rule.name for rule in rules if not treats(rule)]
    if not activation.piecewise_linear:
        if activation.leak is not None:
            return (
                f"the {solver} solver follows kinks exactly: leave out --smooth-kinks, or take "
                "--solver dopri5"
            )
        return (
            f"the {solver} solver knows the (leaky) ReLU, and the activation is "
            f'{activation.name!r}: take `solver="dopri5"`'
        )
    if hidden_layers != 1:
        return (
            f"the {solver} solver integrates one hidden layer, but there are {hidden_layers}: take "
            "--solver bosh3, with --smooth-kinks EPS where neurons slide"
        )
    if own:
        return f"the {solver} solver does not know the rule {own[0]!r}: take --solver bosh3"
    if dtype != "float64":
        return f"the {solver} solver needs float64: leave out --dtype"
    if not device.startswith("cpu"):
        return f"the {solver} solver runs on the processor: leave out --device"
    return None


def network(field: Field, solver: str) -> NetworkField:
    """Return the field as the network that it must be for the solver of this name.

    Raises
    ------
    InputError
        If the solver cannot treat it; see `refusal`.
    """
    if not isinstance(field, NetworkField):
        raise InputError(f"the {solver} solver integrates networks: take --solver dopri5")
    why = refusal(
        solver,
        field.layout.layers - 1,
        (group.rule for group in field.groups),
        field.activation,
        str(field.inputs.dtype).removeprefix("torch."),
        str(field.inputs.device),
    )
    if why is not None:
        raise InputError(why)
    return field


def feedback_of(field: NetworkField) -> Feedback:
    """Return the feedback of each trajectory of a field that `network` has let pass."""
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
        else:
            kind, matrix = SIGN, group.kept["M2"]
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
