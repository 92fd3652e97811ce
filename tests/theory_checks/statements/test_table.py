"""Every statement has a file named for it, a test from the template, and a negative control."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

import theory_checks
from flowfa.errors import InputError
from theory_checks import CHECKS
from theory_checks.statements.table import entry_of, with_table
from theory_checks.testing import CheckTestCase

ROOT = Path(theory_checks.__file__).parent.parent
PAGE = ROOT / "docs" / "reference" / "checks.md"


def has_template(file, check):
    """Return whether a test file has a subclass of the template that makes the check."""
    spec = importlib.util.spec_from_file_location(f"looked_at_{file.stem}", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    cases = [
        thing
        for thing in vars(module).values()
        if isinstance(thing, type) and issubclass(thing, CheckTestCase)
    ]
    made = [type(case().make()) for case in cases if not case.__abstractmethods__]
    return check in made


@pytest.mark.parametrize("spec", CHECKS.names())
def test_statement_has_its_file_its_test_and_a_control(spec):
    entry = entry_of(CHECKS.get(spec))
    assert entry.named_for_it and (ROOT / entry.file).is_file()
    assert has_template(ROOT / entry.test, CHECKS.get(spec))
    assert entry.controls


def test_file_of_another_name_and_a_test_of_another_check_are_noticed():
    """What the test above asserts can fail."""

    class Other(CHECKS.get("C-1")):
        spec = "C-11"

        def controls(self):
            return {}

    Other.__module__ = "theory_checks.statements.conservation.c1_per_neuron"
    entry = entry_of(Other)
    assert not entry.named_for_it and not entry.controls
    assert not has_template(ROOT / entry.test, Other)


def test_page_of_the_documentation_has_the_table_that_the_code_makes():
    text = PAGE.read_text(encoding="utf-8")
    command = f"python -m theory_checks.statements.table {PAGE.relative_to(ROOT)}"
    assert text == with_table(text), f"the table is out of date: {command}"
    assert "| `Eq-1` | `eq1_loss_rate.py` | `test_eq1_loss_rate.py` | weight decay, " in text


def test_page_without_a_place_for_the_table_is_refused():
    with pytest.raises(InputError, match="no place for the table"):
        with_table("# Checks\n")
