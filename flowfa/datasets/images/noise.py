"""Label noise of named kinds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from flowfa.datasets.images.image_set import ImageSet
from flowfa.datasets.images.selection import uniform
from flowfa.errors import InputError
from flowfa.registry import unknown_name

NOISE_KINDS = ("uniform-other", "uniform", "pair-flip")
"""uniform-other: uniform over the other classes; uniform: over all, the true one among them;
pair-flip: the next class, after the last the first."""


def with_label_noise(
    images: ImageSet, fraction: float, kind: str = "uniform-other", seed: int = 0
) -> ImageSet:
    """Replace round(fraction * images) labels.

    Which labels are replaced, and by what, depends on the seed and the images' numbers, and not on
    their order. With the same images, a larger fraction also replaces those of a smaller one.

    Parameters
    ----------
    images : ImageSet
    fraction : float
        From 0 to 1.
    kind : str
        One of `NOISE_KINDS`. Of ``"uniform"`` noise one label in K stays what it was.
    seed : int

    Raises
    ------
    InputError
        If the fraction is out of range, there is no such kind, or there is only one class.
    """
    if not 0.0 <= fraction <= 1.0:
        raise InputError(f"`label_noise` is {fraction}: expected a fraction between 0 and 1")
    if kind not in NOISE_KINDS:
        raise unknown_name("kind of label noise", kind, NOISE_KINDS)
    classes = images.classes
    if classes < 2:
        raise InputError(f"{images.name} has one class: label noise needs at least two")
    hit = np.argsort(uniform(images, "noisy", seed), kind="stable")
    hit = hit[: round(fraction * len(images))]
    drawn = uniform(images, "wrong labels", seed)[hit]
    labels = images.labels.copy()
    if kind == "uniform":
        labels[hit] = (drawn * classes).astype(np.int64)
    elif kind == "uniform-other":
        shift = 1 + (drawn * (classes - 1)).astype(np.int64)
        labels[hit] = (labels[hit] + shift) % classes
    else:
        labels[hit] = (labels[hit] + 1) % classes
    return replace(images, labels=labels)
