"""The user's own Python files that a command imports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from flowfa.settings.limits import not_empty
from flowfa.settings.naming import optional_flag


@dataclass(frozen=True)
class ImportSettings:
    """What is imported before anything is looked up by its name."""

    import_: Annotated[
        tuple[str, ...] | None,
        not_empty("file", "give a Python file, or leave it out"),
        optional_flag(name="import", metavar="FILE.py [FILE.py ...]"),
    ] = None
    """Python files of your own that register rules, losses, starts, observables, statements."""
