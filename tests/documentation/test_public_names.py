"""Every public name has a page of the API reference, and every page a name that exists."""

from __future__ import annotations

import importlib
import re
from types import ModuleType
from typing import Any

import pytest

from tests.support.rooms import ROOT

FOLDER = ROOT / "docs" / "reference" / "api"
RENAMED = re.compile(r'^        "((?:flowfa|theory_checks)[\w.]+)",$', re.MULTILINE)
NAME = re.compile(r"^   ((?:flowfa|theory_checks)\.[\w.]+)$", re.MULTILINE)
PUBLIC = (
    "flowfa",
    "flowfa.datasets",
    "flowfa.datasets.images",
    "flowfa.plots",
    "flowfa.problems",
    "flowfa.problems.activations",
    "flowfa.problems.losses",
    "flowfa.problems.rules",
    "flowfa.problems.starts",
    "flowfa.records",
    "flowfa.settings",
    "flowfa.simulation",
    "flowfa.sweeps",
    "flowfa.testing",
    "flowfa.torch_layers",
    "flowfa.training",
    "theory_checks",
    "theory_checks.controls",
    "theory_checks.falsify",
    "theory_checks.laws",
    "theory_checks.pages",
    "theory_checks.random_problems",
)


def listed() -> list[str]:
    return [name for page in sorted(FOLDER.glob("*.md")) for name in NAME.findall(page.read_text())]


def thing(name: str) -> Any:
    module, _, own = name.rpartition(".")
    return getattr(importlib.import_module(module), own)


def without_a_page(module: str, pages: list[str]) -> list[str]:
    """Return what a module makes public and no page shows, under this name or another."""
    shown = {id(thing(page)) for page in pages}
    public = importlib.import_module(module)
    names = [name for name in public.__all__ if not name.startswith("__")]
    return [
        f"{module}.{name}"
        for name in names
        if not isinstance(getattr(public, name), ModuleType)
        and id(getattr(public, name)) not in shown
    ]


@pytest.mark.parametrize("module", PUBLIC)
def test_every_public_name_has_a_page(module):
    assert without_a_page(module, listed()) == []


@pytest.mark.parametrize("module", [module for module in PUBLIC if module.count(".") == 1])
def test_every_module_has_a_section(module):
    text = "".join(page.read_text() for page in FOLDER.glob("*.md"))
    assert f"{module}." in text


def test_no_name_is_listed_twice_and_no_two_files_differ_in_case_alone():
    pages = listed()
    assert len(set(pages)) == len(pages)
    renamed = set(RENAMED.findall((ROOT / "docs" / "conf.py").read_text()))
    files = [page.lower() for page in pages if page not in renamed]
    assert len(set(files)) == len(files)
    assert renamed <= set(pages)


def test_a_name_without_a_page_would_be_noticed():
    pages = [name for name in listed() if name != "flowfa.plots.overview"]
    assert without_a_page("flowfa.plots", pages) == ["flowfa.plots.overview"]


def names_of_others() -> list[str]:
    files = sorted((ROOT / "docs" / "inventories").glob("*.inv"))
    return [line.split()[0] for file in files for line in file.read_text().splitlines()[3:]]


@pytest.mark.parametrize("name", names_of_others())
def test_names_of_other_packages_exist(name):
    module, _, own = name.rpartition(".")
    assert hasattr(importlib.import_module(module or "builtins"), own)
