"""Which names in an archive or folder are files of a data set, not traces of a file manager."""

from __future__ import annotations

from pathlib import PurePosixPath

TRACES = ("__MACOSX", "Thumbs.db", "desktop.ini")


def is_content(name: str) -> bool:
    """Return whether a name, with / between its parts, is that of a file of the data set.

    Archivers list folders too, ending in /; macOS adds ``.DS_Store``, ``__MACOSX/`` and, beside
    each file, ``._name``; Windows adds ``Thumbs.db`` and ``desktop.ini``.
    """
    parts = PurePosixPath(name).parts
    return not name.endswith("/") and not any(
        component in TRACES or component.startswith(".") for component in parts
    )
