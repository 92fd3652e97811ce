"""The type of negative controls."""

from __future__ import annotations

from collections.abc import Callable

from theory_checks.evidence.evidence import Evidence

Control = Callable[[], Evidence]
"""A function that sets up a flow for which a check must say *violated*."""
