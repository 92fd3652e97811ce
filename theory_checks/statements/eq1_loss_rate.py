"""Eq. (1): dLoss/dt = <grad Loss, dtheta/dt> = -cos(phi) ||grad Loss|| ||G||.

Three evaluations that share no code: the derivative of the loss along the motion by torch's
automatic differentiation; gradient, update and angle as flowfa's own field computes them; and
the differences of the loss itself between the times of the mesh.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor

from flowfa.flow.field import ForwardPass, NetworkField
from flowfa.flow.sliding import reaches_of_zero, slopes_are_known, with_sliding_slopes
from theory_checks.controls import broken
from theory_checks.controls.control import Control
from theory_checks.controls.solvers import slow_solver
from theory_checks.evidence.evidence import ROUNDING, Evidence
from theory_checks.evidence.networks import Networks
from theory_checks.margins.bounds import RESOLVED
from theory_checks.margins.measurement import Hypothesis, Item, Measurement
from theory_checks.statements.statement import register

ON_A_KINK = 1e-8
"""Share of the largest preactivation below which one counts as zero, so that its slope is open."""
FADED = 1e-12
"""Share of its largest size so far that rounding leaves of a preactivation."""
CANCELLATION = 1e-15
"""Share of the terms of the rate of the loss that rounding makes up where they cancel."""
NETWORK = (Item(),)


@register
class RateOfLoss:
    """The factorisation at every time, and the loss as the integral of its rate."""

    spec: ClassVar[str] = "Eq-1"
    statement: ClassVar[str] = "dLoss/dt = -cos(phi) ||grad Loss|| ||G||"
    reading: ClassVar[str] = (
        "margin = 2 x uncertainty - difference; uncertainty: rounding, or integrator and quadrature"
    )

    def hypotheses(self, evidence: Evidence) -> tuple[Hypothesis, ...]:
        """Assume some time without a preactivation at zero, where slopes are a matter of choice."""
        everywhere = (on_kink(evidence) | ~_reached(evidence)).all(1)
        return (
            Hypothesis.of(
                "not-always-sliding",
                "at some time no neuron slides (no preactivation is zero)",
                ~everywhere,
            ),
        )

    def measure(self, evidence: Evidence) -> tuple[Measurement, ...]:
        """Return how much room three comparisons leave."""
        loss = evidence.along(mean_loss)
        factors = evidence.values(eq1_factors)
        smooth = ~on_kink(evidence) & _reached(evidence)
        measurements = (
            _at_times(evidence, loss.rates, factors, smooth),
            _integrated(evidence, loss.values, loss.coarser, loss.rates, smooth),
        )
        if evidence.record is None:
            return measurements
        return (*measurements, _recorded(evidence, loss.rates, smooth))

    def controls(self) -> Mapping[str, Control]:
        """Return flows whose motion is not -G."""
        return {
            "weight decay": broken("fa", "weight decay"),
            "tanh activation": broken("gd", "tanh"),
            "feedback that drifts": broken("dfa", "drifting feedback"),
            "a solver that is too slow": slow_solver("fa", 0.9),
        }


def mean_loss(networks: Networks) -> Tensor:
    """Return the loss, from the forward pass alone, (row, 1)."""
    field = networks.field
    output = field.forward(networks.state).output
    return field.mean(field.loss.value(output, field.targets))[:, None]


def eq1_factors(networks: Networks) -> Tensor:
    """Return dLoss/dt, cos(phi), ||grad||, ||G||, and the size of what cancels in it, (row, 5)."""
    observed = networks.observe()
    names = ("loss_rate", "cosine", "gradient_norm", "update_norm")
    of_gradient, of_update = term_sizes(networks)
    terms = of_gradient * observed["update_norm"] + of_update * observed["gradient_norm"]
    return torch.stack([*(observed[name] for name in names), terms], 1)


def term_sizes(networks: Networks) -> tuple[Tensor, Tensor]:
    """Return how large the terms are that gradient and update are sums of, (row,) each.

    Gradient and update are means over samples, exact to rounding of the mean norm of what single
    samples give, however much of it cancels: near an optimum almost all does.
    """
    field = networks.field
    forward = field.forward(networks.state)
    output_signal = field.output_signal(forward)

    def mean_norm(
        signal_into: Callable[[int, ForwardPass, Tensor, Tensor], Tensor], rates: Sequence[float]
    ) -> Tensor:
        squares, signal = torch.zeros(()), output_signal
        for layer in range(field.layout.layers, 0, -1):
            earlier = (
                forward.activations[layer - 2].square().sum(1)
                if layer > 1
                else field.inputs.square().sum(-1)
            )
            # One more, for a bias; where there is none this is a bound. So is slope one.
            squares = squares + signal.square().sum(1) * (earlier + 1.0) * rates[layer - 1] ** 2
            if layer > 1:
                signal = signal_into(layer, forward, signal, output_signal)
        return squares.sqrt().sum(1)

    layers = field.layout.layers
    one, rates = (1.0,) * layers, field.rates or (1.0,) * layers
    of_update = mean_norm(field.rule_signal, rates)
    if field.weight_decay:
        speeds = [rate * decay for rate, decay in zip(rates, field.weight_decay, strict=True)]
        decayed = field.layout.spread(tuple(speeds), networks.state) * networks.state
        of_update = of_update + decayed.norm(dim=1)
    return mean_norm(field.true_signal, one), of_update


def nearest_kink(networks: Networks) -> Tensor:
    """Return the least |z| as a share of the greatest in its network, (row, 1)."""
    z = torch.cat([z.flatten(1) for z in networks.field.forward(networks.state).preactivations], 1)
    return (z.abs().amin(1) / z.abs().amax(1))[:, None]


def preactivations(networks: Networks) -> Tensor:
    """Return z of all hidden layers, (row, hidden neuron * sample)."""
    forward = networks.field.forward(networks.state)
    return torch.cat([z.flatten(1) for z in forward.preactivations], 1)


def kinks(networks: Networks) -> Tensor:
    """Return by how much the rate of the loss jumps at a kink, by dz/dt.

    Returns
    -------
    Tensor
        The size up to which the state tells that z is zero; and (1 - alpha) |dLoss/dh| where it
        is, else 0: (row, 2 items), items as in `preactivations`.
    """
    field = networks.field
    forward = field.forward(networks.state)
    signal = output_signal = field.output_signal(forward)
    forward = with_sliding_slopes(field, forward, output_signal)
    reaches, jumps = reaches_of_zero(field, forward), []
    for layer in range(field.layout.layers - 1, 0, -1):
        z = forward.preactivations[layer - 1]
        raw = field.true_signal(layer + 1, forward, signal, output_signal)
        jump = field.activation.slope_jump() * raw.abs()
        jumps.insert(0, torch.where(z.abs() <= reaches[layer - 1], jump, 0.0))
        slope = forward.slopes[layer - 1] if forward.slopes else field.activation.derivative(z)
        signal = raw * slope
    return torch.cat([part.flatten(1) for part in (*reaches, *jumps)], 1)


def on_kink(evidence: Evidence) -> Tensor:
    """Return when slopes are open because some preactivation is zero, (trajectory, time) bool.

    Never if the activation has no kinks. Where states tell the slopes, only when one passes zero at
    that very time (the rate of the loss jumps there, and has no one value), or while one is so
    small that its sign means nothing: see `_hidden`.
    """
    return evidence.derived(_on_kink)


def _on_kink(evidence: Evidence) -> Tensor:
    if evidence.flow.field.activation.kinks == "none":
        return torch.zeros(len(evidence), len(evidence.times), dtype=torch.bool)
    motion = evidence.motion
    if isinstance(motion, NetworkField) and slopes_are_known(motion):
        course = evidence.along(preactivations)
        reach, jump = evidence.values(kinks).chunk(2, 2)
        jumps = (jump * course.rates.abs()).sum(2)
        passing = jumps > _resolution(evidence.values(eq1_factors)).squeeze(2)
        return passing | _hidden(course.values, course.coarser, reach)
    nearest = (evidence.values(nearest_kink, rung) for rung in (-1, evidence.run_rung))
    return (torch.minimum(*nearest) < ON_A_KINK).squeeze(2)


def _hidden(z: Tensor, coarser: Tensor, reach: Tensor) -> Tensor:
    """Return when the sign of some preactivation is hidden by its error, (trajectory, time) bool.

    Where it is so throughout an interval the neuron slides, or has slid to zero, and which slope it
    has is not told by the sign; a kink that is crossed is left behind. Below `reach` the state
    tells that it slides.
    """
    size, error = z.abs().nan_to_num(0.0), (z - coarser).abs().nan_to_num(0.0)
    # The error of that time: a kink that both rungs have crossed leaves none behind.
    known_to = error + FADED * size.cummax(1).values
    small = (size <= known_to) & (size > reach)
    throughout = (small[:, :-2:2] & small[:, 1::2] & small[:, 2::2]).any(2)
    hidden = torch.zeros(z.shape[:2], dtype=torch.bool)
    hidden[:, 1::2] = throughout
    hidden[:, :-2:2] |= throughout
    hidden[:, 2::2] |= throughout
    return hidden


def _resolution(factors: Tensor) -> Tensor:
    """Return what rounding makes of the rate of the loss, (trajectory, time, 1)."""
    _, _, gradient, update, terms = factors.split(1, 2)
    return ROUNDING * gradient * update + CANCELLATION * terms + torch.finfo(factors.dtype).tiny


def _at_times(evidence: Evidence, rate: Tensor, factors: Tensor, smooth: Tensor) -> Measurement:
    """Compare the automatic derivative with both forms of the factorisation, at each time."""
    claimed, cosine, gradient, update, _ = (part[:, :, None] for part in factors.unbind(2))
    size = gradient * update
    # Where a factor vanishes there is no angle, and the product is zero.
    product = torch.where(size > 0.0, -cosine * size, 0.0)
    wrong = torch.maximum((rate - claimed).abs(), (rate - product).abs())
    allowed = _resolution(factors) + ROUNDING * rate.abs()
    return Measurement(
        2.0 * allowed - wrong,
        allowed,
        torch.zeros_like(wrong),
        evidence.times[None, :, None].expand_as(wrong),
        smooth[:, :, None],
        NETWORK,
        note="at one time",
    )


def _integrated(
    evidence: Evidence, loss: Tensor, coarser: Tensor, rate: Tensor, smooth: Tensor
) -> Measurement:
    """Compare the loss with the integral of its rate over all intervals free of sliding."""
    length = (evidence.times[2::2] - evidence.times[:-2:2])[:, None]
    a, m, b = rate[:, :-2:2], rate[:, 1::2], rate[:, 2::2]
    free = (smooth[:, :-2:2] & smooth[:, 1::2] & smooth[:, 2::2])[:, :, None]

    def summed(values: Tensor) -> Tensor:
        return values.masked_fill(~free, 0.0).cumsum(1)

    simpson = length * (a + 4.0 * m + b) / 6.0
    # Bounds Simpson's error for a rate that is linear but for one jump, wherever that is.
    quadrature = length * (a - 2.0 * m + b).abs() / 3.0
    # Several kinks in an interval can do as much as the rate moves there.
    rates = torch.stack([a, m, b])
    spread = length * (rates.amax(0) - rates.amin(0))
    rise = loss[:, 2::2] - loss[:, :-2:2]
    wrong = summed(rise - simpson).abs()
    missed = summed(quadrature)
    tiny = torch.finfo(loss.dtype).tiny
    rounding = ROUNDING * loss.abs().cummax(1).values[:, 2::2] + tiny
    error = (loss - coarser).abs().cummax(1).values[:, 2::2] + rounding
    moved = summed(rise.abs())[:, -1:]
    allowed = error + missed
    margin = 2.0 * allowed - wrong
    # Times as coarse as these leave the verdict open; more times may settle it.
    blurred = allowed > RESOLVED * moved + 2.0 * rounding
    holding = torch.where(blurred, allowed, 0.0)
    # A violation has to be more than kinks between the times can do.
    count = free.sum(1, keepdim=True)
    share = RESOLVED * moved / (4.0 * count)
    # Two kinks in one interval can hide from the quadrature, but not from the loss. Where the sum
    # of all intervals is more than is allowed there is such an interval to look at again.
    differs = (rise - simpson).abs().masked_fill(~free, 0.0)
    unexplained = differs > quadrature + error / count
    # What differs in one interval alone is a burst that the times miss: a rate that is wrong is
    # so in many.
    burst = 2.0 * differs.cummax(1).values
    return Measurement(
        margin,
        error,
        missed + torch.where(margin > 0.0, holding, summed(spread) + burst),
        evidence.times[2::2][None, :, None].expand_as(margin),
        free,
        NETWORK,
        note="integrated up to then",
        coarse=(free & ((quadrature > share) | unexplained)).squeeze(2),
    )


def _recorded(evidence: Evidence, rates: Tensor, smooth: Tensor) -> Measurement:
    """Compare the file's loss_rate with the automatic derivative."""
    assert evidence.record is not None
    index = torch.searchsorted(evidence.times, evidence.record.time)
    on_run_rung = evidence.rates_on_run_rung(mean_loss)
    stored = evidence.record.observables["loss_rate"][:, :, None]
    wrong = (stored - on_run_rung[:, index]).abs()
    error = 2.0 * (rates - on_run_rung).abs().cummax(1).values[:, index]
    rounding = evidence.record.rounding * on_run_rung.abs().cummax(1).values
    # Where labels balance almost all of gradient and update cancels, and few digits are left.
    rounding = rounding + evidence.record.rounding / ROUNDING * _resolution(
        evidence.values(eq1_factors, evidence.run_rung)
    )
    allowed = error + rounding[:, index]
    return Measurement(
        2.0 * allowed - wrong,
        allowed,
        torch.zeros_like(wrong),
        evidence.record.time[None, :, None].expand_as(wrong),
        smooth[:, index, None],
        NETWORK,
        note="loss_rate in the file",
    )


def _reached(evidence: Evidence) -> Tensor:
    return evidence.times <= evidence.reached[:, None]
