"""Formulas that need no network: TeX in the pages, set by the KaTeX that the site carries."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

SCRIPTS = ("katex/katex.min.js", "formulas.js")
STYLE = "katex/katex.min.css"


def visit_inline(self: HTML5Translator, node: nodes.Element) -> None:
    self.body.append(f'<span class="math">{self.encode(node.astext())}</span>')
    raise nodes.SkipNode


def visit_block(self: HTML5Translator, node: nodes.Element) -> None:
    self.body.append(f'<div class="math">{self.encode(node.astext())}</div>\n')
    raise nodes.SkipNode


def add_katex(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Load KaTeX on the pages that have formulas, in their text or in their list of pages."""
    html = (context.get("body", ""), context.get("toc", ""), str(context.get("title", "")))
    if any('class="math' in part for part in html):
        app.add_css_file(STYLE)
        for script in SCRIPTS:
            app.add_js_file(script)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_html_math_renderer("katex", (visit_inline, None), (visit_block, None))
    app.connect("html-page-context", add_katex)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
