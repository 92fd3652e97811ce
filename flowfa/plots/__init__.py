"""Figures of results: a tree of records in, a matplotlib figure out."""

from flowfa.plots.alignment import alignment, alignment_bound
from flowfa.plots.conservation import conservation
from flowfa.plots.factors import factors
from flowfa.plots.loss import loss
from flowfa.plots.overview import overview
from flowfa.plots.phase import phase_diagram
from flowfa.plots.saving import FORMATS, figure_format, save
from flowfa.plots.variables import panel_of

__all__ = [
    "FORMATS",
    "alignment",
    "alignment_bound",
    "conservation",
    "factors",
    "figure_format",
    "loss",
    "overview",
    "panel_of",
    "phase_diagram",
    "save",
]
