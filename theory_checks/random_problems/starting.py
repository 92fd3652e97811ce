"""Random initial weights, biases and feedback by kind, in general and in special position."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from hypothesis import strategies as st

from flowfa.problems.rules import Rule, form_of
from flowfa.problems.starts import AlignedStart, GivenStart, given_start
from theory_checks.random_problems.data import seeds
from theory_checks.random_problems.structure import Architecture

Arrays = dict[str, np.ndarray]
EXPONENT = 5.0
"""Largest -y f at time 0 under the exponential loss. Theorems do not speak of overflow, and a loss
of millions falls within a millionth of the run, which no mesh resolves."""


@dataclass(frozen=True)
class Seat:
    """The network, rule and samples that a start is drawn for.

    Attributes
    ----------
    sizes : tuple of int
        n_0, ..., n_L.
    has_bias : tuple of bool
        Whether each layer has a bias.
    rule : Rule
    feedback_scale : float
        Factor of the feedback that the rule keeps.
    X : numpy.ndarray
        The samples, (sample, feature): dead units are dead on them.
    """

    sizes: tuple[int, ...]
    has_bias: tuple[bool, ...]
    rule: Rule
    feedback_scale: float
    X: np.ndarray

    @property
    def layers(self) -> int:
        """Return L."""
        return len(self.sizes) - 1


def _aligned(seat: Seat, random: np.random.Generator) -> Arrays:
    """Draw what satisfies L-1 and P-2 under every rule, while biases are zero."""
    law = AlignedStart()
    weights = law.draw_weights(seat.sizes, random)

    def draw(kind: str, layer: int, shape: tuple[int, int]) -> np.ndarray:
        return law.draw_feedback(kind, layer, shape, weights, random)

    arrays = _named(weights) | seat.rule.draw_feedback(weights, draw)
    return arrays | _biases(seat, random, 0.0)


def _normal(seat: Seat, random: np.random.Generator) -> Arrays:
    """Draw every entry from N(0, s^2), s between 0.1 and 1; so feedback and biases."""
    scale = 10.0 ** random.uniform(-1.0, 0.0)
    return _random(seat, random, lambda out, into: scale, bias=scale)


def _xavier(seat: Seat, random: np.random.Generator) -> Arrays:
    return _random(seat, random, lambda out, into: (2.0 / (out + into)) ** 0.5, bias=0.0)


def _tiny(seat: Seat, random: np.random.Generator) -> Arrays:
    """Draw weights of size 10^-6, feedback of size 1."""
    return _times(_random(seat, random, lambda out, into: 1.0, bias=1.0), 1e-6)


def _huge(seat: Seat, random: np.random.Generator) -> Arrays:
    """Draw weights so large that outputs are 100 times those of a Xavier start.

    Under the exponential loss `limited` makes them smaller.
    """
    return _times(_xavier(seat, random), 100.0 ** (1.0 / seat.layers))


def _boundary(seat: Seat, random: np.random.Generator) -> Arrays:
    """Draw kappa_j = 0 in exact arithmetic for the last hidden layer, by powers of two.

    Each in-row is +-a e_i, each neuron has one out-weight, of size a^2 / 2 where the feedback
    has size one, and a under gd.
    """
    arrays = _random(seat, random, lambda out, into: 0.5, bias=0.0)
    last, width, outputs = seat.layers, seat.sizes[-2], seat.sizes[-1]
    into, out = np.zeros((width, seat.sizes[-3])), np.zeros((outputs, width))
    back = np.zeros((width, outputs))
    for neuron in range(width):
        size = random.choice((0.5, 1.0, 2.0))
        sign = random.choice((-1.0, 1.0))
        to = random.integers(outputs)
        into[neuron, random.integers(into.shape[1])] = size * random.choice((-1.0, 1.0))
        out[to, neuron] = sign * _balancing(seat, size)
        back[neuron, to] = sign
    arrays |= {f"W{last - 1}": into, f"W{last}": out}
    for name, matrix in (("B", back), ("M", np.abs(back)), ("D", back)):
        key = f"{name}{last - 1 if name == 'D' else last}"
        if key in arrays:
            arrays[key] = matrix
    return arrays


def _balancing(seat: Seat, size: float) -> float:
    """Return the x > 0 with g(x) = 1/2 size^2, of an out-weight whose B and M have entries 1."""
    last = seat.layers
    shape = (seat.sizes[last], seat.sizes[last - 1])
    kept = seat.rule.draw_feedback(
        tuple(np.zeros((out, into)) for into, out in itertools.pairwise(seat.sizes)),
        lambda kind, layer, shape: np.ones(shape),
    )
    ones = {
        name: torch.ones(1, *matrix.shape, dtype=torch.float64) for name, matrix in kept.items()
    }
    form = form_of(seat.rule, last, shape, ones)
    if form is None:
        return 0.5 * size**2
    if form.fixed is not None and not seat.rule.accepts_feedback:
        # B is the weight itself: 1/2 a^2 = w^2 has no exact root.
        return 0.5**0.5 * size
    fixed, magnitudes = form.fixed, form.magnitudes
    slope = 0.0 if fixed is None else float(fixed[0, 0, 0])
    if magnitudes is not None:
        slope += float(magnitudes[0, 0, 0] if isinstance(magnitudes, torch.Tensor) else magnitudes)
    share = form.weight_share
    if share <= 0.0:
        return 0.5 * size**2 / slope
    return (math.sqrt(slope**2 + share * size**2) - slope) / share


def _dead(seat: Seat, random: np.random.Generator) -> Arrays:
    """Turn half of the first layer's neurons off on all samples, as far as there is such a row."""
    arrays = _xavier(seat, random)
    off, *_ = np.linalg.lstsq(seat.X, -np.ones(len(seat.X)), rcond=1e-10)
    norm = np.linalg.norm(off)
    if norm > 0.0:
        arrays["W1"][::2] = off / norm * random.uniform(0.5, 1.0, (len(arrays["W1"][::2]), 1))
    return arrays


def _zero(seat: Seat, random: np.random.Generator) -> Arrays:
    """Set the out-weights of the last hidden layer to zero, or the in-weights, or all weights."""
    arrays = _xavier(seat, random)
    last = seat.layers
    which = random.integers(3)
    for layer in ((last,), (last - 1,), tuple(range(1, last + 1)))[which]:
        arrays[f"W{layer}"] = np.zeros_like(arrays[f"W{layer}"])
    return arrays


START_KINDS: dict[str, Callable[[Seat, np.random.Generator], Arrays]] = {
    "aligned": _aligned,
    "xavier": _xavier,
    "normal": _normal,
    "tiny": _tiny,
    "huge": _huge,
    "boundary": _boundary,
    "dead": _dead,
    "zero": _zero,
}
"""By name; the first is the one that most theorems apply to."""


def _small(seat: Seat, random: np.random.Generator) -> Arrays:
    """Draw weights and biases of one size between 10^-6 and 10^-2, feedback of size 1."""
    size = 10.0 ** random.uniform(-6.0, -2.0)
    return _times(_random(seat, random, lambda out, into: 1.0, bias=1.0), size)


def _uneven(seat: Seat, random: np.random.Generator) -> Arrays:
    """Draw each matrix and each bias of a size of its own between 10^-6 and 1."""
    arrays = _random(seat, random, lambda out, into: 1.0, bias=1.0)
    return {
        name: 10.0 ** random.uniform(-6.0, 0.0) * array if name[0] in "Wc" else array
        for name, array in arrays.items()
    }


WIDE_START_KINDS: dict[str, Callable[[Seat, np.random.Generator], Arrays]] = {
    "small": _small,
    "uneven": _uneven,
}
"""By name; those of `wide_plan`. `START_KINDS` stay as they are, so that its batches do."""


def draw_start(kind: str, seat: Seat, random: np.random.Generator) -> Arrays:
    """Draw W1.., c1.. and the matrices that the rule keeps and accepts, without leading dimension.

    Parameters
    ----------
    kind : str
        A name in `START_KINDS` or `WIDE_START_KINDS`.
    seat : Seat
    random : numpy.random.Generator
    """
    arrays = (START_KINDS | WIDE_START_KINDS)[kind](seat, random)
    if not seat.rule.accepts_feedback:
        arrays = {name: array for name, array in arrays.items() if name[0] in "Wc"}
    if seat.feedback_scale != 1.0 and kind != "boundary":
        arrays |= {
            name: seat.feedback_scale * array
            for name, array in arrays.items()
            if name[0] not in "Wc"
        }
    return arrays


def limited(arrays: Arrays, X: np.ndarray, y: np.ndarray, leak: float) -> Arrays:
    """Return the start with weights and biases made smaller until no -y f exceeds `EXPONENT`."""
    while (-y * _output(arrays, X, leak)).max() > EXPONENT:
        arrays = {name: 0.7 * array if name[0] in "Wc" else array for name, array in arrays.items()}
    return arrays


@st.composite
def starts(
    draw: st.DrawFn,
    architecture: Architecture,
    rule: Rule,
    X: np.ndarray,
    outputs: int = 1,
    kinds: tuple[str, ...] = tuple(START_KINDS),
) -> GivenStart:
    """Draw the start of one network.

    Parameters
    ----------
    draw : hypothesis draw function
    architecture : Architecture
    rule : Rule
    X : numpy.ndarray
        The samples, (sample, feature).
    outputs : int
    kinds : tuple of str
        Names in `START_KINDS`.
    """
    kind = draw(st.sampled_from(kinds))
    sizes = (X.shape[-1], *architecture.hidden, outputs)
    seat = Seat(sizes, architecture.has_bias, rule, 1.0, X)
    arrays = draw_start(kind, seat, np.random.default_rng(draw(seeds())))
    return given_start(arrays, f"random {kind}")


def _random(
    seat: Seat,
    random: np.random.Generator,
    scale: Callable[[int, int], float],
    bias: float,
) -> Arrays:
    """Draw normal weights and feedback, `scale` by rows and columns, and normal biases."""
    weights = tuple(
        scale(n_out, n_in) * random.standard_normal((n_out, n_in))
        for n_in, n_out in itertools.pairwise(seat.sizes)
    )

    def draw(kind: str, layer: int, shape: tuple[int, int]) -> np.ndarray:
        return scale(*shape) * random.standard_normal(shape)

    arrays = _named(weights) | seat.rule.draw_feedback(weights, draw)
    return arrays | _biases(seat, random, bias)


def _biases(seat: Seat, random: np.random.Generator, scale: float) -> Arrays:
    return {
        f"c{layer}": scale * random.standard_normal(size)
        for layer, (size, has_bias) in enumerate(zip(seat.sizes[1:], seat.has_bias, strict=True), 1)
        if has_bias
    }


def _times(arrays: Arrays, factor: float) -> Arrays:
    """Return weights and biases times a factor, feedback as it is."""
    return {name: factor * array if name[0] in "Wc" else array for name, array in arrays.items()}


def _named(weights: tuple[np.ndarray, ...]) -> Arrays:
    return {f"W{layer}": weight for layer, weight in enumerate(weights, start=1)}


def _output(arrays: Arrays, X: np.ndarray, leak: float) -> np.ndarray:
    """Return f of a scalar network, (sample,)."""
    depth = max(int(name[1:]) for name in arrays if name[0] == "W")
    hidden = X
    for layer in range(1, depth + 1):
        z = hidden @ arrays[f"W{layer}"].T + arrays.get(f"c{layer}", 0.0)
        hidden = np.where(z > 0.0, z, leak * z)
    # The last layer is linear.
    return z[:, 0]
