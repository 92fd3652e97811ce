"""The rule by which margin and uncertainty become a verdict; nothing else decides one."""

from __future__ import annotations

from enum import Enum

import torch
from torch import Tensor


class Verdict(Enum):
    """What is said of a statement on a run; the value is the word that a reader sees.

    Ordered from best to worst, so that the verdict of many trajectories is their greatest.
    """

    NOT_APPLICABLE = "not applicable"
    HOLDS = "holds"
    INCONCLUSIVE = "inconclusive"
    VIOLATED = "violated"

    @property
    def severity(self) -> int:
        """The position from best to worst."""
        return list(Verdict).index(self)


def severities(margin: Tensor, uncertainty: Tensor) -> Tensor:
    """Return the severity of each margin.

    Parameters
    ----------
    margin : Tensor
        Positive where the statement is true with room to spare.
    uncertainty : Tensor
        Of the margin, not negative; broadcasts against it.

    Returns
    -------
    Tensor
        `Verdict.severity`: holds if margin > uncertainty, violated if margin < -uncertainty,
        else inconclusive, which a NaN in either is too.
    """
    result = torch.full_like(margin, Verdict.INCONCLUSIVE.severity, dtype=torch.int64)
    result[margin > uncertainty] = Verdict.HOLDS.severity
    result[margin < -uncertainty] = Verdict.VIOLATED.severity
    return result


def from_severity(severity: int) -> Verdict:
    """Return the verdict of a severity."""
    return list(Verdict)[severity]
