"""What each repeat is trained and tested on: random classes, and random images of each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from flowfa.datasets.images import ImageSet, channel_statistics, choose, load_images, resized
from flowfa.datasets.images.selection import uniform
from flowfa.errors import InputError
from flowfa.experiments.image_networks.settings import ImageNetworkSettings
from flowfa.seeds import generator


@dataclass(frozen=True)
class RepeatImages:
    """The images of one repeat as bytes on the device; batches are normalised as they are used.

    Attributes
    ----------
    train, test : Tensor
        uint8, (image, channel, height, width).
    train_labels, test_labels : Tensor
        int64, (image,).
    mean, deviation : Tensor
        Of the channels of `train` in pixels from 0 to 1, (channel, 1, 1), of the networks' dtype.
    class_names : tuple of str
    """

    train: Tensor
    train_labels: Tensor
    test: Tensor
    test_labels: Tensor
    mean: Tensor
    deviation: Tensor
    class_names: tuple[str, ...]

    def batch(self, split: str, chosen: Tensor | slice) -> tuple[Tensor, Tensor]:
        """Return normalised images, (image, channel, height, width), and their labels."""
        images, labels = (
            (self.train, self.train_labels) if split == "train" else (self.test, self.test_labels)
        )
        pixels = images[chosen].to(self.mean.dtype) / 255.0
        # The layout in which convolutions on CPU were measured to be up to twice as fast.
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        return (pixels - self.mean) / self.deviation, labels[chosen]


def load_splits(
    protocol: ImageNetworkSettings, data_dir: str | Path | None = None
) -> tuple[ImageSet, ImageSet]:
    """Return all training and test images of the data set.

    Raises
    ------
    InputError
        If they are missing or damaged, or there are fewer classes, or images of a class, than the
        protocol asks for.
    """
    train, test = (load_images(protocol.dataset, split, data_dir) for split in ("train", "test"))
    if protocol.classes[-1] > train.classes:
        raise InputError(
            f"--classes asks for {protocol.classes[-1]} classes but {protocol.dataset} has "
            f"{train.classes} here: ask for at most as many"
        )
    for flag, count, images in (
        ("--images", protocol.images, train),
        ("--test-images", protocol.test_images, test),
    ):
        counts = np.bincount(images.labels, minlength=images.classes)
        if (count or 1) > counts.min():
            raise InputError(
                f"{flag} is {count or 'all'} a class but the {images.split} split of "
                f"{images.name} has {counts.min()} of "
                f"{images.class_names[int(counts.argmin())]}: ask for at most as many"
            )
    return train, test


def repeat_images(
    protocol: ImageNetworkSettings,
    classes: int,
    repeat: int,
    splits: tuple[ImageSet, ImageSet],
    device: torch.device | str = "cpu",
) -> RepeatImages:
    """Choose the images of one repeat, a function of the seed, N and the repeat alone.

    The N classes of a repeat are among its classes for any larger N.
    """
    seed = int(generator(protocol.seed, "image networks", repeat).integers(2**62))
    dtype = getattr(torch, protocol.dtype)
    chosen = []
    for images, count in zip(splits, (protocol.images, protocol.test_images), strict=True):
        own = _of_each_class(choose(images, random_classes=classes, seed=seed), count, seed)
        chosen.append(own if protocol.size is None else resized(own, protocol.size))
    train, test = chosen
    mean, deviation = channel_statistics(train)
    if not (deviation > 0.0).all():
        raise InputError(f"a channel of {train.name} is constant: it cannot be normalised")

    def put(array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(device)

    return RepeatImages(
        put(train.images),
        put(train.labels),
        put(test.images),
        put(test.labels),
        put(mean)[:, None, None].to(dtype),
        put(deviation)[:, None, None].to(dtype),
        train.class_names,
    )


def _of_each_class(images: ImageSet, count: int | None, seed: int) -> ImageSet:
    """Keep the images of each class whose random rank is lowest: more contain fewer."""
    if count is None:
        return images
    ranks = uniform(images, "of each class", seed)
    order = np.lexsort((ranks, images.labels))
    first = np.searchsorted(images.labels[order], images.labels[order])
    own = np.sort(order[np.arange(len(order)) - first < count])
    return replace(
        images,
        images=images.images[own],
        labels=images.labels[own],
        numbers=images.places[own],
    )
