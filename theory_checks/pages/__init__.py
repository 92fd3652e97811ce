"""A report as one HTML page: verdicts, figures and provenance, for the screen and for paper."""

from theory_checks.pages.page import page, save_page

__all__ = ["page", "save_page"]
