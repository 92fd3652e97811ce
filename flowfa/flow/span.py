"""Exact reduction of the input space to the span of the data.

dW_1/dt is a combination of sample vectors, so the part of W_1 outside their span never moves.
With n < d it is split off once: X = Z Q^T with orthonormal Q (d, n) from a QR factorisation of X^T,
and the flow of W_1 Q with inputs Z is the flow of W_1 with inputs X, exactly.
"""

from __future__ import annotations

import torch
from torch import Tensor


class InputSpan:
    """Coordinates of inputs and of W_1 in the span of the data.

    Parameters
    ----------
    inputs : Tensor
        X, (sample, feature), or (start, sample, feature).
    first_weight : Tensor
        W_1(0), (trajectory, n_1, feature).
    trajectory_start : Tensor
        The start of each trajectory, (trajectory,); only used if the inputs differ by start.
    reduce : bool
        False keeps all of W_1, for motion that reaches beyond the span (weight decay).

    Attributes
    ----------
    reduced : bool
        Whether W_1 is split: it was asked for, and n < d, so that there is something to gain.
    inputs : Tensor
        Z, (sample, r) or (start, sample, r), r = min(n, d); X itself if not reduced.
    outside_norm2 : Tensor
        Squared norm of each row of W_1 outside the span, (trajectory, n_1).
    """

    def __init__(
        self,
        inputs: Tensor,
        first_weight: Tensor,
        trajectory_start: Tensor,
        reduce: bool = True,
    ) -> None:
        samples, features = inputs.shape[-2:]
        self.reduced = reduce and samples < features
        self.inputs = inputs
        self._starts = trajectory_start if inputs.ndim == 3 else None
        self._initial = first_weight
        if not self.reduced:
            self.coordinates = first_weight
            self.outside_norm2 = first_weight.new_zeros(first_weight.shape[:2])
            return
        self._basis, triangle = torch.linalg.qr(inputs.transpose(-1, -2))
        self.inputs = triangle.transpose(-1, -2).contiguous()
        rows = torch.arange(first_weight.shape[0], device=first_weight.device)
        basis = self._basis_of(rows)
        self.coordinates = torch.bmm(first_weight, basis)
        outside = first_weight - torch.bmm(self.coordinates, basis.transpose(-1, -2))
        self.outside_norm2 = outside.square().sum(-1)

    def _basis_of(self, rows: Tensor) -> Tensor:
        """Return Q of some trajectories, (row, feature, r).

        Products with it are batched, because the one of all rows with a shared matrix rounds each
        by how many they are.
        """
        if self._starts is None:
            return self._basis.expand(len(rows), *self._basis.shape)
        return self._basis[self._starts[rows]]

    def restore(self, coordinates: Tensor, rows: Tensor) -> Tensor:
        """Return W_1 in the user's coordinates.

        Parameters
        ----------
        coordinates : Tensor
            W_1 Q, (row, n_1, r).
        rows : Tensor
            The trajectory of each row, (row,).

        Returns
        -------
        Tensor
            W_1(0) + (W_1 Q - W_1(0) Q) Q^T, (row, n_1, feature): exactly W_1(0) at the start, and
            untouched outside the span.
        """
        if not self.reduced:
            return coordinates
        moved = coordinates - self.coordinates[rows]
        return self._initial[rows] + torch.bmm(moved, self._basis_of(rows).transpose(-1, -2))

    def other_inputs(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return inputs that are not in the data, as networks see them.

        Parameters
        ----------
        inputs : Tensor
            (input, feature); the data must be the same for all starts.

        Returns
        -------
        tuple of Tensor
            Their coordinates in the span, (input, r), and what the part of W_1 outside the span
            adds to their preactivations at all times, (trajectory, n_1, input).
        """
        assert self._starts is None
        if not self.reduced:
            return inputs, self._initial.new_zeros(*self._initial.shape[:2], len(inputs))
        coordinates = inputs @ self._basis
        outside = self._initial @ inputs.T - self.coordinates @ coordinates.T
        return coordinates, outside
