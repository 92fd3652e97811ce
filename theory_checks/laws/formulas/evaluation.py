"""The value of a law at given weights, as torch computes and differentiates it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from flowfa.errors import InputError
from theory_checks.laws.formulas.law import Component, Law
from theory_checks.laws.formulas.pieces import Part, Piece, Pieces
from theory_checks.laws.motion.dynamics import Dynamics
from theory_checks.laws.motion.products import product_of

ROUNDING = 1e-9
"""Share of the feedback that is zero but for rounding."""
Arrays = Mapping[str, Tensor]
"""Arrays by name, each (row, ...)."""


class Evaluator:
    """Evaluates laws of a training flow, many networks at once.

    Parameters
    ----------
    dynamics : Dynamics
    """

    def __init__(self, dynamics: Dynamics) -> None:
        self.dynamics = dynamics
        self._pieces = Pieces(dynamics, letters=False)

    def value(self, law: Law, moving: Arrays, kept: Arrays, time: Tensor | None = None) -> Tensor:
        """Return a law, (row,).

        Parameters
        ----------
        law : Law
        moving : mapping
            Weights and biases.
        kept : mapping
            What the rule keeps.
        time : Tensor, optional
            (row,), of a law that depends on time.
        """
        return sum(self.terms(law, moving, kept, time), torch.zeros(()))

    def terms(
        self, law: Law, moving: Arrays, kept: Arrays, time: Tensor | None = None
    ) -> list[Tensor]:
        """Return the sums that a law is made of, (row,) each."""
        part = law.terms[0].coefficient.component if law.terms else None
        if part is not None:
            return self._null_terms(law, part, moving, kept, time)
        pieces = self._pieces.of(law)
        terms = [_of_piece(piece, moving, kept) for piece in pieces]
        if time is None:
            return terms
        unit = float(self.dynamics.time_unit)
        return [
            term * torch.exp(unit * piece.growth * time)
            for piece, term in zip(pieces, terms, strict=True)
        ]

    def turnover(self, law: Law, moving: Arrays, kept: Arrays) -> Tensor:
        """Return the terms of the in-weights, which the others balance, (row,)."""
        terms = self.terms(law, moving, kept)
        if law.terms[0].coefficient.component is not None:
            return terms[-1]
        own = {f"W{law.layer}", f"c{law.layer}"}
        of_own = [all(part.name in own for part in piece.parts) for piece in self._pieces.of(law)]
        if all(of_own) or not any(of_own):
            return terms[0]
        return torch.stack([term for term, own in zip(terms, of_own, strict=True) if own]).sum(0)

    def _null_terms(
        self, law: Law, part: Component, moving: Arrays, kept: Arrays, time: Tensor | None
    ) -> list[Tensor]:
        vector = null_vector(part, kept)
        terms = []
        for term in law.terms:
            factor, component = term.monomial[0], term.coefficient.component
            assert component is not None
            entry = moving[factor.name][(slice(None), *factor.index)]
            weight = float(term.coefficient.number) * vector[:, part.rows.index(component.row)]
            power = sum(one.power for one in term.monomial if one.name == "u")
            growth = float(power * self.dynamics.time_unit)
            terms.append(
                weight * entry if time is None else weight * entry * torch.exp(growth * time)
            )
        return terms


def null_vector(part: Component, kept: Arrays) -> Tensor:
    """Return n on its rows, (row, entry): n^T (product of matrices) = 0, the last entry one."""
    some = _product(part, kept)
    if len(part.rows) == 1:
        return torch.ones_like(some[:, :, 0])
    # n = (m, 1) with m^T (the rows before the last) = - the last row.
    before, last = some[:, :-1], some[:, -1:]
    solved = torch.linalg.lstsq(before.transpose(1, 2), -last.transpose(1, 2)).solution
    return torch.cat([solved[:, :, 0], torch.ones_like(solved[:, :1, 0])], 1)


def _product(part: Component, kept: Arrays) -> Tensor:
    """Return the rows of the product of matrices that n is on."""
    product = None
    for name in part.matrices:
        if name not in kept:
            raise InputError(
                f"the law has the feedback {name}, which is not given: give what the rule keeps"
            )
        product = kept[name] if product is None else product @ kept[name]
    assert product is not None
    return product[:, list(part.rows)]


def gradients(
    dynamics: Dynamics, laws: Sequence[Law], point: Mapping[str, np.ndarray]
) -> np.ndarray:
    """Return the gradients of laws at a point, (law, number).

    Raises
    ------
    InputError
        If an array is missing or has another shape, or the signs of weights are not those of a
        law that holds while no sign flips.
    """
    arrays = {
        name: torch.as_tensor(np.asarray(value, dtype=float)) for name, value in point.items()
    }
    moving = {}
    for name, shape in dynamics.layout.shapes.items():
        if name not in arrays or tuple(arrays[name].shape) != tuple(shape):
            raise InputError(f"`point` has no {name} of shape {tuple(shape)}: give every array")
        moving[name] = arrays[name].clone().requires_grad_()
    kept = {name: array[None] for name, array in arrays.items() if name not in moving}
    signed = _signed_feedback(dynamics, laws, arrays, kept)
    kept |= signed
    for law in laws:
        _check_orthant(law, signed, kept)
    evaluator = Evaluator(dynamics)
    rows = []
    for law in laws:
        at = {name: array[None] for name, array in moving.items()}
        # Where laws depend on time, u = exp(unit t) is one of the numbers.
        time = at["u"].log() / float(dynamics.time_unit) if "u" in at else None
        value = evaluator.value(law, at, kept, time).sum()
        parts = torch.autograd.grad(value, list(moving.values()), allow_unused=True)
        flat = [
            torch.zeros(array.numel()) if part is None else part.flatten()
            for part, array in zip(parts, moving.values(), strict=True)
        ]
        rows.append(torch.cat(flat).double())
    return torch.stack(rows).numpy() if rows else np.zeros((0, dynamics.layout.size))


def _signed_feedback(
    dynamics: Dynamics, laws: Sequence[Law], arrays: Arrays, kept: Arrays
) -> dict[str, Tensor]:
    """Return F_l = M_l * sign(W_l)^T, which laws that hold while no sign flips are made of."""
    parts = (law.terms[0].coefficient.component for law in laws)
    names = {name for part in parts if part is not None for name in part.matrices}
    feedback = {}
    for name in names.difference(kept):
        weight = arrays[f"W{name[1:]}"]
        form = dynamics.rule.form(int(name[1:]), (weight.shape[0], weight.shape[1]), kept)
        if form is not None and form.magnitudes is not None:
            feedback[name] = form.magnitudes * weight.sign().mT[None]
    return feedback


def _check_orthant(law: Law, signed: Arrays, kept: Arrays) -> None:
    """Refuse signs of weights of which no n on the rows of a law annihilates the feedback."""
    part = law.terms[0].coefficient.component
    if part is None or not set(part.matrices) & set(signed):
        return
    some = _product(part, kept)
    left = (null_vector(part, kept)[:, None, :] @ some).abs().max()
    if left > ROUNDING * some.abs().max():
        raise InputError(
            f"`point` has weights of other signs than the law with n^T {' '.join(part.matrices)} "
            f"= 0, n on rows {', '.join(map(str, part.rows))}, holds for: give weights of signs "
            "for which there is such an n"
        )


def _of_piece(piece: Piece, moving: Arrays, kept: Arrays) -> Tensor:
    product = None
    for part in piece.parts:
        factor = _entries(part, kept if part.form == "fixed" else moving)
        product = factor if product is None else product * factor
    assert product is not None
    number = float(piece.number) * (1.0 if piece.scalar is None else piece.scalar[1])
    return number * (product.sum(1) if piece.summed else product)


def _entries(part: Part, arrays: Arrays) -> Tensor:
    """Return entries of an array, (row,), or (row, entry) of a sum."""
    array = arrays[part.name] if part.name in arrays else product_of(part.name, arrays)
    if array is None:
        raise InputError(f"the law has {part.name}, which the run does not have")
    index = tuple(slice(None) if one == ":" else int(one) for one in part.index)
    values = array[(slice(None), *index)]
    if part.form == "abs":
        return values.abs()
    if part.form == "sign":
        return values.sign()
    return values.pow(part.power) if part.power != 1 else values
