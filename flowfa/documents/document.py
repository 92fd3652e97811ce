"""What a report is made of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Heading:
    """A heading below the title."""

    text: str


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of plain text."""

    text: str


@dataclass(frozen=True)
class List:
    """A bulleted list of plain texts."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table with a header, and a note below it."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True)
class Picture:
    """A figure: its file beside the report, its bytes (PNG), and its caption."""

    file: str
    png: bytes
    caption: str


@dataclass(frozen=True)
class Document:
    """A report.

    Attributes
    ----------
    title : str
    parts : tuple
        Headings, paragraphs, lists, tables and pictures, in order.
    """

    title: str
    parts: tuple[Heading | Paragraph | List | Table | Picture, ...]
