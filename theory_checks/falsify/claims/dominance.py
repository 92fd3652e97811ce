"""Proposition 5.7: 2-alignment dominance <grad Loss, G> >= mu Loss^2, at a state (P-2).

kappa_j is conserved (C-1), so what it is at a state it was at the start, and the statement along
trajectories follows from the one at states.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flowfa.datasets import Dataset, certify
from flowfa.errors import InputError
from theory_checks.falsify.claims.families import family
from theory_checks.falsify.network import Network
from theory_checks.falsify.pointwise import Requirement, Sides, claim

GRADIENT = """
z = W1 @ X.T
s = np.where(z > 0, 1.0, leak)
q = np.exp(-y * (W2[0] @ (s * z))) / len(y)
v = (q * s) @ (y[:, None] * X)                    # gradient of w_j: -a_j v_j; update: -b_j v_j
slopes = (s * z) @ (q * y)                        # minus the gradient of a_j, and its update
"""
_MARGIN = """
from flowfa.datasets import Dataset, certify
ghat = certify(Dataset(X, y)).margin              # D-3
left = W2[0] * b @ (v**2).sum(1) + slopes @ slopes
right = leak**2 * ghat**2 * kappa * q.sum()**2
"""


def kappas(network: Network) -> Any:
    """Return kappa_j of each neuron by the row of its rule, (m,)."""
    out = network.W2[0]
    if network.rule == "gd":
        return out * out - network.squares
    return out * network.feedback - network.squares / 2


def kappa(network: Network) -> Any:
    """Return kappa of the three parts of P-2."""
    by_neuron = kappas(network)
    if network.rule != "signfa":
        return by_neuron.sum()
    return np.where((by_neuron > 0).astype(bool), by_neuron, by_neuron - by_neuron).sum()


def margin(network: Network) -> Any:
    """Return a lower bound of ghat (D-3) that is exact to rounding; 0 if not separable.

    Any direction gives a lower bound; the best one is found in float64.
    """
    data = Dataset(network.X.astype(float), network.y.astype(float))
    try:
        direction = certify(data).direction
    except InputError:  # Sizes whose products leave float64: no margin is known.
        direction = None
    zero = network.leak - network.leak
    if direction is None:
        return zero
    number = type(network.leak)
    vector = np.array([number(entry) for entry in direction])
    least = (network.signed @ vector).min()
    return least / np.sqrt((vector * vector).sum(keepdims=True))[0] if least > 0 else zero


def descent(network: Network) -> tuple[Any, Any]:
    """Return <grad Loss, G>, and the sum of the sizes of its terms."""
    products = network.W2[0] * network.feedback
    drives2 = (network.drives * network.drives).sum(1)
    out = network.out_slopes @ network.out_slopes
    return products @ drives2 + out, abs(products) @ drives2 + out


def _dominance(network: Network) -> Sides:
    left, size = descent(network)
    ghat, loss = margin(network), network.losses.sum()
    right = network.leak * network.leak * ghat * ghat * kappa(network) * loss * loss
    return Sides(left, right, size + abs(right))


def _sign_excess(network: Network) -> Any:
    """Return how negative the worst kappa_j is.

    Part 1 (signfa) asks nothing of single neurons. Part 3 (gd) does, but a_j^2 >= kappa_j of any
    sign is enough for it, so that its stronger form is searched.
    """
    by_neuron = kappas(network)
    return -by_neuron.min() if network.rule == "fa" else by_neuron[0] - by_neuron[0]


SEPARABLE = Requirement(
    "separable",
    "the data are linearly separable (ghat > 0)",
    lambda network: 0.0 if margin(network) > 0 else 1.0,
    measured=False,
)
POSITIVE = Requirement("kappa-positive", "kappa is not negative", lambda network: -kappa(network))
SIGNS = Requirement("sign-condition", "under fa kappa_j >= 0 of every neuron", _sign_excess)

claim(
    "P-2-state",
    "Proposition 5.7 corrected: <grad Loss, G> >= alpha^2 ghat^2 kappa Loss^2",
    GRADIENT
    + """
rule = "RULE"
b = {"gd": W2[0], "signfa": np.sign(W2[0])}[rule] if rule != "fa" else B2[:, 0]
kappas = W2[0]**2 - (W1**2).sum(1) if rule == "gd" else W2[0] * b - (W1**2).sum(1) / 2
kappa = np.maximum(kappas, 0.0).sum() if rule == "signfa" else kappas.sum()
"""
    + _MARGIN,
    family(("fa", "signfa", "gd")),
    (SIGNS, POSITIVE, SEPARABLE),
)(_dominance)

claim(
    "paper-5.7",
    "Proposition 5.7 for fa with sum_j kappa_j >= 0 alone: <grad Loss, G> >= alpha^2 ghat^2 "
    "kappa Loss^2",
    GRADIENT + "b = B2[:, 0]\nkappa = (W2[0] * b - (W1**2).sum(1) / 2).sum()\n" + _MARGIN.strip(),
    family(),
    (POSITIVE, SEPARABLE),
)(_dominance)
