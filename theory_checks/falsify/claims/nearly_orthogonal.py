"""App. C.3, nearly orthogonal data: a lower bound on the drive of a neuron (D-2, P-2).

The drive is ``v = sum_k q_k s_k u_k`` with q_k = exp(-y_k f(x_k)) / n, s_k the slope of the
neuron at sample k, and u_k = y_k x_k.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from theory_checks.falsify.claims.families import family
from theory_checks.falsify.network import Network
from theory_checks.falsify.pointwise import Requirement, Sides, claim

_ARRAYS = """
z = (X @ W1.T)[:, 0]                              # one neuron
s = np.where(z > 0, 1.0, leak)
q = np.exp(-y * W2[0, 0] * s * z) / len(y)
u = y[:, None] * X
left = ((q * s) @ u) @ ((q * s) @ u)              # ||sum_k q_k s_k u_k||^2
"""
ORTHOGONAL = 2.0
"""The least gamma of D-2 that is searched; the appendix needs gamma > 1."""


def near_orthogonality(network: Network) -> Any:
    """Return 1 / gamma of D-2: the largest n R^2 |<x_k, x_l>| / ||x_k||^2."""
    norms2 = network.gram.diagonal()
    if network.samples == 1:
        return norms2[0] - norms2[0]
    apart = ~np.eye(network.samples, dtype=bool)
    ratio2 = norms2.max() / norms2.min()
    products = (abs(network.gram) / norms2[:, None])[apart]
    return network.samples * ratio2 * products.max()


NEARLY_ORTHOGONAL = Requirement(
    "nearly-orthogonal",
    f"the data are nearly orthogonal with gamma >= {ORTHOGONAL:g} (D-2)",
    lambda network: 2 * near_orthogonality(network) - 1,
)
_FAMILY = family(("gd",), widths=(1,))


def _drive(network: Network) -> tuple[Any, Any]:
    """Return ||v||^2 of the one neuron, and the sum of the sizes of its terms."""
    share = network.losses * network.slopes[0]
    drive = network.drives[0]
    return drive @ drive, share @ abs(network.gram) @ share


@claim(
    "paper-C.3",
    "App. C.3, nearly orthogonal data: ||sum_k q_k s_k u_k||^2 >= alpha^2 ||sum_k q_k u_k||^2",
    _ARRAYS + "right = leak**2 * (q @ u) @ (q @ u)               # alpha^2 ||sum_k q_k u_k||^2",
    _FAMILY,
    (NEARLY_ORTHOGONAL,),
)
def slope_pulled_out(network: Network) -> Sides:
    """Pull the least slope out of a sum that has negative terms, as the appendix does."""
    left, size = _drive(network)
    whole = network.losses @ network.signed
    right = network.leak * network.leak * (whole @ whole)
    return Sides(left, right, size + right)


@claim(
    "C.3",
    "App. C.3 corrected: ||sum_k q_k s_k u_k||^2 >= alpha^2 (1 - 1/gamma) R_min^2 sum_k q_k^2",
    _ARRAYS
    + """
gram = X @ X.T
norms2 = gram.diagonal()
off = np.abs(gram)[~np.eye(len(y), dtype=bool)].reshape(len(y), -1)
part = (off.max(1, initial=0.0) / norms2).max()
inverse_gamma = len(y) * norms2.max() / norms2.min() * part
right = leak**2 * (1.0 - inverse_gamma) * norms2.min() * (q @ q)
""",
    _FAMILY,
    (NEARLY_ORTHOGONAL,),
)
def orthogonality_first(network: Network) -> Sides:
    """Apply D-2 to s_k q_k, and drop the slopes afterwards."""
    left, size = _drive(network)
    least = network.gram.diagonal().min()
    squares = network.losses @ network.losses
    alpha2 = network.leak * network.leak
    right = alpha2 * (1 - near_orthogonality(network)) * least * squares
    return Sides(left, right, size + abs(right))
