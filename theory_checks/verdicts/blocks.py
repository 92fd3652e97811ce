"""Which trajectories are checked together, and which at all where time is short."""

from __future__ import annotations

import time
from collections.abc import Iterator

import torch
from torch import Tensor

from theory_checks.evidence.evidence import Evidence

BLOCK_BYTES = 2**29
"""Memory for the states of trajectories that are checked together."""


def all_blocks(evidence: Evidence) -> Iterator[Evidence]:
    """Split evidence by trajectories, so that its states fit into memory."""
    for positions in torch.arange(len(evidence)).split(_most(evidence)):
        yield evidence.select(positions)


def affordable(evidence: Evidence, seconds: float) -> Iterator[Evidence]:
    """Give blocks of trajectories, evenly by rule, until about `seconds` have passed.

    The first block has one trajectory, whose time tells how many more fit: there is no telling
    before, since a check may take a hundred times as long as the run.
    """
    order = _rules_in_turn(evidence)
    begun, done, size = time.monotonic(), 0, 1
    while size > 0:
        # Evidence has its trajectories in increasing order.
        yield evidence.select(order[done : done + size].sort().values)
        done += size
        spent = time.monotonic() - begun
        fitting = int((seconds - spent) * done / max(spent, 1e-3))
        size = min(fitting, len(order) - done, _most(evidence))


def _most(evidence: Evidence) -> int:
    """Return how many trajectories fit into memory."""
    # Room for one refinement, on every rung, and for velocities on the finest.
    bytes_each = 16 * (len(evidence.rungs) + 1) * len(evidence.times) * evidence.initial.shape[1]
    return max(1, BLOCK_BYTES // bytes_each)


def _rules_in_turn(evidence: Evidence) -> Tensor:
    """Return all positions: the first of each rule, the second of each, and so on."""
    seen: dict[str, int] = {}
    turns = []
    for rule in evidence.rules:
        turns.append(seen.get(rule, 0))
        seen[rule] = turns[-1] + 1
    return torch.tensor(turns).argsort(stable=True)
