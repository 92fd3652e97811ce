"""Searching counterexamples of statements, and the tightest cases of true ones."""

from theory_checks.falsify import claims
from theory_checks.falsify.case import Case, Shape
from theory_checks.falsify.claim import CLAIMS, Assessment, Claim
from theory_checks.falsify.naming import find, names
from theory_checks.falsify.search import Search, search

__all__ = [
    "CLAIMS",
    "Assessment",
    "Case",
    "Claim",
    "Search",
    "Shape",
    "claims",
    "find",
    "names",
    "search",
]
