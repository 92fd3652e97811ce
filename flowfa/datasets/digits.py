"""The handwritten digits that come with scikit-learn: real data without a download."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flowfa.datasets.arguments import whole_number
from flowfa.datasets.dataset import Dataset
from flowfa.datasets.registry import dataset
from flowfa.errors import InputError
from flowfa.seeds import generator

ALL = tuple(range(10))
DEFAULT_SAMPLES = 500


@dataset("digits")
def digits(
    classes: Sequence[int] | None = None, samples: int | None = None, seed: int = 0
) -> Dataset:
    """Return a random subset of the 1797 scikit-learn digits, 8 x 8 pixels from 0 to 1.

    Parameters
    ----------
    classes : sequence of int, optional
        Two digits give labels -1 (the first) and +1, more give class numbers in the given order;
        all ten by default.
    samples : int, optional
        Number of samples; by default 500, or as many as the classes have if that is less.
    seed : int
        Of the choice of samples.

    Raises
    ------
    InputError
        If a class is not a digit or given twice, or there are fewer samples than asked for.
    """
    chosen = ALL if classes is None else tuple(whole_number("classes", c, 0) for c in classes)
    if len(chosen) < 2 or len(set(chosen)) < len(chosen) or max(chosen) > 9:
        raise InputError(
            f"`classes` are {list(chosen)}: expected two or more different digits 0..9"
        )
    from sklearn.datasets import load_digits

    pixels, numbers = load_digits(return_X_y=True)
    images = np.flatnonzero(np.isin(numbers, chosen))
    n = (
        min(DEFAULT_SAMPLES, len(images))
        if samples is None
        else whole_number("samples", samples, 1)
    )
    if n > len(images):
        raise InputError(
            f"`samples` is {n} but the digits {list(chosen)} have {len(images)} images: ask for at "
            "most as many"
        )
    images = np.sort(generator(seed, "digits").permutation(images)[:n])
    class_number = np.array(
        [chosen.index(digit) for digit in numbers[images].tolist()], dtype=np.float64
    )
    y = 2.0 * class_number - 1.0 if len(chosen) == 2 else class_number
    origin = {"classes": list(chosen), "samples": n, "seed": seed}
    numbered = 0 if len(chosen) == 2 else len(chosen)
    return Dataset(np.asarray(pixels)[images] / 16.0, y, "digits", origin, numbered)
