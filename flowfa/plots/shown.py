"""Figures that notebooks show."""

from __future__ import annotations

from matplotlib.figure import Figure

from flowfa.plots.saving import png_bytes


class ShownFigure(Figure):
    """A figure that a notebook shows, though pyplot does not know it."""

    def _repr_png_(self) -> bytes:
        return png_bytes(self)
