"""Random streams: one integer seed, and a stream of its own for each purpose and trajectory.

Streams are keyed, not consumed in turn, so trajectory 5 is the same network whether 6 or 600
trajectories run, on whichever device, in whatever order.
"""

from __future__ import annotations

import zlib

import numpy as np


def generator(seed: int, *key: int | str) -> np.random.Generator:
    """Return the random generator of one purpose.

    Parameters
    ----------
    seed : int
        The run's seed, non-negative.
    *key : int or str
        What the numbers are for, for instance ``("weights", trajectory)``.

    Returns
    -------
    numpy.random.Generator
        A counter-based (Philox) generator, independent between different keys.
    """
    spawn_key = tuple(k if isinstance(k, int) else zlib.crc32(k.encode()) for k in key)
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(seed, spawn_key=spawn_key)))
