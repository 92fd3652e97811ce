"""All networks of one N side by side: an epoch of each in turn.

Side by side they go through the same epoch; each step is one network's own. On CPU that was
measured to be faster than one batched step of all, by vmap or by grouped convolutions
(docs/experiments-networks.md), and it makes a network bit for bit the same whatever the others are.
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
    protocol: ImageNetworkSettings,
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
    for repeat in range(protocol.repeats):
        images = repeat_images(protocol, classes, repeat, splits, device)
        _check_batches(protocol, len(images.train))
        networks += [
            make_network(protocol, classes, rule, repeat, images, device) for rule in protocol.rules
        ]
    _check_size(networks[0])
    return networks


def steps_per_epoch(network: Network, protocol: ImageNetworkSettings) -> int:
    """Return the number of minibatches, the last of which may not be full."""
    return math.ceil(len(network.images.train) / protocol.batch)


def train(
    protocol: ImageNetworkSettings,
    classes: int,
    networks: Sequence[Network],
    pause: Callable[[int, int, int], None],
) -> None:
    """Train networks from where they are to the last epoch, and record them.

    Parameters
    ----------
    protocol : ImageNetworkSettings
    classes : int
        N.
    networks : sequence of Network
    pause : callable
        Called before each step with the epoch, the network's place and its steps in this epoch:
        the place for progress, checkpoints and stopping.
    """
    column = {epoch: place for place, epoch in enumerate(protocol.tracked)}
    for epoch in range(protocol.epochs + 1):
        for place, network in enumerate(networks):
            steps = steps_per_epoch(network, protocol)
            # A network that was trained further before an interruption has this on record.
            due = epoch in column and network.step == epoch * steps and network.diverged < 0
            if due and not record(network, column[epoch]):
                network.diverged = epoch
            if epoch < protocol.epochs:
                _train_epoch(protocol, classes, network, epoch, partial(pause, epoch, place))


def order(
    protocol: ImageNetworkSettings, classes: int, repeat: int, epoch: int, count: int
) -> np.ndarray:
    """Return the order of the training images in an epoch, the same under every rule."""
    stream = generator(protocol.seed, "image networks order", classes, repeat, epoch)
    return stream.permutation(count)


def _train_epoch(
    protocol: ImageNetworkSettings,
    classes: int,
    network: Network,
    epoch: int,
    pause: Callable[[int], None],
) -> None:
    steps = steps_per_epoch(network, protocol)
    rate = protocol.rate * protocol.schedule.scale(epoch)
    chosen: Tensor | None = None
    while network.step < (epoch + 1) * steps:
        done = network.step - epoch * steps
        pause(done)
        if network.diverged >= 0:
            network.step = (epoch + 1) * steps
            return
        if chosen is None:
            numbers = order(protocol, classes, network.repeat, epoch, len(network.images.train))
            chosen = torch.from_numpy(numbers).to(network.images.train.device)
        batch = chosen[done * protocol.batch : (done + 1) * protocol.batch]
        if not math.isfinite(take_step(network, batch, protocol, rate)):
            # A result: this network goes no further, the others do.
            network.diverged = epoch


def _check_batches(protocol: ImageNetworkSettings, count: int) -> None:
    if protocol.model == "resnet18" and 1 in (count % protocol.batch, protocol.batch):
        raise InputError(
            f"--batch {protocol.batch} leaves one of {count} images for a batch, and batch norm "
            "needs two: choose another --batch or --images"
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
            f"({str(error).splitlines()[0]}): choose a larger --size, or --padding 1 for lenet"
        ) from None
