"""What an experiment tells when its device has too little memory."""

from __future__ import annotations

import gc
from collections.abc import Callable

import torch

from flowfa.errors import InputError


def too_little_memory(
    opening: str,
    measure: Callable[[], int],
    asked: int,
    *,
    part: str,
    smaller: str,
    alone: str,
    fewer: str,
) -> InputError:
    """Return the error that says how many parts of an experiment would fit.

    Parameters
    ----------
    opening : str
        What did not fit.
    measure : callable
        Tries one part and returns how many would fit; it may run out of memory itself.
    asked : int
        Parts that were asked for.
    part : str
        What one is called.
    smaller, alone, fewer : str
        What to do if not even one fits, if all should, if some do; ``{}`` in the last is how many.
    """
    try:
        fitting = measure()
    except torch.OutOfMemoryError:
        fitting = 0
    if fitting < 1:
        return InputError(f"{opening}: not even one {part} fits; {smaller}")
    if fitting >= asked:
        return InputError(f"{opening}: it should fit when nothing else uses the device; {alone}")
    return InputError(f"{opening}: about {fitting} would fit; {fewer.format(fitting)}")


def begin_measuring(device: torch.device) -> tuple[int, int]:
    """Return the bytes that are free and those in use, after giving back what nobody uses."""
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    return torch.cuda.mem_get_info(device)[0], torch.cuda.memory_allocated(device)
