"""Command lines that differ from one another in a few flags."""

from __future__ import annotations


def with_flags(command: str, options: str) -> list[str]:
    """Return the words of a command in which the flags of `options` take the place of its own."""
    given = {word for word in options.split() if word.startswith("--")}
    kept: list[str] = []
    dropped = False
    for word in command.split():
        if word.startswith("--"):
            dropped = word in given
        if not dropped:
            kept.append(word)
    return [*kept, *options.split()]
