"""Labelled images, as all sets of real images are held."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flowfa.errors import InputError


@dataclass(frozen=True)
class ImageSet:
    """Images of equal size with class numbers.

    Parameters
    ----------
    images : numpy.ndarray
        uint8, (image, channel, height, width).
    labels : numpy.ndarray
        int64 class numbers 0..K-1, (image,).
    class_names : tuple of str
        What the K classes show.
    name : str
        The data set: ``"mnist"``.
    split : str
        ``"train"`` or ``"test"``.
    numbers : numpy.ndarray, optional
        int64, (image,): each image's number in the whole split; 0, 1, ... by default. Random
        choices go by it, so that they do not depend on the order of the images.

    Raises
    ------
    InputError
        If types, shapes or labels do not fit together.
    """

    images: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    name: str = "images"
    split: str = "train"
    numbers: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.images.dtype != np.uint8 or self.images.ndim != 4 or 0 in self.images.shape:
            raise InputError(
                f"the images of {self.name} are {self.images.dtype} of shape {self.images.shape}: "
                "expected uint8 of shape (image, channel, height, width), at least one of each"
            )
        count = len(self.images)
        if self.labels.shape != (count,) or self.labels.dtype != np.int64:
            raise InputError(
                f"the labels of {self.name} are {self.labels.dtype} of shape {self.labels.shape}: "
                f"expected int64 of shape ({count},), one for each image"
            )
        if self.labels.min() < 0 or self.labels.max() >= len(self.class_names):
            raise InputError(
                f"the labels of {self.name} go from {self.labels.min()} to {self.labels.max()}: "
                f"expected 0 to {len(self.class_names) - 1}, there being {len(self.class_names)} "
                "class names"
            )
        if self.numbers is None:
            object.__setattr__(self, "numbers", np.arange(count))
        elif self.numbers.shape != (count,) or self.numbers.dtype != np.int64:
            raise InputError(
                f"the numbers of {self.name} are {self.numbers.dtype} of shape "
                f"{self.numbers.shape}: expected int64 of shape ({count},)"
            )

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.images)

    @property
    def classes(self) -> int:
        """Number of classes K."""
        return len(self.class_names)

    @property
    def places(self) -> np.ndarray:
        """Each image's number in the whole split, (image,)."""
        assert self.numbers is not None
        return self.numbers
