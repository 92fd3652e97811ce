"""Finding a claim, and its hypotheses, by name."""

from __future__ import annotations

from collections.abc import Sequence

from flowfa.errors import InputError
from flowfa.registry import unknown_name
from theory_checks.falsify.along import CheckClaim
from theory_checks.falsify.claim import CLAIMS, Claim
from theory_checks.statements.statement import CHECKS

NO_FLOW = "record"
"""The check that speaks of files, not of flows."""


def names() -> tuple[str, ...]:
    """Return what can be searched: claims on states, and every registered check."""
    checks = (name for name in CHECKS.names() if name not in (*CLAIMS.names(), NO_FLOW))
    return (*CLAIMS.names(), *checks)


def find(name: str, drop: Sequence[str] = ()) -> tuple[Claim, frozenset[str]]:
    """Return a claim by name, in any case, and the hypotheses to drop from it.

    Raises
    ------
    InputError
        If there is no such claim, or it has no such hypothesis; the message names those it has.
    """
    exact_names = {name_of_claim.lower(): name_of_claim for name_of_claim in names()}
    if name.lower() not in exact_names:
        raise unknown_name("statement", name, names())
    exact = exact_names[name.lower()]
    claim = CLAIMS.get(exact) if exact in CLAIMS.names() else CheckClaim(exact)
    if not drop:
        return claim, frozenset()
    hypotheses = claim.hypotheses()
    for hypothesis in drop:
        if not hypotheses:
            raise InputError(
                f"{claim.name} has no hypothesis to drop (given {hypothesis!r}): leave out "
                "`drop_hypothesis`"
            )
        if hypothesis not in hypotheses:
            raise unknown_name(f"hypothesis of {claim.name}", hypothesis, hypotheses)
    return claim, frozenset(drop)
