"""Figures as files: PNG, PDF or SVG, whole or not at all, the same bytes for the same figure."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from flowfa.errors import InputError
from flowfa.files.atomic import replacing
from flowfa.plots.style import PAGE, PAPER_SETTINGS, SETTINGS

# The time of writing and the version of matplotlib stay out of the file.
_METADATA: dict[str, dict[str, Any]] = {
    "png": {"Software": "flowfa"},
    "pdf": {"Creator": "flowfa", "Producer": "flowfa", "CreationDate": None},
    "svg": {"Creator": "flowfa", "Date": None},
}

#: The formats that figures can be saved in, as the ending of the file's name.
FORMATS = tuple(_METADATA)


def figure_format(path: str | Path) -> str:
    """Return the format that the ending of a file's name asks for.

    Parameters
    ----------
    path : str or pathlib.Path
        Where a figure shall go.

    Returns
    -------
    str
        ``"png"``, ``"pdf"`` or ``"svg"``.

    Raises
    ------
    InputError
        If the name ends otherwise, is that of a folder, or lies in a folder that is not there.
    """
    path = Path(path)
    ending = path.suffix.lower().removeprefix(".")
    if ending not in FORMATS:
        endings = ", ".join(f".{name}" for name in FORMATS)
        raise InputError(f"cannot save a figure as {str(path)!r}: end the name in one of {endings}")
    if path.is_dir():
        raise InputError(f"{str(path)!r} is a folder: give the figure a file name in it")
    if not path.parent.is_dir():
        raise InputError(f"the folder {str(path.parent)!r} does not exist: create it first")
    return ending


def save(figure: Figure, path: str | Path, style: str = "screen") -> Path:
    """Write a figure to a file, replacing one that is there.

    The file appears complete or not at all. The same figure gives the same bytes.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The figure.
    path : str or pathlib.Path
        A name that ends in ``.png``, ``.pdf`` or ``.svg``.
    style : {"screen", "paper"}
        That it was drawn with: pixels for a paper are three times finer.

    Returns
    -------
    pathlib.Path
        Where the figure is.

    Raises
    ------
    InputError
        If the name has another ending, or the place cannot be written to.
    """
    ending = figure_format(path)
    settings = PAPER_SETTINGS if style == "paper" else SETTINGS
    with replacing(Path(path)) as partial, mpl.rc_context(settings):
        figure.savefig(partial, format=ending, metadata=_METADATA[ending])
    return Path(path)


def save_for_print(
    figures: Mapping[str, Figure], folder: str | Path, vector: str | None
) -> list[Path]:
    """Write figures in a vector format, no wider than a page of a journal.

    Parameters
    ----------
    figures : mapping
        By name without ending.
    folder : path
    vector : {"pdf", "svg", "png"} or None
        Without a vector format nothing is written.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    InputError
        If the file system refuses.
    """
    if vector in (None, "png"):
        return []
    files = []
    for name, figure in figures.items():
        width, height = figure.get_size_inches()
        if width > PAGE:
            # Text keeps its size, so that the height shrinks by less than the width.
            figure.set_size_inches(PAGE, height * (PAGE / width) ** 0.5)
        files.append(save(figure, Path(folder) / f"{name}.{vector}"))
    return files


def png_bytes(figure: Figure, dpi: float | None = None) -> bytes:
    """Return a figure as PNG, for a document; the same figure gives the same bytes.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    dpi : float, optional
        Dots per inch; by default as in files.
    """
    stream = io.BytesIO()
    with mpl.rc_context(SETTINGS):
        figure.savefig(
            stream,
            format="png",
            dpi=SETTINGS["savefig.dpi"] if dpi is None else dpi,
            metadata=_METADATA["png"],
        )
    return stream.getvalue()
