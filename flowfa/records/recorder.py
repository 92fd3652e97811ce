"""Rows of a record on their way from the solver to a result, in memory or in chunks on disk."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np

from flowfa.errors import InputError
from flowfa.files.atomic import SUFFIX, make_folder
from flowfa.records.arrays import DamagedError, read_arrays, write_arrays
from flowfa.records.layout import RecordLayout

Chunk = dict[str, np.ndarray]
"""Arrays with one leading dimension: ``row/NAME`` (saved row, ...), ``snapshot/NAME``."""

CHUNK_BYTES = 64 * 2**20
_CHUNK_NAME = re.compile(r"chunk-(\d+)\.npz")
# About how many bytes a NumPy array takes in addition to its numbers.
_OVERHEAD = 128


class Recorder:
    """Collects saved rows and snapshots in the order in which the solver reaches them.

    Parameters
    ----------
    layout : RecordLayout
    folder : Path or None
        Where chunks go; created if it is not there, and cleared of chunks of an earlier run.
        With None they stay in memory.
    chunk_bytes : int
        Rows wait in memory until they exceed this size.

    Raises
    ------
    InputError
        If the folder cannot be made or written to.
    """

    def __init__(
        self, layout: RecordLayout, folder: Path | None, chunk_bytes: int = CHUNK_BYTES
    ) -> None:
        self._layout = layout
        self._folder = folder
        self._chunk_bytes = chunk_bytes
        self._waiting: dict[str, list[np.ndarray]] = {}
        self._waiting_bytes = 0
        self._in_memory: list[Chunk] = []
        self._names: list[str] = []
        if folder is not None:
            make_folder(folder)
            remove_chunks(folder)

    @classmethod
    def resume(
        cls,
        layout: RecordLayout,
        folder: Path,
        manifest: Sequence[str],
        chunk_bytes: int = CHUNK_BYTES,
    ) -> Self:
        """Go on from a checkpoint; parameters as `opened`.

        Chunks that are not in the manifest were written after the checkpoint. They are deleted,
        because the resumed run records their rows again.

        Raises
        ------
        InputError
            If a chunk of the manifest is missing.
        """
        recorder = cls.opened(layout, folder, manifest, chunk_bytes)
        remove_chunks(folder, kept_names=set(manifest))
        return recorder

    @classmethod
    def opened(
        cls,
        layout: RecordLayout,
        folder: Path,
        manifest: Sequence[str],
        chunk_bytes: int = CHUNK_BYTES,
    ) -> Self:
        """Look at what a checkpoint has recorded, and change nothing.

        Parameters
        ----------
        layout : RecordLayout
        folder : Path
        manifest : sequence of str
            What `manifest` returned when the checkpoint was written.
        chunk_bytes : int

        Raises
        ------
        InputError
            If a chunk of the manifest is missing.
        """
        missing = [name for name in manifest if not (folder / name).is_file()]
        if missing:
            raise InputError(
                f"{folder} has lost {missing[0]}, a part of the record: it cannot be resumed, "
                "start again with `overwrite=True`"
            )
        recorder = cls(layout, None, chunk_bytes)
        recorder._folder = folder
        recorder._names = list(manifest)
        return recorder

    def manifest(self) -> list[str]:
        """Return the names of the chunks on disk, for a checkpoint; see `flush`."""
        return list(self._names)

    def add_rows(
        self, trajectory: np.ndarray, save: np.ndarray, values: Mapping[str, np.ndarray]
    ) -> None:
        """Record observables.

        Parameters
        ----------
        trajectory, save : numpy.ndarray
            Indices of the trajectory and of the save time of each row, (row,).
        values : dict
            Every variable of `RecordLayout.row_shapes`, each (row, ...).

        Raises
        ------
        ValueError
            If a variable is missing or unknown, or a shape or an index does not fit the layout.
        """
        self._check_index("save", save, self._layout.saves)
        self._add("row", trajectory, {"save": save}, values, self._layout.row_shapes)

    def add_snapshots(
        self,
        trajectory: np.ndarray,
        column: np.ndarray,
        values: Mapping[str, np.ndarray],
        time: np.ndarray,
    ) -> None:
        """Record weights.

        Parameters
        ----------
        trajectory, column : numpy.ndarray
            Indices of the trajectory and into `RecordLayout.snapshot_columns`, (row,).
        values : dict
            Every variable of `RecordLayout.weights`, each (row, ...).
        time : numpy.ndarray
            Time of the state, (row,).

        Raises
        ------
        ValueError
            As `add_rows`.
        """
        self._check_index("column", column, len(self._layout.snapshot_columns))
        index = {"column": column, "time": np.asarray(time, dtype=np.float64)}
        self._add("snapshot", trajectory, index, values, self._layout.weights)

    def add_last_state(
        self, trajectory: np.ndarray, values: Mapping[str, np.ndarray], time: np.ndarray
    ) -> None:
        """Record the last good states (row, ...) of trajectories that ended early, at `time`."""
        last_column = len(self._layout.snapshot_columns) - 1
        self.add_snapshots(trajectory, np.full(len(trajectory), last_column), values, time)

    def flush(self) -> None:
        """Write the waiting rows to disk, so that `manifest` covers everything recorded.

        Raises
        ------
        InputError
            If the file system refuses.
        """
        if not self._waiting:
            return
        chunk = {name: np.concatenate(parts) for name, parts in self._waiting.items()}
        self._waiting, self._waiting_bytes = {}, 0
        if self._folder is None:
            self._in_memory.append(chunk)
            return
        number = 1 + max((_number(name) for name in self._names), default=-1)
        name = f"chunk-{number:06d}.npz"
        write_arrays(self._folder / name, chunk)
        self._names.append(name)

    def chunks(self) -> Iterator[Chunk]:
        """Return everything recorded, in order, in parts of about `chunk_bytes`.

        Small chunks, which frequent checkpoints leave, are joined.

        Raises
        ------
        InputError
            If a chunk on disk is damaged.
        """
        self.flush()
        group: list[Chunk] = []
        size = 0
        for chunk in self._in_memory if self._folder is None else map(self._read, self._names):
            group.append(chunk)
            size += sum(array.nbytes for array in chunk.values())
            if size >= self._chunk_bytes:
                yield _joined(group)
                group, size = [], 0
        if group:
            yield _joined(group)

    def _add(
        self,
        kind: str,
        trajectory: np.ndarray,
        index: Mapping[str, np.ndarray],
        values: Mapping[str, np.ndarray],
        shapes: Mapping[str, tuple[int, ...]],
    ) -> None:
        self._check_index("trajectory", trajectory, self._layout.trajectories)
        if values.keys() != shapes.keys():
            raise ValueError(f"expected {sorted(shapes)}, got {sorted(values)}")
        rows = len(trajectory)
        if rows == 0:
            return
        arrays = {"trajectory": trajectory, **index, **values}
        for name, array in arrays.items():
            expected = (rows, *shapes.get(name, ()))
            if np.shape(array) != expected:
                raise ValueError(f"{name} has shape {np.shape(array)}, expected {expected}")
        row_bytes = sum(8 * math.prod(np.shape(array)[1:]) for array in arrays.values())
        at_once = max(1, self._chunk_bytes // row_bytes)
        for start in range(0, rows, at_once):
            block = slice(start, start + at_once)
            for name, array in arrays.items():
                # Copied, because the solver changes its arrays in place.
                copied = np.array(array[block], dtype=np.float64 if name in shapes else None)
                self._waiting.setdefault(f"{kind}/{name}", []).append(copied)
                self._waiting_bytes += copied.nbytes + _OVERHEAD
            if self._waiting_bytes > self._chunk_bytes:
                self.flush()

    @staticmethod
    def _check_index(title: str, index: np.ndarray, count: int) -> None:
        if len(index) and not 0 <= np.min(index) <= np.max(index) < count:
            raise ValueError(f"{title} {index} is not within 0 .. {count - 1}")

    def _read(self, name: str) -> Chunk:
        assert self._folder is not None
        try:
            return read_arrays(self._folder / name)
        except DamagedError as error:
            raise InputError(
                f"{self._folder / name}, a part of the record, cannot be read ({error}): "
                "start again with `overwrite=True`"
            ) from error


def remove_chunks(folder: Path, kept_names: set[str] | None = None) -> None:
    """Delete the chunks in a folder, finished or not, except those in `kept_names`."""
    for path in folder.iterdir():
        name = path.name.removeprefix(".").removesuffix(SUFFIX)
        if _CHUNK_NAME.fullmatch(name) and not (
            path.name == name and kept_names and name in kept_names
        ):
            path.unlink()


def _number(name: str) -> int:
    match = _CHUNK_NAME.fullmatch(name)
    assert match is not None
    return int(match[1])


def _joined(chunks: list[Chunk]) -> Chunk:
    if len(chunks) == 1:
        return chunks[0]
    names = dict.fromkeys(name for chunk in chunks for name in chunk)
    return {
        name: np.concatenate([chunk[name] for chunk in chunks if name in chunk]) for name in names
    }
