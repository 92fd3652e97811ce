"""The images of each repeat: random classes, and random images of each."""

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
        Statistics of the channels of `train`, with pixels from 0 to 1, (channel, 1, 1), in the
        dtype of the networks.
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
        # Convolutions on CPU were measured to be up to twice as fast in this layout.
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        return (pixels - self.mean) / self.deviation, labels[chosen]


def load_splits(
    settings: ImageNetworkSettings, data_dir: str | Path | None = None
) -> tuple[ImageSet, ImageSet]:
    """Return all training and test images of the data set.

    Raises
    ------
    InputError
        If they are missing or damaged, or there are fewer classes, or images of a class, than the
        settings ask for.
    """
    train, test = (load_images(settings.dataset, split, data_dir) for split in ("train", "test"))
    if settings.classes[-1] > train.classes:
        raise InputError(
            f"`classes` asks for {settings.classes[-1]} classes but {settings.dataset} has "
            f"{train.classes} here: ask for at most as many"
        )
    for name, count, images in (
        ("images", settings.images, train),
        ("test_images", settings.test_images, test),
    ):
        counts = np.bincount(images.labels, minlength=images.classes)
        if (count or 1) > counts.min():
            raise InputError(
                f"`{name}` is {count or 'all'} a class but the {images.split} split of "
                f"{images.name} has {counts.min()} of "
                f"{images.class_names[int(counts.argmin())]}: ask for at most as many"
            )
    return train, test


def repeat_images(
    settings: ImageNetworkSettings,
    classes: int,
    repeat: int,
    splits: tuple[ImageSet, ImageSet],
    device: torch.device | str = "cpu",
) -> RepeatImages:
    """Choose the images of one repeat, a function of the seed, N and the repeat alone.

    The N classes of a repeat are among its classes for any larger N.
    """
    seed = int(generator(settings.seed, "image networks", repeat).integers(2**62))
    dtype = getattr(torch, settings.dtype)
    chosen = []
    for images, count in zip(splits, (settings.images, settings.test_images), strict=True):
        selected = _of_each_class(choose(images, random_classes=classes, seed=seed), count, seed)
        chosen.append(selected if settings.size is None else resized(selected, settings.size))
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
    """Keep the `count` images of lowest random rank in each class: a larger count adds to them."""
    if count is None:
        return images
    ranks = uniform(images, "of each class", seed)
    order = np.lexsort((ranks, images.labels))
    first = np.searchsorted(images.labels[order], images.labels[order])
    kept = np.sort(order[np.arange(len(order)) - first < count])
    return replace(
        images,
        images=images.images[kept],
        labels=images.labels[kept],
        numbers=images.places[kept],
    )
