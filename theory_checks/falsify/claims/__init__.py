"""Claims on states: the paper's inequalities, and their corrected forms."""

from theory_checks.falsify.claims import cosine, descent, dominance, nearly_orthogonal

__all__ = ["cosine", "descent", "dominance", "nearly_orthogonal"]
