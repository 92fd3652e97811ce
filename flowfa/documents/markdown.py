"""A document as Markdown, its pictures as files beside it."""

from __future__ import annotations

from flowfa.documents.document import Document, Heading, List, Paragraph, Picture, Table


def render_markdown(document: Document) -> str:
    """Return the text of the document."""
    return "\n\n".join([f"# {document.title}", *(_part(part) for part in document.parts)]) + "\n"


def _part(part: Heading | Paragraph | List | Table | Picture) -> str:
    if isinstance(part, Heading):
        return f"## {part.text}"
    if isinstance(part, Paragraph):
        return part.text
    if isinstance(part, List):
        return "\n".join(f"- {item}" for item in part.items)
    if isinstance(part, Picture):
        return f"![{part.caption}]({part.file})\n\n*{part.caption}*"
    lines = [_row(part.header), "|" + "---|" * len(part.header), *(_row(row) for row in part.rows)]
    note = f"\n\n{part.note}" if part.note else ""
    return f"**{part.title}**\n\n" + "\n".join(lines) + note


def _row(cells: tuple[str, ...]) -> str:
    escaped = (cell.replace("|", "\\|") for cell in cells)
    return "| " + " | ".join(escaped) + " |"
