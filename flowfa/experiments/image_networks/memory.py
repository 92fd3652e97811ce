"""What to tell when the device has too little memory: how many repeats would fit."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch

from flowfa.datasets.images import ImageSet
from flowfa.errors import InputError
from flowfa.experiments.image_networks.networks import take_step
from flowfa.experiments.image_networks.settings import ImageNetworkSettings
from flowfa.experiments.image_networks.training import make_networks
from flowfa.machine.device_memory import begin_measuring, too_little_memory


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
    protocol: ImageNetworkSettings,
    classes: int,
    splits: tuple[ImageSet, ImageSet],
    device: torch.device,
) -> InputError:
    """Return the error that says how many repeats would fit, measured on a step of one repeat."""
    opening = (
        f"out of memory on {device} at {classes} classes, {len(protocol.rules)} rules, "
        f"{protocol.repeats} repeats, batches of {protocol.batch}"
    )
    return too_little_memory(
        opening,
        lambda: _measured(protocol, classes, splits, device),
        protocol.repeats,
        part="repeat",
        smaller="choose a smaller --batch or --size",
        alone="go on with --resume, or a smaller --batch",
        fewer="choose --repeats {}",
    )


def _measured(
    protocol: ImageNetworkSettings,
    classes: int,
    splits: tuple[ImageSet, ImageSet],
    device: torch.device,
) -> int:
    free, before = begin_measuring(device)
    networks = make_networks(dataclasses.replace(protocol, repeats=1), classes, splits, device)
    held = torch.cuda.memory_allocated(device) - before
    count = min(protocol.batch, len(networks[0].images.train))
    take_step(networks[0], torch.from_numpy(np.arange(count)).to(device), protocol, protocol.rate)
    work = torch.cuda.max_memory_allocated(device) - before - held
    return fitting_repeats(free, held, work)
