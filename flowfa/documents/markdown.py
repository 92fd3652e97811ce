"""A document as Markdown, its pictures as files beside it."""

from __future__ import annotations

from collections.abc import Sequence

from flowfa.documents.document import Document, Heading, List, Paragraph, Picture, Table


def render_markdown(document: Document) -> str:
    """Return the text of the document."""
    parts = [_render_part(part) for part in document.parts]
    return "\n\n".join([f"# {document.title}", *parts]) + "\n"


def _render_part(part: Heading | Paragraph | List | Table | Picture) -> str:
    if isinstance(part, Heading):
        return f"## {part.text}"
    if isinstance(part, Paragraph):
        return part.text
    if isinstance(part, List):
        return "\n".join(f"- {item}" for item in part.items)
    if isinstance(part, Picture):
        return f"![{part.caption}]({part.file})\n\n*{part.caption}*"
    return markdown_table(part)


def markdown_table(table: Table) -> str:
    """Return a table with its title above and its note below."""
    lines = [*markdown_header(table.header), *(_row(row) for row in table.rows)]
    note = f"\n\n{table.note}" if table.note else ""
    return f"**{table.title}**\n\n" + "\n".join(lines) + note


def markdown_header(cells: Sequence[str]) -> tuple[str, str]:
    """Return the two lines that a table begins with."""
    return _row(cells), "|" + "---|" * len(cells)


def _row(cells: Sequence[str]) -> str:
    escaped = (cell.replace("|", "\\|") for cell in cells)
    return "| " + " | ".join(escaped) + " |"
