"""Pages of public names are reached from the tables of the API, not from the list of all pages.

That list is on every page of the site, and three hundred names would bury the rest of it.
"""

from __future__ import annotations

from sphinx.application import Sphinx
from sphinx.ext.autosummary import autosummary_toc
from sphinx.transforms import SphinxTransform


class TablesOnly(SphinxTransform):
    """Drop the list of pages that comes with each table; the pages themselves are orphans."""

    default_priority = 500

    def apply(self) -> None:
        for node in list(self.document.findall(autosummary_toc)):
            node.parent.remove(node)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_transform(TablesOnly)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
