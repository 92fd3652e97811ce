"""Samples to train on: generators, files, and certificates of what they satisfy."""

from flowfa.datasets.certificate import Certificate, certify, certify_each
from flowfa.datasets.dataset import Dataset
from flowfa.datasets.digits import digits
from flowfa.datasets.images import IMAGE_SETS, ImageSet, flat_images, load_images
from flowfa.datasets.mixture import mixture
from flowfa.datasets.nearly_orthogonal import nearly_orthogonal
from flowfa.datasets.npz import load_npz, save_npz
from flowfa.datasets.orthogonally_separable import orthogonally_separable
from flowfa.datasets.random_labels import gaussian
from flowfa.datasets.registry import DATASETS, dataset, make, per_trajectory, stack

__all__ = [
    "DATASETS",
    "IMAGE_SETS",
    "Certificate",
    "Dataset",
    "ImageSet",
    "certify",
    "certify_each",
    "dataset",
    "digits",
    "flat_images",
    "gaussian",
    "load_images",
    "load_npz",
    "make",
    "mixture",
    "nearly_orthogonal",
    "orthogonally_separable",
    "per_trajectory",
    "save_npz",
    "stack",
]
