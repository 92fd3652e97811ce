"""Ticks of an axis along which the values of a swept setting stand side by side."""

from __future__ import annotations

import math
from pathlib import PurePath
from typing import Any

import numpy as np
from matplotlib.axes import Axes

_CHARACTER, _GAP, _LINE = 0.075, 0.12, 0.17
"""Inches of a character of a label, between two labels, and of a line."""


def label_ticks(axes: Axes, which: str, places: np.ndarray, points: np.ndarray) -> None:
    """Label places with values, as many as have room: some numbers are left out, words are turned.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    which : {"x", "y"}
    places, points : numpy.ndarray
        Where each value is, and the values.
    """
    labels = short_labels(points)
    figure = axes.get_figure(root=True)
    assert figure is not None
    place = axes.get_position()
    if which == "y":
        axis, inches, size = axes.yaxis, figure.get_figheight() * place.height, _LINE
    else:
        axis, inches = axes.xaxis, figure.get_figwidth() * place.width
        size = _CHARACTER * max(map(len, labels)) + _GAP
        if points.dtype.kind not in "fiu" and size * len(labels) > inches:
            axis.set_tick_params(rotation=90)
            size = _LINE
    step = math.ceil(len(labels) / max(1, int(inches / size)))
    axis.set_ticks(places[::step], labels[::step])


def short_labels(points: np.ndarray) -> list[str]:
    """Return values as labels: of a file its name, with as many folders as tell it from others."""
    texts = [_text(point) for point in points]
    parts = {text: PurePath(text).parts for text in texts if "/" in text}
    count = dict.fromkeys(parts, 1)
    while True:
        short = {text: "/".join(parts[text][-count[text] :]) for text in parts}
        named = [*short.values(), *(text for text in texts if text not in parts)]
        alike = [text for text in parts if named.count(short[text]) > 1]
        longer = [text for text in alike if count[text] < len(parts[text])]
        if not longer:
            return [short.get(text, text) for text in texts]
        for text in longer:
            count[text] += 1


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float | np.floating) else str(value)
