"""What to tell when the device has too little memory: how many repeats would fit."""

from __future__ import annotations

import dataclasses
import gc

import numpy as np
import torch

from flowfa.datasets.images import ImageSet
from flowfa.errors import InputError
from flowfa.experiments.image_networks.networks import take_step
from flowfa.experiments.image_networks.protocol import Protocol
from flowfa.experiments.image_networks.training import make_networks


def fitting_repeats(free: float, held: float, work: float) -> int:
    """Return how many repeats fit into memory.

    Parameters
    ----------
    free : float
        Bytes that there are.
    held : float
        Bytes that a repeat holds all the time: images, weights, momentum and feedback.
    work : float
        Bytes that the step of one network needs in addition; networks step one by one.
    """
    return max(int((free - work) // held), 0)


def explain_memory(
    protocol: Protocol,
    classes: int,
    splits: tuple[ImageSet, ImageSet],
    device: torch.device,
) -> InputError:
    """Return the error that says how many repeats would fit, measured on a step of one repeat."""
    opening = (
        f"out of memory on {device} at {classes} classes, {len(protocol.rules)} rules, "
        f"{protocol.repeats} repeats, batches of {protocol.batch}"
    )
    try:
        fitting = _measured(protocol, classes, splits, device)
    except torch.OutOfMemoryError:
        fitting = 0
    if fitting < 1:
        return InputError(
            f"{opening}: not even one repeat fits; choose a smaller --batch or --size"
        )
    if fitting >= protocol.repeats:
        return InputError(
            f"{opening}: it should fit when nothing else uses the device; go on with --resume, or "
            "a smaller --batch"
        )
    return InputError(f"{opening}: about {fitting} would fit; choose --repeats {fitting}")


def _measured(
    protocol: Protocol,
    classes: int,
    splits: tuple[ImageSet, ImageSet],
    device: torch.device,
) -> int:
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    free = torch.cuda.mem_get_info(device)[0]
    before = torch.cuda.memory_allocated(device)
    networks = make_networks(dataclasses.replace(protocol, repeats=1), classes, splits, device)
    held = torch.cuda.memory_allocated(device) - before
    count = min(protocol.batch, len(networks[0].images.train))
    take_step(networks[0], torch.from_numpy(np.arange(count)).to(device), protocol, protocol.rate)
    work = torch.cuda.max_memory_allocated(device) - before - held
    return fitting_repeats(free, held, work)
