"""Flat data sets of images, registered beside the generated ones."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from flowfa.datasets.dataset import Dataset
from flowfa.datasets.images.load import SOURCES, load_images
from flowfa.datasets.images.noise import with_label_noise
from flowfa.datasets.images.pixels import normalised, resized
from flowfa.datasets.images.selection import choose, class_numbers
from flowfa.datasets.registry import dataset

IMAGE_SETS = SOURCES.names()
DEFAULT_SAMPLES = 500


def flat_images(
    name: str,
    samples: int | None = None,
    classes: Sequence[int] | None = None,
    random_classes: int | None = None,
    label_noise: float = 0.0,
    noise_kind: str = "uniform-other",
    split: str = "train",
    size: int | None = None,
    data_dir: str | None = None,
    seed: int = 0,
) -> Dataset:
    """Return a random subset of an image set, flat, pixels from 0 to 1.

    Parameters
    ----------
    name : str
        ``"mnist"``, ``"cifar100"`` (fine labels) or ``"tiny-imagenet"`` (classes as numbered by
        wnids.txt; the validation images are the test split).
    samples : int, optional
        Number of images; by default 500, or as many as there are if that is less.
    classes : sequence of int, optional
        Two classes give labels -1 (the first) and +1, more give class numbers in the given order;
        by default all.
    random_classes : int, optional
        Number of classes to be drawn at random, instead of `classes`.
    label_noise : float
        Fraction of labels that are replaced.
    noise_kind : str
        ``"uniform-other"``, ``"uniform"`` or ``"pair-flip"``
        (`flowfa.datasets.images.with_label_noise`).
    split : {"train", "test"}
    size : int, optional
        Height and width to which images are resized; by default their own.
    data_dir : str, optional
        The folder of data sets; by default that in FLOWFA_DATA.
    seed : int
        Of the choice of classes and images, and of the label noise.

    Raises
    ------
    InputError
        If files are missing or damaged, or there are fewer classes or images than asked for.
    """
    everything = load_images(name, split, data_dir)
    chosen = class_numbers(everything, classes, random_classes, seed)
    if samples is None:
        samples = min(DEFAULT_SAMPLES, int(np.isin(everything.labels, chosen).sum()))
    images = choose(everything, samples, chosen, seed=seed)
    images = with_label_noise(images, label_noise, noise_kind, seed)
    if size is not None:
        images = resized(images, size)
    X = normalised(images).reshape(len(images), -1)
    numbers = images.labels.astype(np.float64)
    y = 2.0 * numbers - 1.0 if images.classes == 2 else numbers
    origin = {
        "samples": samples,
        "classes": chosen,
        "label_noise": label_noise,
        "noise_kind": noise_kind,
        "split": split,
        "size": size,
        "seed": seed,
    }
    return Dataset(X, y, name, origin, 0 if images.classes == 2 else images.classes)


for _name in IMAGE_SETS:
    dataset(_name)(partial(flat_images, _name))
