"""From stored bytes to the numbers that a network sees."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from flowfa.datasets.arguments import whole_number
from flowfa.datasets.images.image_set import ImageSet
from flowfa.errors import InputError


def resized(images: ImageSet, size: int) -> ImageSet:
    """Return the images at another size.

    Parameters
    ----------
    images : ImageSet
    size : int
        Height and width in pixels. A smaller image has the mean colours of the areas that its
        pixels cover (pillow's ``BOX``); a larger one is interpolated (``BILINEAR``).

    Raises
    ------
    InputError
        If `size` is no whole number from 1 to 1024.
    """
    size = whole_number("size", size, 1)
    if size > 1024:
        raise InputError(f"`size` is {size}: expected at most 1024 pixels")
    count, channels, height, width = images.images.shape
    if (height, width) == (size, size):
        return images
    from PIL import Image

    filter_ = Image.Resampling.BOX if size <= min(height, width) else Image.Resampling.BILINEAR
    planes = images.images.reshape(count * channels, height, width)
    small = np.empty((len(planes), size, size), np.uint8)
    for plane, target in zip(planes, small, strict=True):
        target[:] = np.asarray(Image.fromarray(plane).resize((size, size), filter_))
    return replace(images, images=small.reshape(count, channels, size, size))


def channel_statistics(images: ImageSet) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of each channel over all pixels from 0 to 1, (channel,).

    They come from exact integer counts, so that the order of the images does not matter.
    """
    counts = np.stack([_histogram(images.images[:, c]) for c in range(images.images.shape[1])])
    levels = np.arange(256) / 255.0
    total = counts.sum(1)
    mean = counts @ levels / total
    variance = (counts * (levels - mean[:, None]) ** 2).sum(1) / total
    return mean, np.sqrt(variance)


def normalised(
    images: ImageSet,
    mean: np.ndarray | None = None,
    deviation: np.ndarray | None = None,
    dtype: type = np.float64,
) -> np.ndarray:
    """Return (pixel / 255 - mean) / deviation by channel, (image, channel, height, width).

    Parameters
    ----------
    images : ImageSet
    mean, deviation : numpy.ndarray, optional
        Of the *training* split (`channel_statistics`); by default 0 and 1, pixels from 0 to 1.
    dtype : type
        float64 or float32.

    Raises
    ------
    InputError
        If a deviation is not positive: that channel is constant.
    """
    channels = images.images.shape[1]
    mean = np.zeros(channels) if mean is None else mean
    deviation = np.ones(channels) if deviation is None else deviation
    if not (deviation > 0.0).all():
        raise InputError(f"a channel of {images.name} is constant: it cannot be normalised")
    # A table of 256 values for each channel saves a float64 copy of all pixels for float32.
    table = ((np.arange(256) / 255.0 - mean[:, None]) / deviation[:, None]).astype(dtype)
    result = np.empty(images.images.shape, dtype)
    for channel in range(channels):
        result[:, channel] = table[channel][images.images[:, channel]]
    return result


def _histogram(pixels: np.ndarray) -> np.ndarray:
    return np.bincount(pixels.ravel(), minlength=256)
