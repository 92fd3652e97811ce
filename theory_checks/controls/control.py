"""What a negative control is."""

from __future__ import annotations

from collections.abc import Callable

from theory_checks.evidence.evidence import Evidence

Control = Callable[[], Evidence]
"""Sets up a flow of which a check must say that it violates the statement."""
