"""The arguments that `simulate` and `train` share, held against their declarations."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flowfa.errors import InputError
from flowfa.files.paths import as_path
from flowfa.problems.problem import check_problem
from flowfa.settings import StartsSettings, StorageSettings, chosen
from flowfa.settings.recording import ThreadsSettings


def shared_settings(
    problem: object, path: str | Path | None, arguments: Mapping[str, Any]
) -> tuple[StartsSettings, StorageSettings]:
    """Return which starts are drawn and how results are kept.

    Parameters
    ----------
    problem : object
        What was given as the problem.
    path : str or Path, optional
        The result file.
    arguments : mapping
        All arguments by name.

    Raises
    ------
    InputError
        Naming the first that is not valid, or if a run is to be resumed without a file.
    """
    starts = chosen(StartsSettings, arguments)
    storage = chosen(StorageSettings, arguments)
    chosen(ThreadsSettings, arguments)
    check_problem(problem)
    if path is not None:
        as_path(path)
    if storage.resume and path is None:
        raise InputError(
            "`resume` is True, but there is no `path` to continue: give the result file"
        )
    return starts, storage
