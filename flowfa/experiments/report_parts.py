"""Parts that the reports of all experiments share."""

from __future__ import annotations

import json
from collections.abc import Sequence

import xarray as xr

from flowfa.documents import Table
from flowfa.experiments.findings import Finding, criterion

DPI = 200
"""Resolution of the figures of a report, for print too."""


def claims_table(findings: Sequence[Finding], runs: int) -> Table:
    """Return the paper's claims beside what was measured in some runs of each rule."""
    return Table(
        "Claims",
        ("claim", "verdict", "measured"),
        tuple((finding.claim, finding.verdict, finding.measured) for finding in findings),
        criterion(runs),
    )


def scale_sentence(data: xr.Dataset, protocol: str) -> str:
    """Say whether a result has the paper's own numbers.

    Parameters
    ----------
    data : xarray.Dataset
        With the attributes ``scale`` and ``departures``.
    protocol : str
        The ID of the paper's protocol.
    """
    if not json.loads(data.attrs["departures"]):
        return f"The protocol {protocol} of the paper, with its own numbers."
    return (
        f"Scale {data.attrs['scale']}: NOT the numbers of the paper. The same code, with the "
        "departures listed below; what it shows need not hold at full length and size."
    )


def provenance(data: xr.Dataset, timing: str) -> tuple[str, ...]:
    """Return how a result was made: the time it took, versions, and the command line."""
    versions = json.loads(data.attrs["versions"])
    return (
        timing,
        f"flowfa {versions['flowfa']}, torch {versions['torch']}, revision "
        f"{data.attrs['git_revision'] or 'unknown'}, {data.attrs['created']}",
        f"command: flowfa {' '.join(json.loads(data.attrs['argv'])) or '(made from Python)'}",
    )
