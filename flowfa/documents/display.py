"""How objects show themselves: one line of text, and a small table in a notebook."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from flowfa.documents.document import Table
from flowfa.documents.html import render_part


def one_line(kind: str, facts: Mapping[str, str]) -> str:
    """Return what `repr` says of an object that is too large to be written out.

    Parameters
    ----------
    kind : str
        What it is: the name of its class.
    facts : mapping
        Facts about it by name; each text is understandable without its name.

    Returns
    -------
    str
        Such as ``"<Dataset: digits; 100 samples, 64 features; 10 classes>"``.
    """
    return f"<{kind}: {'; '.join(' '.join(fact.split()) for fact in facts.values())}>"


def fact_table(kind: str, facts: Mapping[str, str]) -> str:
    """Return an HTML table of facts by name; all text is escaped."""
    return html_table(kind, ("property", "value"), list(facts.items()))


def html_table(
    title: str, header: Sequence[str], rows: Sequence[Sequence[str]], note: str = ""
) -> str:
    """Return an HTML table with a title, and a note below it; all text is escaped."""
    return render_part(Table(title, tuple(header), tuple(tuple(row) for row in rows), note))


def display_html(page: str) -> bool:
    """Show HTML in the notebook that this process belongs to; return False if there is none."""
    shell = sys.modules.get("IPython")
    active = None if shell is None else shell.get_ipython()
    if active is None or not hasattr(active, "kernel"):
        return False
    from IPython.display import HTML, display  # pyright: ignore[reportMissingImports]

    display(HTML(page))
    return True
