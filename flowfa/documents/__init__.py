"""Reports as documents: the same content as Markdown and as one self-contained HTML page."""

from flowfa.documents.document import Document, Heading, List, Paragraph, Picture, Table
from flowfa.documents.html import render_html
from flowfa.documents.markdown import render_markdown

__all__ = [
    "Document",
    "Heading",
    "List",
    "Paragraph",
    "Picture",
    "Table",
    "render_html",
    "render_markdown",
]
