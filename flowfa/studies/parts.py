"""Finished units of a study as files, which stay when the process is killed.

The folder holds the settings of the study, and a file for each unit that is done. A file is there
completely or not at all, so that any process can see what is left to do.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import xarray as xr

from flowfa.errors import InputError
from flowfa.files.atomic import make_folder, reason, replacing
from flowfa.records.checkpoint import Checkpoint, compare_configurations
from flowfa.records.dataset_file import read_dataset, write_dataset

BEGUN = "asked.json"
"""File beside those of the units: the settings of the study, and its number of threads."""


class Parts:
    """The folder of the finished units of one study.

    Parameters
    ----------
    folder : Path
        Made by `begin`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def begun(self) -> bool:
        """Return whether a study was begun here."""
        return (self.folder / BEGUN).exists()

    def begin(self, configuration: Mapping[str, Any]) -> None:
        """Clear the folder for a new study, and store its settings.

        Raises
        ------
        InputError
            If the file system refuses.
        """
        self.remove()
        make_folder(self.folder)
        request = {"asked": configuration, "threads": torch.get_num_threads()}
        with replacing(self.folder / BEGUN) as partial:
            partial.write_text(json.dumps(request), encoding="utf-8")

    def go_on(self, configuration: Mapping[str, Any]) -> None:
        """Check that this is the study that was begun, and take as many threads as it had.

        Raises
        ------
        InputError
            If it was begun with other settings; the message names the first that differs. Or if
            what was begun cannot be read.
        """
        try:
            request = json.loads((self.folder / BEGUN).read_text(encoding="utf-8"))
            asked, threads = dict(request["asked"]), int(request["threads"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{self.folder / BEGUN}, the settings of what was begun, cannot be read "
                f"({reason(error)}): start again with `overwrite=True`"
            ) from error
        compare_configurations(asked, configuration)
        # The same number of threads, for the same rounding in every matrix product.
        torch.set_num_threads(threads)

    def has(self, unit: str) -> bool:
        """Return whether a unit is finished."""
        return self._file(unit).exists()

    def write(self, unit: str, data: xr.Dataset) -> None:
        """Store the result of a finished unit."""
        write_dataset(data, self._file(unit))

    def read(self, unit: str) -> xr.Dataset:
        """Return the result of a finished unit."""
        return read_dataset(self._file(unit))

    def remove(self) -> None:
        """Delete the folder with all parts."""
        if self.folder.is_dir():
            shutil.rmtree(self.folder)

    def _file(self, unit: str) -> Path:
        return self.folder / f"{unit}.nc"


def any_checkpoint(folder: Path) -> bool:
    """Return whether a folder holds the checkpoint of any unit."""
    return folder.is_dir() and any(folder.iterdir())


def remove_checkpoints(folder: Path) -> None:
    """Delete the checkpoints of all units; other files in the folder are kept, and it too."""
    if not folder.is_dir():
        return
    for unit in folder.iterdir():
        Checkpoint(unit).remove()
    if not any(folder.iterdir()):
        folder.rmdir()
