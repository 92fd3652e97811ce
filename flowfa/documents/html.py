"""A document as one HTML page that needs nothing else, for the screen and for paper."""

from __future__ import annotations

import base64
from html import escape

from flowfa.documents.document import Document, Heading, List, Paragraph, Picture, Table

_STYLE = """
body { font: 16px/1.45 system-ui, sans-serif; color: #111; max-width: 68rem; margin: 2rem auto;
  padding: 0 1.2rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.25rem; margin-top: 2.2rem; }
table { border-collapse: collapse; font-size: 0.82rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.22rem 0.6rem; text-align: left; border-bottom: 1px solid #ddd;
  white-space: nowrap; }
td.prose { white-space: normal; min-width: 14rem; vertical-align: top; }
th { border-bottom: 1.5px solid #111; } tr:nth-child(even) td { background: #f6f6f6; }
.wide { overflow-x: auto; } caption { text-align: left; font-weight: 600; padding: 0.4rem 0; }
.note, figcaption { font-size: 0.85rem; color: #444; max-width: 60rem; }
figure { margin: 1.2rem 0; } figure img { max-width: 100%; }
@media print { body { max-width: none; margin: 0; font-size: 10pt; } .wide { overflow: visible; }
  table { font-size: 6.5pt; } th, td { padding: 1pt 3pt; } figure, tr { break-inside: avoid; }
  h2 { break-after: avoid; } }
"""

_PROSE = 40
"""A cell of so many characters or more is a sentence, which may be broken into lines."""


def render_html(document: Document) -> str:
    """Return the page; all text is escaped."""
    body = "\n".join(render_part(part) for part in document.parts)
    title = escape(document.title)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
        f"{body}\n</body>\n</html>\n"
    )


def render_part(part: Heading | Paragraph | List | Table | Picture) -> str:
    """Return one part of a document as HTML; all text is escaped."""
    if isinstance(part, Heading):
        return f"<h2>{escape(part.text)}</h2>"
    if isinstance(part, Paragraph):
        return f"<p>{escape(part.text)}</p>"
    if isinstance(part, List):
        return "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in part.items) + "</ul>"
    if isinstance(part, Picture):
        data = base64.b64encode(part.png).decode("ascii")
        caption = escape(part.caption)
        return (
            f'<figure><img alt="{caption}" src="data:image/png;base64,{data}">'
            f"<figcaption>{caption}</figcaption></figure>"
        )
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
