"""Image sets by name."""

from __future__ import annotations

from pathlib import Path

from flowfa.datasets.images.cache import decoded
from flowfa.datasets.images.cifar100 import CIFAR100
from flowfa.datasets.images.image_set import ImageSet
from flowfa.datasets.images.mnist import MNIST
from flowfa.datasets.images.source import Source, check_split, data_folder
from flowfa.datasets.images.tiny_imagenet import TINY_IMAGENET
from flowfa.registry import Registry

SOURCES: Registry[Source] = Registry("image set")
for _source in (MNIST, CIFAR100, TINY_IMAGENET):
    SOURCES.register(_source.name)(_source)


def load_images(name: str, split: str = "train", data_dir: str | Path | None = None) -> ImageSet:
    """Return all images of a split.

    Parameters
    ----------
    name : str
        ``"mnist"``, ``"cifar100"`` or ``"tiny-imagenet"``.
    split : {"train", "test"}
        Of Tiny-ImageNet the validation images are the test split (E-3): its test images have no
        labels.
    data_dir : path, optional
        The folder of data sets; by default that in the environment variable FLOWFA_DATA.

    Returns
    -------
    ImageSet

    Raises
    ------
    InputError
        If there is no such set or split, the folder is not known, or files are missing, damaged
        or of another format.
    """
    source = SOURCES.get(name)
    check_split(split)
    return decoded(source, source.files(data_folder(data_dir, source), split), split)
