"""The samples that a network is trained on, validated where they come in."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from flowfa.documents.display import fact_table, one_line
from flowfa.errors import InputError

UNNAMED = "arrays"
"""Name of a data set that was given none."""
MOST_CLASSES = 100_000
"""Each class is an output of the network."""
LabelKind = Literal["binary", "classes", "targets"]


@dataclass(frozen=True)
class Dataset:
    """Samples and labels, shared by all trajectories or different for each.

    Parameters
    ----------
    X : numpy.ndarray
        Inputs, (sample, feature), or (trajectory, sample, feature) when they differ by trajectory.
    y : numpy.ndarray
        Labels -1/+1 or class numbers 0..K-1, (sample,) or (trajectory, sample); or real targets,
        (sample, output) or (trajectory, sample, output). It has a leading trajectory dimension
        exactly if `X` has one.
    name : str
        Where the samples came from, for records.
    origin : dict
        The generator's arguments, so that the set can be made again.
    classes : int, optional
        The number K of classes, where some may have no sample here; without it all class numbers
        from 0 to the largest must occur. As an attribute: K for class numbers, else 0.
    sample_weights : numpy.ndarray, optional
        How much each sample counts in the mean loss, (sample,) or (trajectory, sample): a weight of
        2 is as good as the sample twice, 0 as good as no sample. Their sum does not matter.

    Attributes
    ----------
    told_classes : int
        K if it was given, else 0: whole numbers are then class numbers only for losses of classes.

    Raises
    ------
    InputError
        If shapes disagree, there is no sample, a value is not finite, class numbers leave gaps, or
        weights are negative or all zero.
    """

    X: np.ndarray
    y: np.ndarray
    name: str = UNNAMED
    origin: dict[str, Any] = field(default_factory=dict)
    classes: int = 0
    sample_weights: np.ndarray | None = None
    told_classes: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "told_classes", self.classes)
        inputs = _as_float64(self.X, "X")
        labels = _as_float64(self.y, "y")
        object.__setattr__(self, "X", inputs)
        object.__setattr__(self, "y", labels)
        if inputs.ndim not in (2, 3):
            raise InputError(
                f"X has shape {inputs.shape}: expected (sample, feature), or (trajectory, sample, "
                "feature) when the data differ by trajectory"
            )
        if 0 in inputs.shape:
            raise InputError(f"X has shape {inputs.shape}: give at least one sample and feature")
        leading = inputs.shape[:-1]
        if labels.shape[: len(leading)] != leading or labels.ndim > len(leading) + 1:
            raise InputError(
                f"y has shape {labels.shape} but X has shape {inputs.shape}: expected y of shape "
                f"{leading}, or {(*leading, 'output')} for real targets"
            )
        for array, title in ((inputs, "X"), (labels, "y")):
            bad = np.argwhere(~np.isfinite(array))
            if len(bad):
                index = ", ".join(map(str, bad[0]))
                raise InputError(
                    f"{title}[{index}] is {array[tuple(bad[0])]} ({len(bad)} such values): "
                    "remove or repair the samples that are not finite"
                )
        object.__setattr__(self, "classes", self._checked_classes())
        object.__setattr__(self, "sample_weights", self._checked_weights())

    @property
    def differs_by_trajectory(self) -> bool:
        """Whether each trajectory has samples of its own."""
        return self.X.ndim == 3

    @property
    def samples(self) -> int:
        """Number of samples n."""
        return self.X.shape[-2]

    @property
    def dim(self) -> int:
        """Number of features d."""
        return self.X.shape[-1]

    @property
    def label_kind(self) -> LabelKind:
        """What the labels are: ``binary`` (-1/+1), ``classes`` (0..K-1) or real ``targets``."""
        if self.y.ndim == self.X.ndim:
            return "targets"
        if self.classes:
            return "classes"
        if np.isin(self.y, (-1.0, 1.0)).all() and (self.y == -1.0).any():
            return "binary"
        if (self.y >= 0).all() and (self.y == np.round(self.y)).all():
            # All labels +1 is a binary set with one class; all 0 .. K-1 are class numbers.
            return "binary" if (self.y == 1.0).all() else "classes"
        return "targets"

    def __repr__(self) -> str:
        """Return what it holds in a line."""
        return one_line("Dataset", self._facts())

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        return fact_table("Dataset", self._facts())

    def _facts(self) -> dict[str, str]:
        labels = {
            "binary": "labels -1/+1",
            "classes": f"{self.classes} classes",
            "targets": "real targets",
        }
        shape = f"{self.samples} samples, {self.dim} features"
        facts = {
            "name": self.name,
            "shape": f"{len(self.X)} sets of {shape}" if self.differs_by_trajectory else shape,
            "labels": labels[self.label_kind],
        }
        if self.sample_weights is not None:
            low, high = self.sample_weights.min(), self.sample_weights.max()
            facts["weights"] = f"sample weights {low:g} to {high:g}"
        return facts

    @property
    def shares(self) -> np.ndarray | None:
        """Weights that sum to one, (sample,) or (trajectory, sample); None: all are 1/n."""
        if self.sample_weights is None:
            return None
        return self.sample_weights / self.sample_weights.sum(-1, keepdims=True)

    def weighted(self, sample_weights: np.ndarray | Sequence[float]) -> Dataset:
        """Return the same samples with other weights.

        Raises
        ------
        InputError
            If they do not fit.
        """
        weights = np.asarray(sample_weights)
        return Dataset(self.X, self.y, self.name, self.origin, self.told_classes, weights)

    def digest(self) -> str:
        """Return a SHA-256 digest of shapes and values; equal sets have equal digests."""
        summary = hashlib.sha256(repr((self.X.shape, self.y.shape)).encode())
        summary.update(np.ascontiguousarray(self.X).tobytes())
        summary.update(np.ascontiguousarray(self.y).tobytes())
        if self.sample_weights is not None:
            summary.update(np.ascontiguousarray(self.sample_weights).tobytes())
        return summary.hexdigest()

    def _checked_weights(self) -> np.ndarray | None:
        """Return the weights, which are finite and not negative, some of each set positive."""
        if self.sample_weights is None:
            return None
        weights, leading = _as_float64(self.sample_weights, "`sample_weights`"), self.X.shape[:-1]
        if weights.shape not in (leading, leading[-1:]):
            raise InputError(
                f"`sample_weights` has shape {weights.shape} but there are {leading[-1]} samples: "
                f"expected one number for each, {leading[-1:]}"
                + (f" or {leading}" if self.differs_by_trajectory else "")
            )
        bad = weights[~(np.isfinite(weights) & (weights >= 0.0))]
        if len(bad):
            raise InputError(
                f"`sample_weights` has {bad[0]:g}: expected finite numbers of at least 0, where 0 "
                "leaves the sample out"
            )
        if not (weights.sum(-1) > 0.0).all():
            raise InputError("`sample_weights` are all 0, so that nothing is left to learn")
        return np.array(np.broadcast_to(weights, leading))

    def _checked_classes(self) -> int:
        """Return the number of classes: the given one, or that of class numbers without a gap."""
        if self.classes:
            return self._given_classes()
        if self.label_kind != "classes":
            return 0
        numbers = np.unique(self.y)
        if numbers[-1] == len(numbers) - 1:
            return len(numbers)
        shown = ", ".join(f"{number:.0f}" for number in numbers[:6])
        more = f", ... ({len(numbers)} different)" if len(numbers) > 6 else ""
        tell = (
            "tell K if the others have no sample here "
            f"(`classes={numbers[-1] + 1:.0f}`, in a file the array classes), "
            if numbers[-1] < MOST_CLASSES
            else ""
        )
        raise InputError(
            f"y has the class numbers {shown}{more}: expected all of 0 to K-1. Number them anew "
            f"(numpy.unique(y, return_inverse=True)[1]), {tell}or give real targets as y[..., None]"
        )

    def _given_classes(self) -> int:
        is_whole = isinstance(self.classes, int | np.integer) and not isinstance(self.classes, bool)
        if not is_whole or self.classes < 1:
            raise InputError(f"`classes` is {self.classes}: expected a whole number of at least 1")
        if self.classes > MOST_CLASSES:
            raise InputError(
                f"`classes` is {self.classes}, and each class is an output of the network: "
                f"expected at most {MOST_CLASSES}. If y has fewer, number them anew "
                "(numpy.unique(y, return_inverse=True)[1])"
            )
        numbers = np.unique(self.y)
        in_range = (numbers == np.round(numbers)) & (numbers >= 0) & (numbers < self.classes)
        if self.y.ndim == self.X.ndim or not in_range.all():
            offending = (
                "of real targets" if self.y.ndim == self.X.ndim else f"{numbers[~in_range][0]:g}"
            )
            raise InputError(
                f"`classes` is {self.classes} but y has labels {offending}: expected class numbers "
                f"0 to {self.classes - 1}, (sample,)"
            )
        return int(self.classes)


def _as_float64(array: np.ndarray, title: str) -> np.ndarray:
    """Return a float64 copy of `array`, or tell why it is not one."""
    converted = np.asarray(array)
    if converted.dtype.kind not in "biuf":
        raise InputError(f"{title} has type {converted.dtype}: expected an array of real numbers")
    return np.array(converted, dtype=np.float64)
