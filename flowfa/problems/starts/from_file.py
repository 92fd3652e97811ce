"""Starts given by the user, as arrays or as an ``.npz`` file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flowfa.documents.display import fact_table, one_line
from flowfa.errors import InputError
from flowfa.files.archives import read_npz
from flowfa.registry import unknown_name

DATA = ("X", "y", "classes", "sample_weights", "provenance")
"""Arrays of a data set, which may share a file with a start."""


@dataclass(frozen=True)
class GivenStart:
    """Initial weights, biases and feedback of one or several trajectories.

    Attributes
    ----------
    weights : tuple of numpy.ndarray
        W_1, ..., W_L, each (start, out, in).
    biases : tuple of numpy.ndarray or None
        c_1, ..., c_L, each (start, out); None where a layer has no bias.
    feedback : dict
        B_l, D_l or M_l by name, each (start, rows, columns).
    trajectories : int or None
        Number of starts, if the arrays had a leading dimension; None: one start for all.
    name : str
        Where it came from.
    """

    weights: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray | None, ...]
    feedback: dict[str, np.ndarray]
    trajectories: int | None
    name: str

    @property
    def sizes(self) -> tuple[int, ...]:
        """The layer sizes n_0, ..., n_L."""
        return (self.weights[0].shape[2], *(weight.shape[1] for weight in self.weights))

    def __repr__(self) -> str:
        """Return what it holds in a line."""
        return one_line("GivenStart", self._facts())

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        return fact_table("GivenStart", self._facts())

    def _facts(self) -> dict[str, str]:
        biased = [str(layer) for layer, bias in enumerate(self.biases, start=1) if bias is not None]
        number = "one start for all" if self.trajectories is None else f"{self.trajectories} starts"
        return {
            "name": self.name,
            "trajectories": number,
            "sizes": f"sizes {'-'.join(map(str, self.sizes))}",
            "bias": f"bias in layer {', '.join(biased)}" if biased else "no bias",
            "feedback": f"feedback {', '.join(self.feedback) or 'to be drawn'}",
        }


def load_start(path: str | Path) -> GivenStart:
    """Read an initial state from an ``.npz`` file; nothing is ever unpickled.

    Parameters
    ----------
    path : str or Path
        Arrays ``W1``..``WL``, optional ``c1``.., ``B2``.., ``D1``.., ``M2``.., all with or all
        without a leading trajectory dimension. A data set in the same file (``X``, ``y``) is
        ignored.

    Raises
    ------
    InputError
        If the file cannot be read, or `given_start` refuses its arrays.
    """
    arrays = read_npz(path, "W1, W2, ...")
    return given_start({k: a for k, a in arrays.items() if k not in DATA}, name=str(path))


def given_start(arrays: Mapping[str, np.ndarray], name: str = "arrays") -> GivenStart:
    """Validate an initial state.

    Parameters
    ----------
    arrays : mapping
        ``W1``..``WL`` (at least two layers), optional biases ``c1``.. and feedback matrices.
    name : str
        Where they came from, for messages.

    Returns
    -------
    GivenStart

    Raises
    ------
    InputError
        If a name is unknown, a layer is missing, shapes disagree, or a value is not finite.
        NaN in weights is accepted for one purpose only: a trajectory among several may be
        broken without stopping the others; it ends with its own status.
    """
    depth = _depth(arrays, name)
    leading = arrays["W1"].ndim == 3
    starts = arrays["W1"].shape[0] if leading else 1
    expanded = {}
    for key, array in arrays.items():
        array = np.asarray(array)
        if array.dtype.kind not in "fiu":
            raise InputError(f"{key} in {name} has type {array.dtype}: expected real numbers")
        rank = (1 if key.startswith("c") else 2) + leading
        if array.ndim != rank or (leading and len(array) != starts):
            raise InputError(
                f"{key} in {name} has shape {array.shape}, but W1 has shape {arrays['W1'].shape}: "
                "give all arrays with the same leading trajectory dimension, or all without"
            )
        expanded[key] = np.array(array if leading else array[None], dtype=np.float64)
        if leading and starts > 1:
            continue
        if not np.isfinite(expanded[key]).all():
            raise InputError(f"{key} in {name} has values that are not finite: repair the file")
    weights = tuple(expanded[f"W{layer}"] for layer in range(1, depth + 1))
    for layer in range(2, depth + 1):
        if weights[layer - 1].shape[2] != weights[layer - 2].shape[1]:
            raise InputError(
                f"W{layer} in {name} has shape {weights[layer - 1].shape[1:]} but W{layer - 1} has "
                f"{weights[layer - 2].shape[1]} rows: W_l is (out, in), so its columns must match"
            )
    start = GivenStart(
        weights=weights,
        biases=tuple(expanded.get(f"c{layer}") for layer in range(1, depth + 1)),
        feedback={key: array for key, array in expanded.items() if key[0] in "BDM"},
        trajectories=starts if leading else None,
        name=name,
    )
    _check_shapes(start)
    return start


def _depth(arrays: Mapping[str, np.ndarray], name: str) -> int:
    """Return L, after checking that names are known and W1, ..., WL are all there."""
    layers = sorted(int(key[1:]) for key in arrays if re.fullmatch(r"W[1-9]\d*", key))
    depth = len(layers)
    if depth < 2 or layers != list(range(1, depth + 1)):
        names = ", ".join(sorted(arrays)) or "nothing"
        raise InputError(
            f"{name} has {names}: expected W1, W2, ... without a gap (two layers at least)"
        )
    known = {f"W{layer}" for layer in layers} | {f"c{layer}" for layer in layers}
    known |= {f"{kind}{layer}" for kind in "BM" for layer in layers[1:]}
    known |= {f"D{layer}" for layer in layers[:-1]}
    for key in arrays:
        if key not in known:
            raise unknown_name(f"array in {name}:", key, known)
    return depth


def _check_shapes(start: GivenStart) -> None:
    """Check biases and feedback against the layer sizes."""
    sizes = start.sizes
    for layer, bias in enumerate(start.biases, start=1):
        if bias is not None and bias.shape[1] != sizes[layer]:
            raise InputError(
                f"c{layer} in {start.name} has {bias.shape[1]} entries but W{layer} has "
                f"{sizes[layer]} rows: give one bias per row"
            )
    for key, matrix in start.feedback.items():
        layer = int(key[1:])
        expected = (sizes[layer], sizes[-1]) if key[0] == "D" else (sizes[layer - 1], sizes[layer])
        if matrix.shape[1:] != expected:
            raise InputError(
                f"{key} in {start.name} has shape {matrix.shape[1:]}: expected {expected}"
                + ("" if key[0] == "D" else f", the shape of W{layer} transposed")
            )
        if key[0] == "M" and (matrix < 0).any():
            raise InputError(f"{key} in {start.name} has negative magnitudes: give M >= 0")
