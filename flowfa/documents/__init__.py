"""Reports as documents: the same content as Markdown and as one self-contained HTML page."""

from flowfa.documents.document import Document, Heading, List, Paragraph, Picture, Table
from flowfa.documents.html import html_image, html_page, render_html
from flowfa.documents.markdown import markdown_header, markdown_table, render_markdown
from flowfa.documents.writer import write_document

__all__ = [
    "Document",
    "Heading",
    "List",
    "Paragraph",
    "Picture",
    "Table",
    "html_image",
    "html_page",
    "markdown_header",
    "markdown_table",
    "render_html",
    "render_markdown",
    "write_document",
]
