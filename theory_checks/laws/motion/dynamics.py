"""What is asked about: a rule, an architecture, and what else moves the weights."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from math import gcd, lcm
from typing import Any

import numpy as np

from flowfa.errors import InputError
from flowfa.problems.activations import Activation, LeakyReLU, Tanh
from flowfa.problems.problem import Problem
from flowfa.problems.rules import RULES, Rule
from theory_checks.laws.arithmetic.elimination import rank
from theory_checks.laws.arithmetic.modular import Modular
from theory_checks.laws.motion.layout import Layout, network_shapes

MOST_PARAMETERS = 1000
NEARLY_DEPENDENT = 1e-10
"""Share of the largest singular value below which another is zero but for rounding."""


@dataclass(frozen=True)
class Dynamics:
    """A training flow whose data and loss are left open.

    Parameters
    ----------
    rule : str or Rule
    sizes : tuple of int
        n_0, ..., n_L.
    activation : Activation
        Of all hidden layers.
    has_bias : tuple of bool, optional
        Of each layer; none by default.
    inputs : numpy.ndarray, optional
        (sample, feature): these samples only, each with any residual; by default any input.
    friction : float, optional
        Heavy-ball momentum as a flow, d^2 W/dt^2 = -friction dW/dt - G; then the velocities V_l
        and the time are part of the state. By default there is no momentum.
    weight_decay : tuple of float, optional
        lambda_l of each layer (C-13), or one number for all; then the state has the time too.
    rates : tuple of float, optional
        eta_l of each layer (C-8); 1 by default.
    readouts : bool
        Whether the virtual readouts dA_l/dt = -delta_L h_l^T of C-1 are part of the state.

    Raises
    ------
    InputError
        If a part does not fit the others, or the network is too large.
    """

    # A name becomes a Rule at once, so that it is one wherever it is read.
    rule: Any
    sizes: tuple[int, ...]
    activation: Activation = field(default_factory=LeakyReLU)
    has_bias: tuple[bool, ...] = ()
    inputs: np.ndarray | None = field(default=None, compare=False)
    friction: float | None = None
    weight_decay: tuple[float, ...] = ()
    rates: tuple[float, ...] = ()
    readouts: bool = False

    def __post_init__(self) -> None:
        """Give the parts that were left out their values, and refuse what does not fit."""
        if isinstance(self.rule, str):
            object.__setattr__(self, "rule", RULES.get(self.rule)())
        if not isinstance(self.rule, Rule):
            raise InputError(f"`rule` is {self.rule!r}: expected a name or a Rule")
        if self.rule.moves:
            raise InputError(
                f"the rule {self.rule.name!r} moves its feedback, and laws are counted of rules "
                "that keep theirs: see what C-1 says of its runs (`theory_checks.check` with "
                '`only=["C-1"]`), or take another rule'
            )
        _check_sizes(self.sizes)
        layers = len(self.sizes) - 1
        object.__setattr__(self, "sizes", tuple(self.sizes))
        object.__setattr__(self, "has_bias", tuple(self.has_bias) or (False,) * layers)
        for name in ("weight_decay", "rates"):
            object.__setattr__(self, name, _of_layers(name, getattr(self, name), layers))
        if self.friction is not None and not _is_number(self.friction):
            raise InputError(
                f"`friction` is {self.friction!r}: expected a non-negative finite number"
            )
        if self.rule.learned and self.friction is not None and self.decays:
            raise InputError(
                f"{self.rule.name} with both momentum and weight decay is not counted: its "
                "feedback has a velocity of its own then; leave out the momentum or `weight_decay`"
            )
        if self.inputs is not None and self.inputs.shape[-1] != self.sizes[0]:
            raise InputError(
                f"the samples have {self.inputs.shape[-1]} features and `sizes` begins with "
                f"{self.sizes[0]}: they must be equal"
            )
        if self.inputs is not None:
            _check_samples(self.inputs, self.activation)
        if self.layout.size > MOST_PARAMETERS:
            raise InputError(
                f"`sizes` {'-'.join(map(str, self.sizes))} has {self.layout.size} numbers that "
                f"move, and exact elimination is for at most {MOST_PARAMETERS}: shrink the widest "
                "layers; what is conserved depends on widths as docs/theory/laws.md shows"
            )

    @classmethod
    def of(cls, problem: Problem) -> Dynamics:
        """Return the flow of a problem with one rule, its data and loss left open.

        Raises
        ------
        InputError
            If the problem has several rules.
        """
        if len(problem.rules) != 1:
            names = ", ".join(rule.name for rule in problem.rules)
            raise InputError(f"the problem has the rules {names}: laws are of one rule, give one")
        return cls(problem.rules[0], problem.sizes, problem.activation, problem.has_bias)

    @property
    def layers(self) -> int:
        """Number of weight layers L."""
        return len(self.sizes) - 1

    @property
    def decays(self) -> bool:
        """Whether weights decay, so that laws may depend on time."""
        return any(self.weight_decay)

    @property
    def timed(self) -> bool:
        """Whether laws may depend on time, which is one of the numbers then."""
        return self.decays or bool(self.friction)

    @cached_property
    def time_unit(self) -> Fraction:
        """The largest rate of which friction and decay rates are multiples.

        Time is seen as exp(unit t).
        """
        given = (*self.weight_decay, self.friction or 0.0)
        rates = [Fraction(str(rate)) for rate in given if rate]
        if not rates:
            return Fraction(1)
        below = lcm(*(rate.denominator for rate in rates))
        return Fraction(gcd(*(int(rate * below) for rate in rates)), below)

    def in_units(self, rate: float) -> int:
        """Return how many times the time unit a rate of decay is."""
        return int(Fraction(str(rate)) / self.time_unit)

    @cached_property
    def layout(self) -> Layout:
        """The numbers that move: weights and biases, readouts, velocities, the time."""
        shapes = network_shapes(self.sizes, self.has_bias)
        if self.readouts:
            for layer in range(1, self.layers - 1):
                shapes[f"A{layer}"] = (self.sizes[-1], self.sizes[layer])
        if self.friction is not None:
            shapes |= {f"V{name}": shape for name, shape in shapes.items()}
        if self.timed:
            shapes["u"] = ()
        return Layout(shapes)


def _check_samples(inputs: np.ndarray, activation: Activation) -> None:
    if isinstance(activation, Tanh):
        raise InputError(
            "given samples have the same tanh in every field, which the count does not follow: "
            "count over all data (leave the samples out), or take another `activation`"
        )
    sizes = np.abs(inputs).max(axis=1, keepdims=True, initial=0.0)
    values = np.linalg.svd(inputs / np.where(sizes > 0.0, sizes, 1.0), compute_uv=False)
    nearly = int((values > NEARLY_DEPENDENT * values[:1]).sum()) if len(values) else 0
    numbers = Modular()
    exact = rank(numbers, numbers.of(inputs))
    if exact > nearly:
        raise InputError(
            f"the samples have rank {nearly} but for rounding, and {exact} with it, so that laws "
            "would be counted as of independent samples: round them to whole numbers or to "
            "multiples of a power of two, in which the dependence is exact"
        )


def _check_sizes(sizes: object) -> None:
    if not isinstance(sizes, list | tuple) or len(sizes) < 3:
        raise InputError(
            f"`sizes` is {sizes!r}: expected inputs, hidden widths and outputs, such as (3, 4, 2)"
        )
    for size in sizes:
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise InputError(f"`sizes` has {size!r}: expected whole numbers of at least 1")


def _of_layers(name: str, given: Any, layers: int) -> tuple[float, ...]:
    """Return one number for each layer; the neutral one if none was given."""
    neutral = 1.0 if name == "rates" else 0.0
    values = tuple(given) if isinstance(given, list | tuple) else (given,)
    if not values:
        return (neutral,) * layers
    if len(values) == 1:
        values = values * layers
    if len(values) != layers:
        raise InputError(
            f"`{name}` has {len(values)} numbers for {layers} layers: give one for each, or one "
            "for all"
        )
    for value in values:
        if not _is_number(value) or (name == "rates" and value == 0):
            kind = "positive" if name == "rates" else "non-negative"
            raise InputError(f"`{name}` has {value!r}: expected {kind} finite numbers")
    return tuple(float(value) for value in values)


def _is_number(value: object) -> bool:
    """Return whether it is a non-negative finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return bool(np.isfinite(value)) and value >= 0
