"""By how much a discrete step changes what the flow conserves, exactly (C-11).

With C = 1/2 ||w_in||^2 / e_in - g(w_out) / e_out (C-8, e the rate of a layer), F = grad g as the
rule feeds it back, Delta(t) the change of the weights in step t, eta_t its rate, lambda the weight
decay of a layer and m_t = mu eta_t / eta_{t-1}::

    dC(t) = P(t) + 1/2 ||Delta_in(t)||^2 / e_in - R(t) / e_out
    P(t)  = m_t [P(t-1) + ||Delta_in(t-1)||^2 / e_in - <F(t) - F(t-1), Delta_out(t-1)> / e_out]
            - eta_t [lambda_in ||w_in||^2 - lambda_out <F, w_out>]
    R(t)  = g(w_out + Delta_out) - g(w_out) - <F, Delta_out>

for every rule whose feedback has the form F = a w_out + B + M * sign(w_out) (C-12), with
g(w) = a/2 ||w||^2 + <w, B> + <M, |w|> and, w^+ being the out-weights after the step,
R = a/2 ||Delta_out||^2 + sum_r M_r (|w_r^+| - sign(w_r) w_r^+): nothing where a sign is kept, and
2 M_r |w_r^+| where it flips.

Under gd C is half the quantity of C-1's table. Without momentum and decay P = 0. Biases join w_in
(C-2). Proof: Delta(t) = m_t Delta(t-1) + eta_t e (U - lambda W), and C-1 says <w_in, U_in> =
<F, U_out> for the update of any minibatch; multiplying out C(t+1) - C(t) gives the formulas.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from flowfa.flow.field import NetworkField, RuleGroup
from flowfa.flow.layout import ParameterLayout
from flowfa.problems.rules import FeedbackForm, form_of
from flowfa.training.step_rule import StepRule


@dataclass(frozen=True)
class Terms:
    """What the identity is made of at one state, in float64.

    Attributes
    ----------
    incoming : Tensor
        ||w_in||^2 with the neuron's own bias, (row, hidden neuron).
    outgoing : Tensor
        g(w_out); NaN where there is no law.
    fed : Tensor
        <F, w_out>.
    weights, feedback : tuple of Tensor
        W_{l+1} and F of each hidden layer, (row, n_{l+1}, n_l).
    rate_in, rate_out : Tensor
        e of the layer of each hidden neuron and of the next, (hidden neuron,).
    """

    incoming: Tensor
    outgoing: Tensor
    fed: Tensor
    weights: tuple[Tensor, ...]
    feedback: tuple[Tensor, ...]
    rate_in: Tensor
    rate_out: Tensor

    @property
    def law(self) -> Tensor:
        """C, (row, hidden neuron)."""
        return 0.5 * self.incoming / self.rate_in - self.outgoing / self.rate_out

    @property
    def size(self) -> Tensor:
        """The size of the terms that C is the difference of."""
        balanced = self.outgoing.abs() + self.fed.abs()
        return 0.5 * self.incoming / self.rate_in + balanced / self.rate_out

    def select(self, rows: Tensor) -> Terms:
        """Return the terms of some rows."""
        return Terms(
            self.incoming[rows],
            self.outgoing[rows],
            self.fed[rows],
            tuple(weight[rows] for weight in self.weights),
            tuple(matrix[rows] for matrix in self.feedback),
            self.rate_in,
            self.rate_out,
        )


@dataclass(frozen=True)
class Carried:
    """What momentum takes from one step to the next.

    Attributes
    ----------
    pull : Tensor
        P + ||Delta_in||^2 / e_in, (row, hidden neuron).
    feedback, outgoing : tuple of Tensor
        F and Delta_out of each hidden layer, (row, n_{l+1}, n_l).
    """

    pull: Tensor
    feedback: tuple[Tensor, ...]
    outgoing: tuple[Tensor, ...]

    def select(self, rows: Tensor) -> Carried:
        """Return what is handed on for some rows."""
        return Carried(
            self.pull[rows],
            tuple(matrix[rows] for matrix in self.feedback),
            tuple(matrix[rows] for matrix in self.outgoing),
        )


def terms(field: NetworkField, state: Tensor) -> Terms:
    """Return the terms of every hidden neuron at states (row, parameter)."""
    parameters = field.layout.views(state.double())
    weights, feedback, outgoing = [], [], []
    for layer in range(1, field.layout.layers):
        weight = parameters[f"W{layer + 1}"]
        fed_back, g = torch.zeros_like(weight), torch.full_like(weight[:, 0], torch.nan)
        for group in field.groups:
            rows = slice(group.start, group.stop)
            form = _form(field.layout, group, layer)
            if form is None:
                continue
            matrix = form.matrix(weight[rows]).transpose(1, 2)
            fed_back[rows] = matrix
            # g = <F, w_out> - a/2 ||w_out||^2.
            g[rows] = (matrix * weight[rows]).sum(1)
            if form.weight_share:
                g[rows] -= 0.5 * form.weight_share * weight[rows].square().sum(1)
        weights.append(weight)
        feedback.append(fed_back)
        outgoing.append(g)
    fed = torch.cat([(f * w).sum(1) for f, w in zip(feedback, weights, strict=True)], 1)
    return Terms(
        incoming_squares(field.layout, state),
        torch.cat(outgoing, 1),
        fed,
        tuple(weights),
        tuple(feedback),
        *of_neurons(field.layout, field.rates or (1.0,) * field.layout.layers, state),
    )


def of_neurons(
    layout: ParameterLayout, of_layers: tuple[float, ...], state: Tensor
) -> tuple[Tensor, Tensor]:
    """Return a number of the layer of each hidden neuron, and of the next layer, (neuron,)."""
    hidden = range(1, layout.layers)
    inner = [of_layers[layer - 1] for layer in hidden for _ in range(layout.sizes[layer])]
    outer = [of_layers[layer] for layer in hidden for _ in range(layout.sizes[layer])]
    state = state.double()
    return state.new_tensor(inner), state.new_tensor(outer)


def incoming_squares(layout: ParameterLayout, state: Tensor) -> Tensor:
    """Return ||w_in||^2 of every hidden neuron with its own bias, (row, hidden neuron)."""
    parameters = layout.views(state.double())
    columns = []
    for layer in range(1, layout.layers):
        column = parameters[f"W{layer}"].square().sum(2)
        if f"c{layer}" in parameters:
            column = column + parameters[f"c{layer}"].square()
        columns.append(column)
    return torch.cat(columns, 1)


def change(
    field: NetworkField,
    rule: StepRule,
    step: int,
    before: Terms,
    after: Terms,
    increment: Tensor,
    carried: Carried | None,
) -> tuple[Tensor, Carried]:
    """Return dC of a step as the formula has it, (row, hidden neuron), and what it hands on.

    Parameters
    ----------
    field : NetworkField
    rule : StepRule
        Rates and momentum.
    step : int
        t, from 0.
    before, after : Terms
        At W(t) and W(t+1).
    increment : Tensor
        Delta(t), (row, parameter).
    carried : Carried or None
        Of the step before; None at the first.
    """
    moved = field.layout.views(increment.double())
    outgoing = tuple(moved[f"W{layer + 1}"] for layer in range(1, field.layout.layers))
    rate_in, rate_out = before.rate_in, before.rate_out
    squares = incoming_squares(field.layout, increment) / rate_in
    pull = torch.zeros_like(squares)
    if carried is not None and rule.has_momentum:
        turned = [
            ((current - previous) * moved_before).sum(1)
            for current, previous, moved_before in zip(
                before.feedback, carried.feedback, carried.outgoing, strict=True
            )
        ]
        share = rule.schedule.scale(step) / rule.schedule.scale(step - 1)
        momentum = share * rule.momentum.double()[:, None]
        pull = momentum * (carried.pull - torch.cat(turned, 1) / rate_out)
    if field.weight_decay:
        decay_in, decay_out = of_neurons(field.layout, field.weight_decay, increment)
        rate = rule.schedule.scale(step) * rule.rate.double()[:, None]
        pull = pull - rate * (decay_in * before.incoming - decay_out * before.fed)
    result = pull + 0.5 * squares - _remainder(field, before, after, outgoing) / rate_out
    return result, Carried(pull + squares, before.feedback, outgoing)


def _form(layout: ParameterLayout, group: RuleGroup, layer: int) -> FeedbackForm | None:
    """Return the form of the feedback into a hidden layer, in float64; None without a law."""
    kept = {name: matrix.double() for name, matrix in group.kept.items()}
    return form_of(group.rule, layer + 1, (layout.sizes[layer + 1], layout.sizes[layer]), kept)


def _remainder(
    field: NetworkField, before: Terms, after: Terms, outgoing: tuple[Tensor, ...]
) -> Tensor:
    """Return R, (row, hidden neuron)."""
    columns = []
    for index, moved in enumerate(outgoing):
        column = torch.zeros_like(moved[:, 0])
        for group in field.groups:
            rows = slice(group.start, group.stop)
            form = _form(field.layout, group, index + 1)
            if form is not None:
                weights = before.weights[index][rows], after.weights[index][rows]
                column[rows] = form.remainder(moved[rows], *weights)
        columns.append(column)
    return torch.cat(columns, 1)
