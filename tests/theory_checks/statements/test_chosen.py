"""Choosing statements by their IDs."""

from __future__ import annotations

from theory_checks import chosen


def test_one_id_may_be_given_as_it_is():
    assert [check.spec for check in chosen("c-1")] == ["C-1"]
