"""Pages of public names are reached from the tables of the API, not from the list of all pages.

That list is on every page of the site, and three hundred names would bury the rest of it. Back from
the source it is to the page of a name: the anchor that viewcode adds to the link bears the name of
the module where it was defined, which the page does not have.
"""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx
from sphinx.ext.autosummary import autosummary_toc
from sphinx.transforms import SphinxTransform


class TablesOnly(SphinxTransform):
    """Drop the list of pages that comes with each table; the pages themselves are orphans."""

    default_priority = 500

    def apply(self) -> None:
        for node in list(self.document.findall(autosummary_toc)):
            node.parent.remove(node)


def link_to_pages(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any
) -> None:
    if page.startswith("_modules/"):
        back = r'(class="viewcode-back" href="[^"#]*)#[^"]*'
        context["body"] = re.sub(back, r"\1", context["body"])


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_transform(TablesOnly)
    app.connect("html-page-context", link_to_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
