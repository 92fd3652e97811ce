"""Damage as accidents and attackers do it: files cut short, bits turned over."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np

SOAK = bool(os.environ.get("FLOWFA_SOAK"))
"""Whether the long part of the suite was asked for (make soak)."""


def cut(content: bytes, most: int) -> Iterator[bytes]:
    """Return what is left of a file that was cut at every 64th byte, or at `most` of those."""
    places = range(0, len(content), 64)
    step = max(1, len(places) // most)
    for place in places[::step]:
        yield content[:place]


def flipped(content: bytes, count: int, seed: int = 0) -> Iterator[bytes]:
    """Return a file with one bit turned over at a random place, `count` times."""
    random = np.random.default_rng(seed)
    for _ in range(count):
        damaged = bytearray(content)
        damaged[random.integers(len(content))] ^= 1 << int(random.integers(8))
        yield bytes(damaged)
