"""A two-layer network at one state, in floats or in decimal numbers.

``f = W_2 sigma(W_1 x)``, no bias, in the notation of docs/theory/statements.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy import ndarray

from theory_checks.falsify.case import Case


@dataclass(frozen=True)
class Network:
    """Data, weights and feedback of a two-layer network with the exponential loss.

    Attributes
    ----------
    X : numpy.ndarray
        (sample, feature).
    y : numpy.ndarray
        Labels -1/+1, (sample,); other targets where no claim looks at them.
    W1, W2, B2 : numpy.ndarray
        (m, feature), (output, m), (m, output); B2 is None unless the rule keeps it.
    leak : float or Decimal
        alpha.
    rule : str
    """

    X: ndarray
    y: ndarray
    W1: ndarray
    W2: ndarray
    B2: ndarray | None
    leak: Any
    rule: str

    @classmethod
    def of(cls, case: Case, number: Callable[[float], Any] = float) -> Network:
        """Return the network of a case, with numbers of a kind: float, or Decimal."""
        # A float converts to Decimal exactly.
        kind = float if number is float else object
        convert = np.vectorize(number, otypes=[kind])
        arrays = {name: convert(array) for name, array in case.arrays.items()}
        return cls(
            arrays["X"],
            arrays["y"],
            arrays["W1"],
            arrays["W2"],
            arrays.get("B2"),
            number(case.shape.leak),
            case.shape.rule,
        )

    @property
    def samples(self) -> int:
        """Number of samples n."""
        return len(self.X)

    @cached_property
    def z(self) -> ndarray:
        """Preactivations, (m, sample)."""
        return self.W1 @ self.X.T

    @cached_property
    def slopes(self) -> ndarray:
        """s_jk, (m, sample)."""
        one = self.leak / self.leak
        return np.where((self.z > 0).astype(bool), one, self.leak)

    @cached_property
    def signed(self) -> ndarray:
        """u_k = y_k x_k, (sample, feature)."""
        return self.y[:, None] * self.X

    @cached_property
    def losses(self) -> ndarray:
        """q_k = exp(-y_k f(x_k)) / n, (sample,): their sum is the loss."""
        output = (self.W2 @ (self.slopes * self.z))[0]
        return np.exp(-self.y * output) / self.samples

    @cached_property
    def feedback(self) -> ndarray:
        """The b of each neuron, (m,): what carries the signal back under the rule (s = 1)."""
        if self.rule == "gd":
            return self.W2[0]
        if self.rule == "signfa":
            zero = self.leak - self.leak
            one = self.leak / self.leak
            signs = np.where((self.W2[0] < 0).astype(bool), -one, one)
            return np.where((self.W2[0] == 0).astype(bool), zero, signs)
        assert self.B2 is not None
        return self.B2[:, 0]

    @cached_property
    def drives(self) -> ndarray:
        """v_j = sum_k q_k s_jk u_k, (m, feature): G of w_j is -b_j v_j, its gradient -a_j v_j."""
        return (self.losses * self.slopes) @ self.signed

    @cached_property
    def out_slopes(self) -> ndarray:
        """The loss's derivative by a_j, which is also its update, (m,)."""
        return -(self.slopes * self.z) @ (self.losses * self.y)

    @cached_property
    def squares(self) -> ndarray:
        """||w_j||^2, (m,)."""
        return (self.W1 * self.W1).sum(1)

    @cached_property
    def gram(self) -> ndarray:
        """Inner products of the inputs, (sample, sample)."""
        return self.X @ self.X.T

    def nearest_kink(self) -> Any:
        """Return the least |z_jk|."""
        return abs(self.z).min()
