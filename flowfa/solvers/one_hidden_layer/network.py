"""What the hybrid and the event solver need of a field of one-hidden-layer networks.

Rates of layers are a choice of units (C-8): with rho^2 = eta_1 / eta_2 the weights W_1 / rho on
inputs rho x, and residual signals times eta_2, follow the flow without rates. Samples' shares are
factors of the residual signals too. So the solvers see inputs and in-weights in those units.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from flowfa.errors import InputError
from flowfa.flow.base import Field
from flowfa.flow.compiled_losses import LOSSES
from flowfa.flow.field import NetworkField
from flowfa.flow.surfaces import Surfaces
from flowfa.problems.activations import Activation
from flowfa.problems.losses import Loss
from flowfa.problems.rules import Rule, form_of


@dataclass(frozen=True)
class Feedback:
    """The form b = a v + B + M * sign(v) of the feedback of each trajectory's neurons (C-12).

    Attributes
    ----------
    weight_share : numpy.ndarray
        a, (trajectory,); not zero where the feedback moves along with v.
    fixed : numpy.ndarray
        B, (trajectory, neuron, output).
    magnitudes : numpy.ndarray
        M, (trajectory, neuron, output).
    """

    weight_share: np.ndarray
    fixed: np.ndarray
    magnitudes: np.ndarray

    @property
    def moves(self) -> np.ndarray:
        """Whether the feedback moves along with v, (trajectory,)."""
        return self.weight_share != 0.0

    def weights(self, v: np.ndarray, signs: np.ndarray) -> np.ndarray:
        """Return b for out-weights v and their signs, all (trajectory, neuron, output)."""
        steady = self.fixed + self.magnitudes * signs
        moves = self.moves
        if not moves.any():
            return steady
        # Out-weights that overflow where a is zero must not matter.
        share = self.weight_share[:, None, None]
        return np.where(moves[:, None, None], share * v + steady, steady)

    def select(self, rows: np.ndarray) -> Feedback:
        """Return some trajectories."""
        return Feedback(self.weight_share[rows], self.fixed[rows], self.magnitudes[rows])


def refusal(
    solver: str,
    hidden_layers: int,
    rules: Iterable[Rule],
    activation: Activation,
    loss: Loss,
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
    loss : Loss
    dtype, device : str
        Without the prefix ``torch.``.
    """
    rules = tuple(rules)
    outside = [rule.name for rule in rules if not rule.in_form]
    if not activation.piecewise_linear:
        if activation.leak is not None:
            return (
                f"the {solver} solver follows kinks exactly: leave out `smooth_kinks`, or take "
                '`solver="dopri5"`'
            )
        return (
            f"the {solver} solver knows the (leaky) ReLU, and the activation is "
            f'{activation.name!r}: take `solver="dopri5"`'
        )
    if hidden_layers != 1 and solver != "event":
        return (
            f"the {solver} solver integrates one hidden layer, but there are {hidden_layers}: take "
            '`solver="event"`'
        )
    if hidden_layers != 1 and type(loss) not in LOSSES:
        known = ", ".join(cls.name for cls in LOSSES)
        return (
            f"the {solver} solver knows in deeper networks the losses {known}, and the loss is "
            f'{loss!r}: take `solver="bosh3"`, with `smooth_kinks=EPS` where neurons slide'
        )
    moving = [rule.name for rule in rules if rule.moves]
    if moving:
        return (
            f"the feedback of the rule {moving[0]!r} moves, and the {solver} solver follows forms "
            'a W^T + B + M * sign(W)^T with B and M fixed: take `solver="auto"`, which keeps it '
            "for the other rules, with `smooth_kinks=EPS` where neurons slide"
        )
    if outside:
        return (
            f"the feedback of the rule {outside[0]!r} has no form a W^T + B + M * sign(W)^T that "
            f'the {solver} solver could follow: take `solver="auto"`, which keeps it for the other '
            "rules, with `smooth_kinks=EPS` where neurons slide, or state the form "
            "(flowfa.RuleInForm)"
        )
    if dtype != "float64":
        return f"the {solver} solver needs float64: leave out `dtype`"
    if not device.startswith("cpu"):
        return f"the {solver} solver runs on the processor: leave out `device`"
    return None


def network(field: Field, solver: str) -> NetworkField:
    """Return the field as the network that it must be for the solver of this name.

    Raises
    ------
    InputError
        If the solver cannot treat it; see `refusal`.
    """
    if not isinstance(field, NetworkField):
        raise InputError(f'the {solver} solver integrates networks: take `solver="dopri5"`')
    reason = refusal(
        solver,
        field.layout.layers - 1,
        (group.rule for group in field.groups),
        field.activation,
        field.loss,
        str(field.inputs.dtype).removeprefix("torch."),
        str(field.inputs.device),
    )
    if reason is not None:
        raise InputError(reason)
    return field


def unit_of_inputs(field: NetworkField) -> float:
    """Return rho: what inputs are multiplied by, and in-weights divided."""
    return math.sqrt(field.rates[0] / field.rates[1]) if field.rates else 1.0


def decay_speeds(field: NetworkField) -> tuple[float, float]:
    """Return eta_l lambda_l of in-weights and out-weights: how fast they decay by themselves."""
    first, second = field.weight_decay or (0.0, 0.0)
    rates = field.rates or (1.0, 1.0)
    return rates[0] * first, rates[1] * second


def residuals_of(field: NetworkField, derivative: Tensor) -> Tensor:
    """Return the residual signals -eta_2 p_k delta of the derivative of the loss, in its shape.

    Parameters
    ----------
    field : NetworkField
    derivative : Tensor
        (trajectory, ..., output, sample).
    """
    shares = field.sample_shares
    if shares is None:
        signals = derivative / -field.samples
    else:
        if shares.ndim == 2:
            shares = shares.view(len(shares), *(1,) * (derivative.ndim - 2), -1)
        signals = torch.where(shares > 0.0, -shares * derivative, 0.0)
    return field.rates[1] * signals if field.rates else signals


def feedback_of(field: NetworkField) -> Feedback:
    """Return the feedback of each trajectory of a field that `network` has let pass."""
    width, outputs = field.layout.sizes[1], field.layout.sizes[2]
    shares, fixed, magnitudes = [], [], []
    for group in field.groups:
        size = group.stop - group.start
        form = form_of(group.rule, 2, (outputs, width), group.kept)
        assert form is not None
        zeros = torch.zeros(size, width, outputs, dtype=torch.float64)
        shares.append(np.full(size, float(form.weight_share)))
        for terms, term in ((fixed, form.fixed), (magnitudes, form.magnitudes)):
            terms.append((zeros if term is None else zeros + term).numpy())
    return Feedback(np.concatenate(shares), np.concatenate(fixed), np.concatenate(magnitudes))


def augmented_inputs(field: NetworkField) -> np.ndarray:
    """Return rho times the inputs, (set, sample, feature), with a 1 among them if there is a bias.

    See `unit_of_inputs`.
    """
    inputs = field.inputs.cpu().numpy().astype(np.float64)
    inputs = inputs if inputs.ndim == 3 else inputs[None]
    if "c1" in field.layout.shapes:
        inputs = np.concatenate([inputs, np.ones((*inputs.shape[:2], 1))], axis=2)
    return np.ascontiguousarray(inputs * unit_of_inputs(field) if field.rates else inputs)


def in_weights(field: NetworkField, state: Tensor) -> Tensor:
    """Return W_1 / rho with the bias as its last column, (trajectory, neuron, feature)."""
    views = field.layout.views(state)
    first = views["W1"]
    if "c1" in views:
        first = torch.cat([first, views["c1"][:, :, None]], dim=2)
    return first / unit_of_inputs(field) if field.rates else first


def pack(field: NetworkField, first: Tensor, second: Tensor, output_bias: Tensor | None) -> Tensor:
    """Return the flat state of `in_weights`, out-weights, and output bias."""
    first = first * unit_of_inputs(field) if field.rates else first
    parameters = {"W1": first, "W2": second.transpose(1, 2)}
    if "c1" in field.layout.shapes:
        parameters |= {"W1": first[:, :, :-1], "c1": first[:, :, -1]}
    if output_bias is not None:
        parameters["c2"] = output_bias
    return field.layout.pack(parameters)


def sample_preactivations(zeta: Tensor, surfaces: Surfaces) -> Tensor:
    """Return c_k zeta_p(k), (trajectory, ..., sample), of zeta (trajectory, ..., surface)."""
    factor = torch.tensor(surfaces.factor, dtype=zeta.dtype, device=zeta.device)
    shape = (len(factor), *(1,) * (zeta.ndim - 2), factor.shape[1])
    if not surfaces.merged:
        return zeta * factor.view(shape)
    index = torch.tensor(surfaces.surface, device=zeta.device)
    spread = index.view(shape).expand(*zeta.shape[:-1], index.shape[1])
    return zeta.gather(-1, spread) * factor.view(shape)
