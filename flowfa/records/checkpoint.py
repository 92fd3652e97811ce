"""Checkpoints: what an unfinished run needs to go on, bit for bit."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from flowfa.errors import InputError
from flowfa.files.atomic import make_folder, partial_path
from flowfa.records.arrays import DamagedError, read_arrays, write_arrays
from flowfa.records.recorder import remove_chunks

OUTLINE = "outline.npz"
"""The file of what is known before the run, from which an unfinished run can be read."""
_META = "meta.json"
_LONGEST_SHOWN = 60
_ABSENT = object()


def checkpoint_folder(path: str | Path) -> Path:
    """Return the folder beside a result that holds its checkpoint: ``RUN.nc.checkpoint``."""
    path = Path(path)
    return path.with_name(f"{path.name}.checkpoint")


class Checkpoint:
    """The newest state of an unfinished run.

    A process killed at any instant leaves the previous checkpoint or the new one, complete.

    Parameters
    ----------
    folder : Path
        Made when something is written. The chunks of the record are kept in it too.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._file = self.folder / "state.npz"

    def exists(self) -> bool:
        """Return whether there is something to resume."""
        return self._file.exists()

    def write(self, arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> None:
        """Replace the checkpoint.

        Parameters
        ----------
        arrays : dict
            Numbers and text; no Python objects.
        meta : dict
            Anything that JSON can hold.

        Raises
        ------
        InputError
            If the file system refuses; the previous checkpoint stays.
        TypeError
            If something could only be pickled.
        """
        if _META in arrays:
            raise ValueError(f"an array cannot be named {_META}")
        encoded = np.frombuffer(json.dumps(meta).encode(), dtype=np.uint8)
        make_folder(self.folder)
        write_arrays(self._file, {**arrays, _META: encoded})

    def read(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return arrays and meta as they were given to `write`; tuples in meta became lists.

        Raises
        ------
        InputError
            If there is no checkpoint, or it is damaged.
        """
        if not self.exists():
            raise InputError(f"there is no checkpoint in {self.folder}: leave out `resume`")
        try:
            arrays = read_arrays(self._file)
            meta = json.loads(arrays.pop(_META).tobytes())
        except (DamagedError, KeyError, ValueError) as error:
            raise InputError(
                f"the checkpoint {self._file} cannot be read ({error}): start again with "
                "`overwrite=True`"
            ) from error
        return arrays, meta

    def remove(self) -> None:
        """Delete the checkpoint and its folder; other files in the folder are kept, and it too."""
        if not self.folder.is_dir():
            return
        # The state goes first, because chunks without it are leftovers that the next run clears.
        self._file.unlink(missing_ok=True)
        for path in (partial_path(self._file), self.folder / OUTLINE):
            path.unlink(missing_ok=True)
        remove_chunks(self.folder)
        with contextlib.suppress(OSError):
            self.folder.rmdir()


def compare_configurations(stored: Mapping[str, Any], current: Mapping[str, Any]) -> None:
    """Check that a resumed run is the run that was begun.

    Parameters
    ----------
    stored : dict
        The configuration in the checkpoint.
    current : dict
        The configuration of this call.

    Raises
    ------
    InputError
        If a setting differs; the message names the first one and both its values.
    """
    # The stored one went through JSON, which turns tuples into lists.
    decoded = json.loads(json.dumps(current))
    for key, stored_value, current_value in _differences(stored, decoded, ""):
        raise InputError(
            f"the unfinished run has {key} = {_shown(stored_value)}, this command "
            f"{_shown(current_value)}: resume with the same settings, or start again with "
            "`overwrite=True`"
        )


def _differences(
    stored: Mapping[str, Any], current: Mapping[str, Any], prefix: str
) -> Iterator[tuple[str, Any, Any]]:
    for key in dict.fromkeys((*stored, *current)):
        stored_value, current_value = stored.get(key, _ABSENT), current.get(key, _ABSENT)
        if isinstance(stored_value, dict) and isinstance(current_value, dict):
            yield from _differences(stored_value, current_value, f"{prefix}{key}.")
        elif stored_value != current_value and repr(stored_value) != repr(current_value):
            # NaN differs from itself, but the text of both is the same.
            yield f"{prefix}{key}", stored_value, current_value


def _shown(value: Any) -> str:
    if value is _ABSENT:
        return "none"
    text = json.dumps(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."
