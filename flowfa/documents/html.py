"""A document as one HTML page that needs nothing else, for the screen and for paper."""

from __future__ import annotations

import base64
from html import escape

from flowfa.documents.document import Document, Heading, List, Paragraph, Picture, Table
from flowfa.documents.style import STYLE

_PROSE = 40
"""A cell of at least so many characters holds a sentence, which may be broken into lines."""


def render_html(document: Document) -> str:
    """Return the page; all text is escaped."""
    return html_page(document.title, "\n".join(render_part(part) for part in document.parts))


def html_page(title: str, body: str) -> str:
    """Return a page with its style inside, so that it needs no other file.

    Parameters
    ----------
    title : str
        Plain text, also the heading of the page.
    body : str
        HTML, what comes below the heading.
    """
    title = escape(title)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
        f"{body}\n</body>\n</html>\n"
    )


def html_image(png: bytes, alternative: str, width: int | None = None) -> str:
    """Return an image with its data inside.

    Parameters
    ----------
    png : bytes
    alternative : str
        Plain text: what it shows, for those who cannot see it.
    width : int, optional
        In pixels of the page, where that is not the image's own.
    """
    data = base64.b64encode(png).decode("ascii")
    style = "" if width is None else f' style="width:{width}px"'
    return f'<img alt="{escape(alternative)}"{style} src="data:image/png;base64,{data}">'


def render_part(part: Heading | Paragraph | List | Table | Picture) -> str:
    """Return one part of a document as HTML; all text is escaped."""
    if isinstance(part, Heading):
        return f"<h2>{escape(part.text)}</h2>"
    if isinstance(part, Paragraph):
        return f"<p>{escape(part.text)}</p>"
    if isinstance(part, List):
        return "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in part.items) + "</ul>"
    if isinstance(part, Picture):
        image = html_image(part.png, part.caption)
        return f"<figure>{image}<figcaption>{escape(part.caption)}</figcaption></figure>"
    header = "".join(f"<th>{escape(cell)}</th>" for cell in part.header)
    rows = "".join("<tr>" + "".join(_cell(cell) for cell in row) + "</tr>\n" for row in part.rows)
    note = f'<p class="note">{escape(part.note)}</p>' if part.note else ""
    return (
        f'<div class="wide"><table><caption>{escape(part.title)}</caption>'
        f"<thead><tr>{header}</tr></thead>\n<tbody>{rows}</tbody></table></div>{note}"
    )


def _cell(text: str) -> str:
    kind = ' class="prose"' if len(text) >= _PROSE else ""
    return f"<td{kind}>{escape(text)}</td>"
