"""IDs of statements in the text, such as C-1, become links to where each is stated."""

from __future__ import annotations

import re
from collections.abc import Iterator

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.ext.autosummary import autosummary_table
from sphinx.transforms import SphinxTransform

PAGE = "theory/statements"
ID = re.compile(r"(?<![\w-])(?:(?:[A-EPLT]-\d+c?)|Eq-\d+)(?![\w-])")
NOT_IN = (
    nodes.FixedTextElement,
    nodes.Invisible,
    nodes.literal,
    nodes.math,
    nodes.raw,
    nodes.reference,
    nodes.title,
    addnodes.desc_signature,
    addnodes.pending_xref,
)


def parents(node: nodes.Node) -> Iterator[nodes.Node]:
    while node.parent is not None:
        node = node.parent
        yield node


def hides(parent: nodes.Node) -> bool:
    """Return whether text below this node is no prose; a table of names calls itself a comment."""
    return isinstance(parent, NOT_IN) and not isinstance(parent, autosummary_table)


class StatementLinks(SphinxTransform):
    """Link the first mention of each statement in a paragraph, unless the text links it itself."""

    default_priority = 500

    def apply(self) -> None:
        stated = self.config.stated_ids
        if self.env.docname == PAGE:
            return
        linked: set[tuple[int, str]] = set()
        for text in list(self.document.findall(nodes.Text)):
            if any(hides(parent) for parent in parents(text)):
                continue
            paragraph = id(next(p for p in parents(text) if not isinstance(p, nodes.Inline)))
            pieces: list[nodes.Node] = []
            end = 0
            for match in ID.finditer(text.astext()):
                mention = (paragraph, match[0])
                if match[0] in stated and mention not in linked:
                    linked.add(mention)
                    pieces += [nodes.Text(text[end : match.start()]), self.link(match[0])]
                    end = match.end()
            if pieces:
                text.parent.replace(text, [*pieces, nodes.Text(text[end:])])

    def link(self, name: str) -> addnodes.pending_xref:
        label = nodes.inline(name, name)
        return addnodes.pending_xref(
            name,
            label,
            refdomain="std",
            reftype="ref",
            reftarget=name.lower(),
            refexplicit=True,
            refwarn=True,
            refdoc=self.env.docname,
        )


def find_ids(app: Sphinx, config: object) -> None:
    """The IDs that are stated: each under an anchor of its name on the page of statements."""
    page = (app.srcdir / f"{PAGE}.md").read_text(encoding="utf-8")
    app.config.stated_ids = sorted(
        set(re.findall(r"^\*\*([A-Z][a-z]?-\d+c?)\b", page, re.MULTILINE))
    )


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_config_value("stated_ids", [], "env")
    app.connect("config-inited", find_ids)
    app.add_transform(StatementLinks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
