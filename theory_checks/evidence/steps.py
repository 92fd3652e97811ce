"""The steps of discrete training, taken again from the stored start."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from flowfa.training import StepRule


@dataclass(frozen=True)
class Training:
    """The steps that a run of discrete training claims to take, and those that it takes.

    Attributes
    ----------
    claimed : StepRule
        The steps that statements are about, with a row for each trajectory of the flow.
    actual : StepRule
        The steps that move the networks: the same, except in negative controls.
    steps : Tensor
        Saved steps, (trajectory of the flow, save).
    done : Tensor
        Steps of each trajectory before it diverged, (trajectory of the flow,).
    threads : int or None
        Number of threads of the run.
    """

    claimed: StepRule
    actual: StepRule
    steps: Tensor
    done: Tensor
    threads: int | None = None


@contextlib.contextmanager
def with_threads(number: int | None) -> Iterator[None]:
    """Compute with a number of threads, for the same rounding in every matrix product."""
    before = torch.get_num_threads()
    if number is not None:
        torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
