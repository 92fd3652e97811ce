"""The vector field of one sample with an arbitrary residual: what data and loss leave open."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from theory_checks.laws.arithmetic.jets import Jet, Numbers, constant, joined
from theory_checks.laws.motion.activations import forward_of, switches_of
from theory_checks.laws.motion.dynamics import Dynamics
from theory_checks.laws.motion.feedback import LARGEST, Feedback, kept_matrices
from theory_checks.laws.motion.layout import Layout


@dataclass(frozen=True)
class Samples:
    """Data of a batch of fields, one sample each.

    Attributes
    ----------
    inputs : Jet
        x, (batch, n_0).
    residual : Jet
        d loss / d f, (batch, n_L): any vector, since data and losses are open.
    slopes : tuple of Jet
        Numbers that the activation asks for, (batch, n_l) of each hidden layer.
    drift : Jet
        How much of what moves without data is in the field, (batch, 1).
    kept : dict or None
        What the rule keeps for each, (batch, ...); None: the same as the motion has.
    targets : Jet or None
        y*, (batch, n_L): any vector, since data are open; None where the rule does not ask.
    """

    inputs: Jet
    residual: Jet
    slopes: tuple[Jet, ...]
    drift: Jet
    kept: dict[str, np.ndarray] | None = None
    targets: Jet | None = None


@dataclass(frozen=True)
class Points:
    """Points of the space in which the fields are.

    Attributes
    ----------
    state : Jet
        (batch, number), without derivatives; a batch of one serves all fields.
    signs : numpy.ndarray
        The signs of the numbers, 1 or -1, of the same shape.
    """

    state: Jet
    signs: np.ndarray


class Motion:
    """The fields of a training flow in some arithmetic.

    Parameters
    ----------
    dynamics : Dynamics
    numbers : Numbers
    source : numpy.random.Generator
        Of everything that is in general position.
    largest : int
        Size of what the rule keeps: whole numbers for exact arithmetic, or 1 for numbers below it.
    opaque : bool
        Whether torch computes the feedback of a rule without a form; numbers are floats then.
    """

    def __init__(
        self,
        dynamics: Dynamics,
        numbers: Numbers,
        source: np.random.Generator,
        largest: int = LARGEST,
        opaque: bool = False,
    ) -> None:
        self.dynamics = dynamics
        self.numbers = numbers
        self.source = source
        self.feedback = Feedback.drawn(dynamics, source, largest, opaque)
        self.largest = largest
        self._forward = forward_of(dynamics.activation)
        self._rates = [self._number(rate) for rate in dynamics.rates]
        self._decay = [self._number(rate) for rate in dynamics.weight_decay]
        self._seen = 0

    @property
    def layout(self) -> Layout:
        """The numbers that move."""
        return self.dynamics.layout

    def points(self, batch: int) -> Points:
        """Draw points in general position, each in an orthant of its own."""
        shape = (batch, self.layout.size)
        state = constant(self.numbers, self.numbers.random(self.source, shape))
        return Points(state, self.source.choice([-1, 1], shape))

    def samples(self, batch: int, fresh: bool = False, in_turn: bool = True) -> Samples:
        """Draw samples; given data have their turn one after the other, or are drawn at random.

        With `fresh`, what the rule keeps is drawn anew for each, as it is for a rule that draws at
        each step.
        """
        sizes, draw = self.dynamics.sizes, self._drawn
        if self.dynamics.inputs is None:
            inputs = draw((batch, sizes[0]))
        else:
            number = len(self.dynamics.inputs)
            turn = (self._seen + np.arange(batch)) % number
            if in_turn:
                self._seen += batch
            else:
                turn = self.source.integers(0, number, batch)
            inputs = constant(self.numbers, self.numbers.of(self.dynamics.inputs[turn]))
        slopes = tuple(self._slopes((batch, width)) for width in sizes[1:-1])
        kept = None
        if fresh or self.dynamics.rule.redrawn:
            each = [kept_matrices(self.dynamics, self.source, self.largest) for _ in range(batch)]
            kept = {name: np.stack([one[name] for one in each]) for name in each[0]}
        residual, drift = draw((batch, sizes[-1])), draw((batch, 1))
        asked = self.dynamics.rule.feedback_from == "targets"
        targets = draw((batch, sizes[-1])) if asked else None
        return Samples(inputs, residual, slopes, drift, kept, targets)

    def field(self, state: Jet, signs: np.ndarray, samples: Samples) -> Jet:
        """Return the field at a state, (batch, number); its sign and size are no matter."""
        updates = self._updates(state, signs, samples)
        dynamics = self.dynamics
        if dynamics.friction is None and not dynamics.decays:
            return joined([_flat(updates[name]) for name in self.layout.shapes])
        parts = []
        for name in self.layout.shapes:
            if name == "u":
                unit = self._number(dynamics.time_unit)
                parts.append(samples.drift * _flat(self.layout.view(state, name)) * unit)
            elif name in updates and dynamics.friction is not None:
                velocity = _flat(self.layout.view(state, f"V{name}"))
                parts.append(samples.drift * velocity)
            elif name in updates:
                parts.append(_flat(updates[name]) - samples.drift * self._decayed(state, name))
            else:
                friction = self._number(dynamics.friction or 0.0)
                velocity = _flat(self.layout.view(state, name))
                moved = friction * velocity + self._decayed(state, name[1:])
                parts.append(_flat(updates[name[1:]]) - samples.drift * moved)
        return joined(parts)

    def _updates(self, state: Jet, signs: np.ndarray, samples: Samples) -> dict[str, Jet]:
        """Return G of each array, times its rate."""
        dynamics, layers = self.dynamics, self.dynamics.layers
        weights = {n: self.layout.view(state, f"W{n}") for n in range(1, layers + 1)}
        hidden, slopes = [samples.inputs], []
        for layer in range(1, layers):
            z = weights[layer] @ hidden[-1]
            if dynamics.has_bias[layer - 1]:
                z = z + self.layout.view(state, f"c{layer}")
            h, slope = self._forward(z, samples.slopes[layer - 1])
            hidden.append(h)
            slopes.append(slope)
        delta, updates = samples.residual, {}
        for layer in range(layers, 0, -1):
            rate = self._rates[layer - 1]
            updates[f"W{layer}"] = delta.outer(hidden[layer - 1] * rate)
            if dynamics.has_bias[layer - 1]:
                updates[f"c{layer}"] = delta * rate
            if layer == 1:
                break
            back = self.feedback.matrix(
                layer,
                weights[layer],
                self.layout.view_of(signs, f"W{layer}"),
                samples.kept,
                self._shrunk(state, layer),
            )
            if samples.targets is not None:
                delta = back @ samples.targets
            else:
                direct = dynamics.rule.feedback_from == "output"
                delta = back @ (samples.residual if direct else delta)
            slope = slopes[layer - 2]
            delta = delta if slope is None else delta * slope
        if dynamics.readouts:
            for layer in range(1, layers - 1):
                updates[f"A{layer}"] = samples.residual.outer(hidden[layer])
        return updates

    def _decayed(self, state: Jet, name: str) -> Jet:
        """Return lambda times an array; readouts do not decay."""
        layer = int(name[1:])
        rate = self._decay[layer - 1] if name[0] in "Wc" else self._number(0.0)
        return rate * _flat(self.layout.view(state, name))

    def _shrunk(self, state: Jet, layer: int) -> Jet | None:
        """Return exp(-lambda_l t) of a layer whose feedback decays along, (batch, 1, 1)."""
        dynamics = self.dynamics
        rate = dynamics.weight_decay[layer - 1]
        if not dynamics.rule.learned or not rate:
            return None
        square = _flat(self.layout.view(state, "u")).inverse()
        result, left = None, dynamics.in_units(rate)
        while left:
            if left & 1:
                result = square if result is None else result * square
            square, left = square * square, left >> 1
        assert result is not None
        return result.mapped(lambda values: values[..., None])

    def _number(self, value: float | Fraction) -> Jet:
        exact = Fraction(str(value)) if isinstance(value, float) else value
        quotient = self.numbers.of(np.array([[exact.numerator]])) * self.numbers.inverse(
            self.numbers.of(np.array([[exact.denominator]]))
        )
        return constant(self.numbers, self.numbers.reduce(quotient))

    def _slopes(self, shape: tuple[int, ...]) -> Jet:
        """Return what the activation asks for: any numbers, or switches."""
        switches = switches_of(self.dynamics.activation)
        if not switches:
            return self._drawn(shape)
        return constant(self.numbers, self.numbers.of(self.source.choice(switches, shape)))

    def _drawn(self, shape: tuple[int, ...]) -> Jet:
        return constant(self.numbers, self.numbers.random(self.source, shape))


def _flat(jet: Jet) -> Jet:
    """Return (batch, number)."""
    values = jet.values
    return Jet(values.reshape(*values.shape[:2], -1), jet.numbers)
