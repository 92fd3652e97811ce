"""The built site in a real browser without a network: `make test-site`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.browser import Tab, browsing, chromium
from tests.support.site import Seen, broken_links, pages, served, survey

DESK = (1280, 900, False)
TELEPHONE = (390, 844, True)
HAND_WRITTEN = ("start", "guides", "theory", "laboratory", "reference", "gallery")


def is_read_on_a_telephone(page: str) -> bool:
    """Return whether a page is a hand-written one, or one of few of those that are made."""
    made = "/generated/" in page or page.startswith("_modules")
    return not made or page.endswith(("flowfa.Problem.html", "flowfa.simulate.html"))


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    program = chromium()
    if program is None:
        pytest.skip("no browser: apt-get install chromium")
    with browsing(program, tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture(scope="module")
def site():
    folder = os.environ.get("FLOWFA_SITE")
    if not folder:
        pytest.skip("FLOWFA_SITE names no built site: make test-site")
    return Path(folder).resolve()


@pytest.fixture(scope="module")
def address(site):
    with served(site) as address:
        yield address


def tab_of(browser, device):
    width, height, telephone = device
    return Tab(browser, width, height, telephone=telephone)


@pytest.fixture(scope="module")
def on_a_desk(browser, site, address):
    names = [page for page in pages(site) if not page.startswith("_")]
    return survey(tab_of(browser, DESK), address, names)


@pytest.fixture(scope="module")
def on_a_telephone(browser, site, address):
    names = [page for page in pages(site) if is_read_on_a_telephone(page)]
    return survey(tab_of(browser, TELEPHONE), address, names)


def unset_formulas(seen: list[Seen]) -> list[str]:
    return [
        f"{each.page}: {each.found['unset']} not set, {each.found['wrong']}"
        for each in seen
        if each.found["unset"] or each.found["wrong"] or not each.found["lettered"]
    ]


def complaints(seen: list[Seen]) -> list[str]:
    """Console and network errors, pictures that did not come, and requests to elsewhere."""
    return [
        f"{each.page}: {trouble}"
        for each in seen
        for trouble in (*each.troubles, *each.foreign, *each.found["pictures"])
    ]


def too_wide(seen: list[Seen]) -> list[str]:
    return [f"{each.page}: {each.found['excess']}" for each in seen if each.found["excess"] > 0]


def test_every_formula_is_set(on_a_desk, on_a_telephone):
    assert unset_formulas(on_a_desk) == unset_formulas(on_a_telephone) == []
    formulas = {each.page: each.found["formulas"] for each in on_a_desk}
    assert formulas["theory/statements.html"] > 200


def test_nothing_complains_and_nothing_is_asked_of_elsewhere(on_a_desk, on_a_telephone):
    assert complaints(on_a_desk) == complaints(on_a_telephone) == []
    assert {each.page.partition("/")[0] for each in on_a_desk} >= set(HAND_WRITTEN[:5])


def test_no_page_is_wider_than_its_window(on_a_desk, on_a_telephone):
    assert too_wide(on_a_desk) == too_wide(on_a_telephone) == []


def test_ids_in_the_text_are_links_to_their_statements(on_a_desk):
    texts = [each for each in on_a_desk if each.page != "theory/statements.html"]
    assert {each.page: each.found["unlinked"] for each in texts if each.found["unlinked"]} == {}


def test_no_link_within_the_site_is_broken(site):
    assert broken_links(site) == []


def found(page: str) -> str:
    """Return the script that says whether the results, which come one by one, have a page."""
    return f"!!document.querySelector('#search-results li a[href*=\"{page}\"]')"


@pytest.mark.parametrize("device", [DESK, TELEPHONE], ids=["desk", "telephone"])
def test_search_answers(browser, address, device):
    tab = tab_of(browser, device)
    tab.open(address + "index.html")
    tab.run(
        "const box = document.querySelector('.sidebar-search');"
        "box.value = 'chattering'; box.form.submit(); true"
    )
    assert tab.wait_for(found("reference/solvers.html"))


def test_search_for_a_public_name_finds_its_page(browser, address):
    tab = tab_of(browser, DESK)
    tab.open(address + "search.html?q=nearly_orthogonal")
    assert tab.wait_for(found("flowfa.datasets.nearly_orthogonal.html"))


def test_formulas_are_set_without_a_server_too(browser, site):
    tab = tab_of(browser, DESK)
    tab.open((site / "theory" / "statements.html").as_uri())
    assert tab.run("document.querySelectorAll('.math .katex-html').length") > 200
    assert tab.troubles == []


def test_a_broken_site_is_noticed(browser, tmp_path):
    """What the tests above assert can fail."""
    (tmp_path / "whole.html").write_text("<p id='here'>whole</p>")
    (tmp_path / "broken.html").write_text(
        "<link rel='icon' href='data:,'>"
        "<div class='math'>\\lVert</div>"
        "<a href='whole.html#nowhere'>to</a><a href='gone.html'>to</a>"
        "<img src='gone.png'><img src='http://example.invalid/picture.png'>"
        "<p>By C-1 it holds, and <a href='statements.html#c-2'>C-2</a>.</p>"
        "<div style='width: 3000px'>wide</div><script>missing();</script>"
    )
    with served(tmp_path) as address:
        (seen,) = survey(tab_of(browser, DESK), address, ["broken.html"])
    assert unset_formulas([seen]) and too_wide([seen])
    assert seen.found["unlinked"] == ["C-1"]
    said = " ".join(complaints([seen]))
    assert "exception" in said and "gone.png" in said and "example.invalid" in said
    gone = ("whole.html#nowhere", "gone.html", "gone.png", "statements.html#c-2")
    assert broken_links(tmp_path) == [f"broken.html: {link}" for link in gone]
