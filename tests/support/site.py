"""A built site, served on this machine alone, and what a browser finds on its pages."""

from __future__ import annotations

import contextlib
import functools
import http.server
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin

from tests.support.browser import Tab

LOOK = r"""(() => {
  const article = document.querySelector("article") || document.body;
  const all = (selector) => [...document.querySelectorAll(selector)];
  const id = /(?<![\w-])(?:[A-EPLT]-\d+c?|Eq-\d+)(?![\w-])/g;
  const unlinked = [];
  for (const block of article.querySelectorAll("p")) {
    const copy = block.cloneNode(true);
    copy.querySelectorAll("a, code, .math").forEach((part) => part.remove());
    for (const name of copy.textContent.match(id) || []) {
      const link = `a[href$="statements.html#${name.toLowerCase()}"]`;
      if (!block.querySelector(link)) unlinked.push(name);
    }
  }
  const formulas = all(".math");
  return {
    formulas: formulas.length,
    unset: formulas.filter((each) => !each.querySelector(".katex-html")).length,
    wrong: all(".katex-error").map((each) => each.textContent),
    lettered: formulas.length === 0 || document.fonts.check("16px KaTeX_Main"),
    unlinked,
    pictures: all("img").filter((each) => !each.naturalWidth).map((each) => each.src),
    excess: document.documentElement.scrollWidth - window.innerWidth,
  };
})()"""


LINKING = (("a", "href"), ("img", "src"), ("link", "href"), ("script", "src"))


@dataclass(frozen=True)
class Seen:
    """One page as a browser showed it."""

    page: str
    found: dict[str, Any]
    troubles: list[str]
    foreign: list[str]


class _Targets(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = {"", "top"}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" or (name == "name" and tag == "a"):
                self.anchors.add(value or "")
            elif (tag, name) in (
                ("a", "href"),
                ("img", "src"),
                ("script", "src"),
                ("link", "href"),
            ):
                self.links.append(value or "")


def pages(site: Path) -> list[str]:
    return sorted(path.relative_to(site).as_posix() for path in site.rglob("*.html"))


def broken_links(site: Path) -> list[str]:
    """Return every link within the site whose file or anchor does not exist."""
    targets: dict[str, _Targets] = {}
    for page in pages(site):
        targets[page] = _Targets()
        targets[page].feed((site / page).read_text(encoding="utf-8"))
    broken = []
    for page, own in targets.items():
        for link in dict.fromkeys(own.links):
            if link.startswith(("http:", "https:", "mailto:", "data:")):
                continue
            path, anchor = urldefrag(urljoin(f"/{page}", link))
            name = unquote(path.partition("?")[0]).lstrip("/")
            there = (site / name).is_file()
            if not there or (name in targets and unquote(anchor) not in targets[name].anchors):
                broken.append(f"{page}: {link}")
    return broken


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def served(site: Path) -> Iterator[str]:
    """Serve a folder on the loopback address, and give its address."""
    handler = functools.partial(_Quiet, directory=str(site))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def survey(tab: Tab, address: str, names: Iterable[str]) -> list[Seen]:
    seen = []
    for name in names:
        tab.open(address + name)
        found = tab.run(LOOK)
        foreign = [each for each in tab.addresses if not each.startswith((address, "data:"))]
        seen.append(Seen(name, found, tab.troubles, foreign))
    return seen
