"""Sets of real images: MNIST, CIFAR-100 and Tiny-ImageNet, read from files that a user has."""

from flowfa.datasets.images.generators import IMAGE_SETS, flat_images
from flowfa.datasets.images.image_set import ImageSet
from flowfa.datasets.images.load import load_images
from flowfa.datasets.images.noise import NOISE_KINDS, with_label_noise
from flowfa.datasets.images.pixels import channel_statistics, normalised, resized
from flowfa.datasets.images.selection import choose

__all__ = [
    "IMAGE_SETS",
    "NOISE_KINDS",
    "ImageSet",
    "channel_statistics",
    "choose",
    "flat_images",
    "load_images",
    "normalised",
    "resized",
    "with_label_noise",
]
