"""The loss never rises under fa: <grad Loss, G> >= 0, at a state (P-2).

It needs a_j b_j >= 0 of every neuron; where one is negative the loss can rise.
"""

from __future__ import annotations

from theory_checks.falsify.claims.dominance import GRADIENT, descent
from theory_checks.falsify.claims.families import family
from theory_checks.falsify.network import Network
from theory_checks.falsify.pointwise import Requirement, Sides, claim

_FORMULA = GRADIENT + "left = W2[0] * B2[:, 0] @ (v**2).sum(1) + slopes @ slopes\nright = 0.0"
SAME_SIGNS = Requirement(
    "sign-condition",
    "a_j b_j >= 0 of every neuron",
    lambda network: -(network.W2[0] * network.feedback).min(),
)


@claim(
    "descent",
    "under fa the loss never rises: <grad Loss, G> >= 0",
    _FORMULA,
    family(),
    (SAME_SIGNS,),
    unit="margin / sum of the sizes of its terms",
)
def never_rises(network: Network) -> Sides:
    """Compare <grad Loss, G>, which is -dLoss/dt, with zero."""
    left, size = descent(network)
    return Sides(left, left - left, size)
