"""A document as files: Markdown and HTML, and the pictures beside them."""

from __future__ import annotations

from pathlib import Path

from flowfa.documents.document import Document, Picture
from flowfa.documents.html import render_html
from flowfa.documents.markdown import render_markdown
from flowfa.files.atomic import replacing


def write_document(document: Document, folder: str | Path) -> list[Path]:
    """Write the pictures of a document, ``report.html`` and ``report.md``.

    Parameters
    ----------
    document : Document
    folder : path
        A folder that is there; files of these names are replaced, each whole or not at all.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    InputError
        If the file system refuses.
    """
    contents = {part.file: part.png for part in document.parts if isinstance(part, Picture)}
    # A file name that is no UTF-8 may be named in the text; it is shown with escapes.
    contents["report.html"] = render_html(document).encode(errors="backslashreplace")
    contents["report.md"] = render_markdown(document).encode(errors="backslashreplace")
    for name, encoded in contents.items():
        with replacing(Path(folder) / name) as partial:
            partial.write_bytes(encoded)
    return [Path(folder) / name for name in contents]
