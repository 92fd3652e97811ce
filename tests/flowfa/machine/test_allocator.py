"""How the command line has memory allocated."""

import os

from flowfa.machine.allocator import ask_for_huge_pages


def test_huge_pages_are_asked_for_unless_the_user_has_decided(monkeypatch):
    monkeypatch.setenv("THP_MEM_ALLOC_ENABLE", "0")
    ask_for_huge_pages()
    assert os.environ["THP_MEM_ALLOC_ENABLE"] == "0"
    monkeypatch.delenv("THP_MEM_ALLOC_ENABLE")
    ask_for_huge_pages()
    assert os.environ["THP_MEM_ALLOC_ENABLE"] == "1"
