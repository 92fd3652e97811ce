"""The images of each run: a random training subset with wrong labels, and clean test images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flowfa.datasets.images import choose, load_images, normalised, with_label_noise
from flowfa.errors import InputError
from flowfa.experiments.noisy_mnist.settings import CLASSES, NoisyMnistSettings
from flowfa.seeds import generator


@dataclass(frozen=True)
class RunImages:
    """Training images of every run and the test images, flat, pixels from 0 to 1.

    Attributes
    ----------
    inputs : numpy.ndarray
        (run, image, pixel).
    labels : numpy.ndarray
        With noise, int64, (run, image).
    replaced : numpy.ndarray
        True for images whose label is not that of the file, (run, image).
    test_inputs, test_labels : numpy.ndarray
        (image, pixel) and int64 (image,).
    """

    inputs: np.ndarray
    labels: np.ndarray
    replaced: np.ndarray
    test_inputs: np.ndarray
    test_labels: np.ndarray


def draw_images(settings: NoisyMnistSettings, data_dir: str | Path | None = None) -> RunImages:
    """Choose the images of all runs; run i has the same whatever the number of runs and widths.

    Parameters
    ----------
    settings : NoisyMnistSettings
    data_dir : path, optional
        The folder of image sets; by default that in FLOWFA_DATA.

    Raises
    ------
    InputError
        If MNIST is not there or damaged, or has fewer images than asked for.
    """
    train, test = (load_images("mnist", split, data_dir) for split in ("train", "test"))
    for name, count, images in (
        ("images", settings.images, train),
        ("test_images", settings.test_images or 0, test),
    ):
        if count > len(images):
            raise InputError(
                f"`{name}` is {count} but the {images.split} split of mnist has {len(images)} "
                "images: ask for at most as many"
            )
    dtype = np.dtype(settings.dtype).type
    inputs, labels, replaced = [], [], []
    for run in range(settings.runs):
        seed = int(generator(settings.seed, "noisy-mnist", run).integers(2**62))
        clean = choose(train, settings.images, seed=seed)
        noisy = with_label_noise(clean, settings.label_noise, settings.noise_kind, seed)
        inputs.append(normalised(clean, dtype=dtype).reshape(settings.images, -1))
        labels.append(noisy.labels)
        replaced.append(noisy.labels != clean.labels)
    test = choose(test, settings.test_images, seed=settings.seed)
    return RunImages(
        np.stack(inputs),
        np.stack(labels),
        np.stack(replaced),
        normalised(test, dtype=dtype).reshape(len(test), -1),
        test.labels,
    )


def indicators(labels: np.ndarray) -> np.ndarray:
    """Return class numbers as indicator columns, (..., class, image), as the loss wants them."""
    return (labels[..., None, :] == np.arange(CLASSES)[:, None]).astype(np.float64)
