"""The common form of feedback: b_j = a v_j + B_j + M_j * sign(v_j) (C-12).

v_j are the out-weights W_{l+1}[:,j] of neuron j, a is a number, B and M >= 0 are fixed. Feedback of
this form is the gradient of a potential of the out-weights, g(v) = a/2 ||v||^2 + <v, B> +
<M, abs(v)>. So C-1 says that 1/2 ||w_in||^2 - g(v) is conserved, and a discrete step changes it by
second-order terms alone, which `FeedbackForm.remainder` gives without cancellation.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class FeedbackForm:
    """The feedback F_l = a W_l^T + B_l + M_l * sign(W_l)^T of one layer; sign(0) = 0 (C-10).

    Parameters
    ----------
    weight_share : float
        a, the share of W_l^T; 1 for gradient descent.
    fixed : Tensor or None
        B_l, (trajectory, n_{l-1}, n_l); None for zero.
    magnitudes : Tensor, float or None
        M_l >= 0, of the same shape, or one number for all entries; None for zero.
    skips_layers : bool
        Whether F_l carries back the signal of the output past layers in between (direct feedback).
        Then it stands in for no W_l, and there is no law with the entries of W_l (C-1).
    """

    weight_share: float = 0.0
    fixed: Tensor | None = None
    magnitudes: Tensor | float | None = None
    skips_layers: bool = False

    def matrix(self, weight: Tensor) -> Tensor:
        """Return F_l, (trajectory, n_{l-1}, n_l), for W_l of shape (trajectory, n_l, n_{l-1})."""
        transposed = weight.transpose(-1, -2)
        terms = []
        if self.weight_share == 1.0:
            terms.append(transposed)
        elif self.weight_share:
            terms.append(self.weight_share * transposed)
        if self.fixed is not None:
            terms.append(self.fixed)
        if self.magnitudes is not None:
            terms.append(self.magnitudes * transposed.sign())
        if not terms:
            return 0.0 * transposed
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total

    def potential(self, weight: Tensor) -> Tensor:
        """Return g(v_j) of each neuron, (trajectory, n_{l-1}), for W_l."""
        terms = []
        if self.weight_share:
            terms.append(0.5 * self.weight_share * weight.square().sum(-2))
        if self.fixed is not None:
            terms.append(_inner_products(weight, self.fixed))
        if isinstance(self.magnitudes, Tensor):
            terms.append(_inner_products(weight.abs(), self.magnitudes))
        elif self.magnitudes is not None:
            terms.append(self.magnitudes * weight.abs().sum(-2))
        return sum(terms[1:], terms[0]) if terms else 0.0 * weight.sum(-2)

    def remainder(self, change: Tensor, before: Tensor, after: Tensor) -> Tensor:
        """Return R = g(v+) - g(v) - <b, v+ - v> of each neuron, exact to rounding (C-11, C-12).

        A step v -> v+ adds 1/2 ||change of w_in||^2 - R to 1/2 ||w_in||^2 - g(v). Here R is
        a/2 ||v+ - v||^2 plus, for each out-weight, M (abs(v+) - sign(v) v+): nothing where the
        sign is kept, and 2 M abs(v+) where it flips.

        Parameters
        ----------
        change : Tensor
            v+ - v as it was added, (trajectory, n_l, n_{l-1}).
        before, after : Tensor
            W_l before and after the step.

        Returns
        -------
        Tensor
            (trajectory, n_{l-1}), never negative where a and M are not.
        """
        total = 0.0 * change[..., 0, :]
        if self.weight_share:
            total = 0.5 * self.weight_share * change.square().sum(-2)
        jumps = self.jumps(before, after)
        return total if jumps is None else total + (jumps * after).sum(-2)

    def jumps(self, before: Tensor, after: Tensor) -> Tensor | None:
        """Return M_l^T * (sign(W_l+) - sign(W_l)), by which flips of signs change F_l^T, exactly.

        Parameters
        ----------
        before, after : Tensor
            W_l before and after a step, (trajectory, n_l, n_{l-1}).

        Returns
        -------
        Tensor or None
            Of the same shape, exact because it is 0, M or 2 M; None where M is zero.
        """
        if self.magnitudes is None:
            return None
        turned = after.sign() - before.sign()
        if isinstance(self.magnitudes, Tensor):
            return turned * self.magnitudes.transpose(-1, -2)
        return self.magnitudes * turned


def _inner_products(weight: Tensor, feedback: Tensor) -> Tensor:
    """Return <W_l[:,j], F_l[j,:]> for each neuron j, (trajectory, n_{l-1})."""
    return (weight.transpose(-1, -2) * feedback).sum(-1)
