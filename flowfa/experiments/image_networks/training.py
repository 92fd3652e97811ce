"""All networks of one N side by side: an epoch of each in turn.

Side by side they go through the same epoch; each step is one network's own. On CPU that was
measured to be faster than one batched step of all, by vmap or by grouped convolutions
(docs/laboratory/experiments-networks.md), and it makes a network bit for bit the same whatever the
others are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from flowfa.datasets.images import ImageSet
from flowfa.errors import InputError
from flowfa.experiments.image_networks.images import repeat_images
from flowfa.experiments.image_networks.networks import Network, make_network, record, take_step
from flowfa.experiments.image_networks.settings import ImageNetworkSettings
from flowfa.seeds import generator


def make_networks(
    settings: ImageNetworkSettings,
    classes: int,
    splits: tuple[ImageSet, ImageSet],
    device: torch.device | str = "cpu",
) -> list[Network]:
    """Return the networks of an N, all rules of each repeat on the same images.

    Raises
    ------
    InputError
        If the images are too small for the model, or batch norm would get a batch of one image.
    """
    networks = []
    for repeat in range(settings.repeats):
        images = repeat_images(settings, classes, repeat, splits, device)
        _check_batches(settings, len(images.train))
        networks += [
            make_network(settings, classes, rule, repeat, images, device) for rule in settings.rules
        ]
    _check_size(networks[0])
    return networks


def steps_per_epoch(network: Network, settings: ImageNetworkSettings) -> int:
    """Return the number of minibatches, the last of which may not be full."""
    return math.ceil(len(network.images.train) / settings.batch)


def train(
    settings: ImageNetworkSettings,
    classes: int,
    networks: Sequence[Network],
    pause: Callable[[int, int, int], None],
) -> None:
    """Train networks from where they are to the last epoch, and record them.

    Parameters
    ----------
    settings : ImageNetworkSettings
    classes : int
        N.
    networks : sequence of Network
    pause : callable
        Called before each step with the epoch, the index of the network and its steps in this
        epoch; it shows progress, writes checkpoints, and may raise to stop.
    """
    column = {epoch: position for position, epoch in enumerate(settings.tracked)}
    for epoch in range(settings.epochs + 1):
        for position, network in enumerate(networks):
            steps = steps_per_epoch(network, settings)
            # A network that went further before an interruption has recorded this epoch already.
            due = epoch in column and network.step == epoch * steps and network.diverged < 0
            if due and not record(network, column[epoch]):
                network.diverged = epoch
            if epoch < settings.epochs:
                _train_epoch(settings, classes, network, epoch, partial(pause, epoch, position))


def order(
    settings: ImageNetworkSettings, classes: int, repeat: int, epoch: int, count: int
) -> np.ndarray:
    """Return the order of the training images in an epoch, the same under every rule."""
    stream = generator(settings.seed, "image networks order", classes, repeat, epoch)
    return stream.permutation(count)


def _train_epoch(
    settings: ImageNetworkSettings,
    classes: int,
    network: Network,
    epoch: int,
    pause: Callable[[int], None],
) -> None:
    steps = steps_per_epoch(network, settings)
    rate = settings.rate * settings.schedule.scale(epoch)
    chosen: Tensor | None = None
    while network.step < (epoch + 1) * steps:
        done = network.step - epoch * steps
        pause(done)
        if network.diverged >= 0:
            network.step = (epoch + 1) * steps
            return
        if chosen is None:
            numbers = order(settings, classes, network.repeat, epoch, len(network.images.train))
            chosen = torch.from_numpy(numbers).to(network.images.train.device)
        batch = chosen[done * settings.batch : (done + 1) * settings.batch]
        if not math.isfinite(take_step(network, batch, settings, rate)):
            # Divergence is a result: this network stops here, and the others go on.
            network.diverged = epoch


def _check_batches(settings: ImageNetworkSettings, count: int) -> None:
    if settings.model == "resnet18" and 1 in (count % settings.batch, settings.batch):
        raise InputError(
            f"`batch={settings.batch}` leaves one of {count} images for a batch, and batch norm "
            "needs two: choose another `batch` or `images`"
        )


def _check_size(network: Network) -> None:
    images = network.images
    try:
        with torch.no_grad():
            network.model.eval()(images.batch("train", slice(0, 1))[0])
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        height, width = images.train.shape[2:]
        raise InputError(
            f"images of {height} x {width} pixels are too small for this model "
            f"({str(error).splitlines()[0]}): choose a larger `size`, or `padding=1` for lenet"
        ) from None
