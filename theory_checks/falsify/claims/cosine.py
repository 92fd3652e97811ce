"""Bounds on the cosine of forward and feedback weights: L-1 and P-1, at a state.

kappa_j is conserved (C-1), so what L-1 concludes for all times from kappa_j >= 0 it concludes at
any state with kappa_j >= 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import ndarray

from theory_checks.falsify.claims.families import family
from theory_checks.falsify.network import Network
from theory_checks.falsify.pointwise import Requirement, Sides, claim

_LEMMA = """
left = (W2 * B2.T).sum() / np.linalg.norm(W2) / np.linalg.norm(B2)   # cos(W_2, B_2^T)
right = np.linalg.norm(B2, axis=1).min() / np.linalg.norm(B2)        # min_j ||b_j|| / ||B_2||
"""


def _root(value: Any) -> Any:
    """Return the square root of a float or a decimal number."""
    return np.sqrt(np.array([value]))[0]


def _kappas(network: Network) -> ndarray:
    assert network.B2 is not None
    return (network.W2.T * network.B2).sum(1) - network.squares / 2


def _lemma(network: Network) -> Sides:
    assert network.B2 is not None
    norms2 = (network.B2 * network.B2).sum(1)
    out = _root((network.W2 * network.W2).sum())
    cosine = (network.W2.T * network.B2).sum() / out / _root(norms2.sum())
    return Sides(cosine, _root(norms2.min() / norms2.sum()), network.leak / network.leak)


SIGNS = Requirement(
    "sign-condition",
    "kappa_j = <w_out, b> - 1/2 ||w_in||^2 >= 0 of every neuron",
    lambda network: -_kappas(network).min(),
)
SCALAR = Requirement(
    "scalar-output", "the network has one output", lambda network: len(network.W2) - 1
)

claim(
    "L-1-state",
    "Lemma 5.4: cos(W_2, B_2^T) >= min_j ||b_j|| / ||B_2||",
    _LEMMA,
    family(dims=(1, 2), samples=(1,), outputs=(1, 2, 3), leaks=(0.5,)),
    (SIGNS, SCALAR),
)(_lemma)

claim(
    "paper-5.4",
    "Lemma 5.4 for any number of outputs: cos(W_2, B_2^T) >= min_j ||b_j|| / ||B_2||",
    _LEMMA,
    family(dims=(1, 2), samples=(1,), outputs=(1, 2, 3), leaks=(0.5,)),
    (SIGNS,),
)(_lemma)


@claim(
    "P-1-state",
    "Proposition 5.3 (signfa): cos(W, sign(W)) >= 1 / sqrt(number of non-zero weights)",
    """
nonzero = (W2 != 0).sum()
left = np.abs(W2).sum() / np.sqrt(nonzero) / np.linalg.norm(W2)
right = 1.0 / np.sqrt(nonzero)
""",
    family(("signfa",), dims=(1,), samples=(1,), outputs=(1, 2, 3), leaks=(0.5,)),
)
def sign_cosine(network: Network) -> Sides:
    """Compare the cosine of weights and their signs with its bound."""
    one = network.leak / network.leak
    nonzero = one * int((network.W2 != 0).sum())
    cosine = abs(network.W2).sum() / _root(nonzero) / _root((network.W2 * network.W2).sum())
    return Sides(cosine, one / _root(nonzero), one)
