"""The feedback of a rule in exact arithmetic: by its stated form, or by following its code."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from flowfa.errors import FlowfaError, InputError
from flowfa.problems.rules import Rule
from theory_checks.laws.arithmetic.floats import through_torch
from theory_checks.laws.arithmetic.jets import Jet, Numbers
from theory_checks.laws.arithmetic.simple import of_fraction, simple_fraction
from theory_checks.laws.motion.dynamics import Dynamics
from theory_checks.laws.motion.traced import NotFollowed, Traced, traced_constant

LARGEST = 2**20
"""Entries of what a rule keeps are whole numbers below it: exact, also after a product or two."""
LARGEST_WHOLE = 2.0**53
"""From here on all doubles are whole, by rounding."""
BROKEN_BY = ("round", "floor", "ceil", "trunc", "frac", "argmax", "argmin", "argsort", "sort")
"""Functions of torch that have no derivative, or the derivative zero where they are constant."""
NOISE = ("rand", "randn", "rand_like", "randn_like", "normal", "bernoulli", "dropout", "randint")


@dataclass
class Feedback:
    """What a rule keeps, and the matrices F_l that it makes of it.

    Attributes
    ----------
    rule : Rule
    kept : dict
        What `Rule.draw_feedback` returned for one trajectory, float64.
    opaque : bool
        Whether torch computes the feedback of a rule without a form, in floats; by default its
        code is followed in the arithmetic at hand.
    """

    rule: Rule
    sizes: tuple[int, ...]
    kept: dict[str, np.ndarray]
    opaque: bool = False
    _forms: dict[tuple[int, int], tuple[Jet | None, ...]] = field(default_factory=dict)

    @classmethod
    def drawn(
        cls,
        dynamics: Dynamics,
        source: np.random.Generator,
        largest: int = LARGEST,
        opaque: bool = False,
    ) -> Feedback:
        """Return feedback in general position, from random weights."""
        kept = kept_matrices(dynamics, source, largest)
        return cls(dynamics.rule, dynamics.sizes, kept, opaque)

    def matrix(
        self,
        layer: int,
        weight: Jet,
        signs: np.ndarray,
        kept: dict[str, np.ndarray] | None,
        shrunk: Jet | None = None,
    ) -> Jet:
        """Return F_l, (batch, n_{l-1}, n_l or n_L).

        Parameters
        ----------
        layer : int
        weight : Jet
            W_l, (batch, n_l, n_{l-1}).
        signs : numpy.ndarray
            Of its entries.
        kept : dict, optional
            What a rule that draws anew keeps for each network of the batch.
        shrunk : Jet, optional
            (batch, 1, 1): the share that weight decay has left of what a learned feedback keeps.

        Raises
        ------
        InputError
            If the rule draws noise, or is not differentiable.
        NotFollowed
            If its code uses a function that exact arithmetic does not have.
        """
        if self.rule.in_form:
            share, fixed, magnitudes = self.parts(layer, weight.numbers, kept)
            if shrunk is not None:
                fixed = None if fixed is None else fixed * shrunk
                magnitudes = None if magnitudes is None else magnitudes * shrunk
            return _sum_of_parts((share, fixed, magnitudes), weight, signs)
        kept = self.kept if kept is None else kept
        if self.opaque:
            return self._by_torch(layer, weight, kept, shrunk)
        return self._traced(layer, weight, signs, kept, shrunk)

    def has_magnitudes(self, numbers: Numbers) -> bool:
        """Return whether the feedback of a rule in form has signs of weights in it."""
        layers = range(2, len(self.sizes))
        return any(self.parts(layer, numbers)[2] is not None for layer in layers)

    def parts(
        self, layer: int, numbers: Numbers, kept: dict[str, np.ndarray] | None = None
    ) -> tuple[Jet | None, ...]:
        """Return a, B and M of the form of a rule (C-12), each None where it is zero."""
        if kept is None:
            key = (layer, id(numbers))
            if key not in self._forms:
                alone = {name: matrix[None] for name, matrix in self.kept.items()}
                self._forms[key] = self.parts(layer, numbers, alone)
            return self._forms[key]
        tensors = {name: torch.as_tensor(matrix) for name, matrix in kept.items()}
        form = self.rule.form(layer, (self.sizes[layer], self.sizes[layer - 1]), tensors)
        assert form is not None
        parts = (form.weight_share or None, form.fixed, form.magnitudes)
        exact = [matrix for matrix in kept.values() if matrix.ndim == 3]
        return tuple(None if part is None else _matrix(part, numbers, exact) for part in parts)

    def _traced(
        self,
        layer: int,
        weight: Jet,
        signs: np.ndarray,
        kept: dict[str, np.ndarray],
        shrunk: Jet | None,
    ) -> Jet:
        seen = {
            name: traced_constant(weight.numbers, matrix if matrix.ndim == 3 else matrix[None])
            for name, matrix in kept.items()
        }
        if shrunk is not None:
            seen = {name: Traced(each.jet * shrunk, each.signs) for name, each in seen.items()}
        try:
            result = self.rule.feedback(layer, Traced(weight, signs), seen)  # pyright: ignore[reportArgumentType]
        except NotFollowed as function:
            name = str(function)
            if name in BROKEN_BY:
                raise InputError(
                    f"the feedback of {self.rule.name} uses {name}, which is not differentiable: "
                    "there are no brackets of its fields; smooth it"
                ) from None
            if name in NOISE:
                raise InputError(noise(self.rule)) from None
            raise
        except FlowfaError:
            raise
        except Exception as error:
            # The code works on tensors (`soundness`), and `Traced` lacks what it uses.
            raise NotFollowed(type(error).__name__) from error
        if isinstance(result, torch.Tensor):
            result = traced_constant(weight.numbers, result.detach().double().numpy())
        if not isinstance(result, Traced):
            raise NotFollowed(type(result).__name__)
        return result.jet

    def _by_torch(
        self, layer: int, weight: Jet, kept: dict[str, np.ndarray], shrunk: Jet | None
    ) -> Jet:
        """Return F_l as torch computes it, with derivatives that are its own."""
        batch = weight.shape[0]
        tensors = {
            name: torch.as_tensor(matrix if matrix.ndim == 3 else matrix[None]).expand(
                batch, -1, -1
            )
            for name, matrix in kept.items()
        }

        def function(given: Tensor, *share: Tensor) -> Tensor:
            seen = {name: m * share[0] if share else m for name, m in tensors.items()}
            result = self.rule.feedback(layer, given, seen)
            return result.expand(batch, *result.shape[-2:])

        try:
            return through_torch(function, [weight, *([] if shrunk is None else [shrunk])])
        except FlowfaError:
            raise
        except Exception as error:
            reason = " ".join(str(error).split())[:200]
            raise InputError(
                f"the feedback of {self.rule.name} has no forward derivatives in torch "
                f"({type(error).__name__}: {reason}): write it with other functions"
            ) from error


def kept_matrices(
    dynamics: Dynamics, source: np.random.Generator, largest: int = LARGEST
) -> dict[str, np.ndarray]:
    """Return what the rule keeps, drawn from random weights: whole numbers, if `largest` is not 1.

    A matrix that the rule makes of low rank, in floating point, is replaced by one of whole numbers
    that has this rank exactly.
    """

    def draw(kind: str, layer: int, shape: tuple[int, int]) -> np.ndarray:
        return _whole(source, shape, largest)

    sizes = dynamics.sizes
    weights = tuple(_whole(source, (out, into), largest) for into, out in pairwise(sizes))
    kept = dynamics.rule.draw_feedback(weights, draw)
    return {name: _of_exact_rank(np.asarray(matrix), source) for name, matrix in kept.items()}


def noise(rule: Rule) -> str:
    """Return why a rule that draws noise in its feedback is refused."""
    return (
        f"the feedback of {rule.name} draws noise: it is no vector field; draw in draw_feedback, "
        "and set redrawn = True if it is drawn anew at each step"
    )


def _whole(source: np.random.Generator, shape: tuple[int, ...], largest: int) -> np.ndarray:
    signs = source.choice([-1.0, 1.0], shape)
    if largest == 1:
        return signs * source.uniform(0.5, 1.0, shape)
    return signs * source.integers(1, largest, shape)


def _of_exact_rank(matrix: np.ndarray, source: np.random.Generator) -> np.ndarray:
    """Return an exact matrix of the same rank, with the same rows and columns of zeros.

    In floating point a matrix of low rank has full rank, by rounding.

    Raises
    ------
    InputError
        If it has a low rank and other zeros, so that no matrix drawn at random is like it.
    """
    whole = (matrix == matrix.round()) & (np.abs(matrix) < LARGEST_WHOLE)
    if matrix.ndim != 2 or not matrix.any() or whole.all():
        # Whole numbers are as they were drawn, in general position.
        return matrix
    rows, columns = np.flatnonzero(matrix.any(axis=1)), np.flatnonzero(matrix.any(axis=0))
    dense = matrix[np.ix_(rows, columns)]
    values = np.linalg.svd(dense, compute_uv=False)
    rank = int((values > 1e-10 * values[0]).sum())
    if rank == min(dense.shape):
        return matrix
    if not dense.all():
        raise InputError(
            f"draw_feedback returns a matrix of rank {rank} with zeros among its entries, in "
            "floating point, in which its rank is not exact: return whole numbers"
        )
    left = source.integers(1, 2**10, (len(rows), rank))
    result = np.zeros(matrix.shape)
    result[np.ix_(rows, columns)] = left @ source.integers(1, 2**10, (rank, len(columns)))
    return result


def _matrix(part: object, numbers: Numbers, kept: list[np.ndarray]) -> Jet:
    """Return a part of a form, (batch, n_{l-1}, n_l).

    0.3 B in floating point is 3/10 B and rounding, which would be another matrix.
    """
    if isinstance(part, torch.Tensor):
        array = part.detach().numpy()
        array = array.reshape((1,) * (3 - array.ndim) + array.shape)
        for matrix in kept:
            if matrix.shape == array.shape and matrix.all():
                ratio = simple_fraction(float(f"{float((array / matrix).flat[0]):.14g}"))
                if ratio is not None and np.allclose(float(ratio) * matrix, array, 1e-13, 0.0):
                    product = numbers.of(matrix) * of_fraction(numbers, ratio)
                    return Jet(numbers.reduce(product)[None], numbers)
        return Jet(numbers.of(array)[None], numbers)
    assert isinstance(part, int | float)
    ratio = simple_fraction(float(part))
    value = numbers.of(np.array(float(part))) if ratio is None else of_fraction(numbers, ratio)
    return Jet(value.reshape(1, 1, 1, 1), numbers)


def _sum_of_parts(parts: tuple[Jet | None, ...], weight: Jet, signs: np.ndarray) -> Jet:
    share, fixed, magnitudes = parts
    terms = []
    if share is not None:
        terms.append(share * weight.mapped(_transposed))
    if fixed is not None:
        terms.append(fixed)
    if magnitudes is not None:
        sign = Jet(_transposed(weight.numbers.of(signs))[None], weight.numbers)
        terms.append(magnitudes * sign)
    if not terms:
        return weight.mapped(lambda values: 0 * _transposed(values))
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


def _transposed(values: np.ndarray) -> np.ndarray:
    return np.swapaxes(values, -1, -2)
