"""Random subsets of images: k images, N classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from flowfa.datasets.arguments import whole_number
from flowfa.datasets.images.image_set import ImageSet
from flowfa.errors import InputError
from flowfa.seeds import generator


def choose(
    images: ImageSet,
    samples: int | None = None,
    classes: Sequence[int] | None = None,
    random_classes: int | None = None,
    seed: int = 0,
) -> ImageSet:
    """Take some classes of a set, and a random choice of their images.

    The classes depend on the seed and the data set alone, so the train and the test split of a
    seed have the same. Each image has a random rank that depends on the seed and its number, and
    the lowest are taken. A larger choice therefore contains every smaller one, and the order of the
    images does not matter.

    Parameters
    ----------
    images : ImageSet
    samples : int, optional
        Number of images, drawn without replacement; by default all.
    classes : sequence of int, optional
        Class numbers; they become 0, 1, ... in the given order. By default all.
    random_classes : int, optional
        Number of classes that are drawn at random; instead of `classes`. They become 0, 1, ... in
        the order of their numbers.
    seed : int

    Returns
    -------
    ImageSet
        In the order of the images' numbers.

    Raises
    ------
    InputError
        If there are fewer classes or images than asked for, or a class does not exist.
    """
    chosen = class_numbers(images, classes, random_classes, seed)
    new_number = np.full(images.classes, -1)
    new_number[chosen] = np.arange(len(chosen))
    chosen_images = np.flatnonzero(new_number[images.labels] >= 0)
    if samples is not None:
        count = whole_number("samples", samples, 1)
        if count > len(chosen_images):
            of_these = f" in {len(chosen)} classes" if len(chosen) < images.classes else ""
            raise InputError(
                f"`samples` is {count} but {images.name} ({images.split}) has "
                f"{len(chosen_images)} images{of_these}: ask for at most as many"
            )
        ranks = uniform(images, "samples", seed)[chosen_images]
        chosen_images = chosen_images[np.argsort(ranks, kind="stable")[:count]]
    chosen_images = chosen_images[np.argsort(images.places[chosen_images], kind="stable")]
    return replace(
        images,
        images=images.images[chosen_images],
        labels=new_number[images.labels[chosen_images]],
        class_names=tuple(images.class_names[number] for number in chosen),
        numbers=images.places[chosen_images],
    )


def uniform(images: ImageSet, purpose: str, seed: int) -> np.ndarray:
    """Return a random number from 0 to 1 of each image, (image,), by its number and the seed."""
    stream = generator(seed, "images", images.name, images.split, purpose)
    return stream.random(int(images.places.max()) + 1)[images.places]


def class_numbers(
    images: ImageSet, classes: Sequence[int] | None, random_classes: int | None, seed: int
) -> list[int]:
    """Return the numbers of the chosen classes, in the order in which they become 0, 1, ...

    Arguments and errors are those of `choose`.
    """
    available = f"the {images.classes} classes of {images.name}"
    if random_classes is not None:
        if classes is not None:
            raise InputError("`classes` and `random_classes` are both given: give one of them")
        count = whole_number("random_classes", random_classes, 2)
        if count > images.classes:
            raise InputError(f"`random_classes` is {count}: expected at most {available}")
        order = generator(seed, "images", images.name, "classes").permutation(images.classes)
        return sorted(int(number) for number in order[:count])
    if classes is None:
        return list(range(images.classes))
    chosen = [whole_number("classes", number, 0) for number in classes]
    if len(chosen) < 2 or len(set(chosen)) < len(chosen) or max(chosen) >= images.classes:
        raise InputError(
            f"`classes` are {chosen}: expected two or more different numbers of {available}, 0 to "
            f"{images.classes - 1}"
        )
    return chosen
