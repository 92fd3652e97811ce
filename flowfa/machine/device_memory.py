"""What fits into the memory of a device, and the error for what does not."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch

from flowfa.errors import InputError

Result = TypeVar("Result")
Prepared = TypeVar("Prepared")


@dataclass(frozen=True)
class Shortage:
    """The words of the error for work, made of equal parts, that does not fit into memory.

    Attributes
    ----------
    opening : str
        What did not fit.
    asked : int
        Parts that were asked for.
    part : str
        What one is called.
    smaller, alone, fewer : str
        What to do if not even one fits, if all should, if some do; ``{}`` in the last is how many.
    """

    opening: str
    asked: int
    part: str
    smaller: str
    alone: str
    fewer: str


def within_memory(
    work: Callable[[], Result], shortage: Shortage, measure: Callable[[], int]
) -> Result:
    """Do some work, or say how many of its parts would fit.

    Parameters
    ----------
    work : callable
    shortage : Shortage
    measure : callable
        Tries one part and returns how many would fit; it may run out of memory itself.

    Raises
    ------
    InputError
        If the device runs out of memory.
    """
    # Nothing is done in the handler, because until it ends the traceback keeps all memory in use.
    with contextlib.suppress(torch.OutOfMemoryError):
        return work()
    fitting = 0
    with contextlib.suppress(torch.OutOfMemoryError):
        fitting = measure()
    if fitting < 1:
        outcome = f"not even one {shortage.part} fits; {shortage.smaller}"
    elif fitting >= shortage.asked:
        outcome = f"it should fit when nothing else uses the device; {shortage.alone}"
    else:
        outcome = f"about {fitting} would fit; {shortage.fewer.format(fitting)}"
    raise InputError(f"{shortage.opening}: {outcome}")


def measure_fitting(
    device: torch.device,
    prepare: Callable[[], Prepared],
    step: Callable[[Prepared], object],
    *,
    one_by_one: bool,
) -> int:
    """Return how many parts of some work fit into a device's memory, measured on one.

    Parameters
    ----------
    device : torch.device
        A GPU.
    prepare : callable
        Returns a part, with the memory that it holds all the time.
    step : callable
        Takes a step of a part, which allocates memory in addition.
    one_by_one : bool
        Whether parts take their steps one by one, so that only one needs what a step needs.
    """
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    free, allocated_before = torch.cuda.mem_get_info(device)[0], torch.cuda.memory_allocated(device)
    part = prepare()
    held = torch.cuda.memory_allocated(device) - allocated_before
    step(part)
    work = torch.cuda.max_memory_allocated(device) - allocated_before - held
    return fitting(free, held, work) if one_by_one else fitting(free, held + work, 0)


def fitting(free: float, held: float, work: float) -> int:
    """Return how many parts fit into memory.

    Parameters
    ----------
    free : float
        Bytes that are free.
    held : float
        Bytes that each part holds all the time.
    work : float
        Bytes that one part needs in addition while it works; parts work one by one.
    """
    return max(int((free - work) // held), 0)
