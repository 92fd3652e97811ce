"""How many repeats fit into a device's memory, and what to choose if not all do."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import torch

from flowfa.datasets.images import ImageSet
from flowfa.experiments.image_networks.networks import Network, take_step
from flowfa.experiments.image_networks.settings import ImageNetworkSettings
from flowfa.experiments.image_networks.training import make_networks
from flowfa.machine.device_memory import Shortage, measure_fitting


def shortage(settings: ImageNetworkSettings, classes: int, device: torch.device) -> Shortage:
    """Return what the error says when the networks of an N do not fit."""
    return Shortage(
        f"out of memory on {device} at {classes} classes, {len(settings.rules)} rules, "
        f"{settings.repeats} repeats, batches of {settings.batch}",
        settings.repeats,
        part="repeat",
        smaller="choose a smaller `batch` or `size`",
        alone="go on with `resume=True`, or a smaller `batch`",
        fewer="choose `repeats={}`",
    )


def fitting_repeats(
    settings: ImageNetworkSettings,
    classes: int,
    splits: tuple[ImageSet, ImageSet],
    device: torch.device,
) -> int:
    """Return how many repeats of an N fit, measured on a step of one network of one repeat."""

    def step(networks: Sequence[Network]) -> None:
        count = min(settings.batch, len(networks[0].images.train))
        batch = torch.from_numpy(np.arange(count)).to(device)
        take_step(networks[0], batch, settings, settings.rate)

    of_one = dataclasses.replace(settings, repeats=1)
    return measure_fitting(
        device,
        lambda: make_networks(of_one, classes, splits, device),
        step,
        one_by_one=True,
    )
