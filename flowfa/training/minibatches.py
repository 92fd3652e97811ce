"""Which samples each step sees: a new order every epoch, whatever starts run beside a start."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from flowfa.errors import InputError
from flowfa.seeds import generator

BLOCK_NUMBERS = 4096
"""Sample indices that are drawn at once for a start."""


class Minibatches:
    """The batch order of every start: shuffled epochs, cut into batches; the last may be smaller.

    Start i's order depends on (seed, i), the number of samples and nothing else; rules and rates
    side by side see the same batches.

    Parameters
    ----------
    samples : int
        n.
    size : int
        Samples of a batch, from 1 to n.
    starts : int
        How many starts there are.
    seed : int

    Raises
    ------
    InputError
        If `size` is out of range.

    Examples
    --------
    >>> from flowfa.training import Minibatches
    >>> batches = Minibatches(samples=5, size=2, starts=3, seed=0)
    >>> [tuple(batches.of_step(step).shape) for step in range(3)]
    [(3, 2), (3, 2), (3, 1)]
    """

    def __init__(self, samples: int, size: int, starts: int, seed: int) -> None:
        if not 1 <= size <= samples:
            raise InputError(
                f"`batch_size` is {size} but there are {samples} samples: expected 1 to "
                f"{samples}, or none for the full batch"
            )
        self.samples = samples
        self.size = size
        self.steps_per_epoch = math.ceil(samples / size)
        self._starts = starts
        self._seed = seed
        self._epochs_per_block = max(1, BLOCK_NUMBERS // samples)
        # The last block that was asked for; it follows from (seed, block) and is no run's state.
        self._block: tuple[int, Tensor] | None = None

    def of_step(self, step: int) -> Tensor:
        """Return the samples of step k (from 0), (start, batch), on the CPU."""
        epoch, batch = divmod(step, self.steps_per_epoch)
        block, row = divmod(epoch, self._epochs_per_block)
        if self._block is None or self._block[0] != block:
            self._block = block, self._draw(block)
        return self._block[1][:, row, batch * self.size : (batch + 1) * self.size]

    def _draw(self, block: int) -> Tensor:
        order = np.tile(np.arange(self.samples), (self._epochs_per_block, 1))
        drawn = [
            generator(self._seed, "minibatches", start, block).permuted(order, axis=1)
            for start in range(self._starts)
        ]
        return torch.from_numpy(np.stack(drawn))
