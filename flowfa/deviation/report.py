"""The report of a sweep: Markdown, HTML, and the figures as files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import xarray as xr

from flowfa.deviation.figures import figures
from flowfa.deviation.sentences import sentences
from flowfa.deviation.tables import (
    accuracy_table,
    deviation_table,
    layer_table,
    path_table,
    protocol_table,
    slope_table,
)
from flowfa.documents import (
    Document,
    Heading,
    List,
    Paragraph,
    Picture,
    write_document,
)
from flowfa.plots.saving import png_bytes, save_for_print


def write_report(data: xr.Dataset, folder: Path, vector: str | None = None) -> list[Path]:
    """Write report.html, report.md and the figures; return the files.

    Parameters
    ----------
    data : xarray.Dataset
        As `flowfa.deviation.sweep.sweep` returns, or read from its deviation.nc.
    folder : Path
    vector : {"pdf", "svg"}, optional
        Write the figures in this format too.
    """
    drawn = list(figures(data))
    pictures = [
        Picture(f"{name}.png", png_bytes(figure), caption) for name, caption, figure in drawn
    ]
    files = write_document(compose(data, pictures), folder)
    return files + save_for_print({name: figure for name, _, figure in drawn}, folder, vector)


def compose(data: xr.Dataset, pictures: list[Picture]) -> Document:
    """Return the report as a document."""
    by_protocol = protocol_table(data)
    return Document(
        "Flow against discrete steps",
        (
            Paragraph(_opening(data)),
            Heading("Figures"),
            *pictures,
            Heading("Numbers"),
            slope_table(data),
            deviation_table(data),
            layer_table(data),
            path_table(data),
            *([] if by_protocol is None else [by_protocol]),
            accuracy_table(data),
            Heading("How it was made"),
            List(_origin(data)),
            Heading("What was found"),
            List(tuple(sentences(data))),
        ),
    )


def _opening(data: xr.Dataset) -> str:
    config = json.loads(data.attrs["config"])
    first = next(iter(config["problems"].values()))
    widths = ", ".join(str(name) for name in data["architecture"].values)
    return (
        f"{config['trajectories']} starts each of {', '.join(first['rule'])} at width {widths}; "
        f"{first['samples']} samples of {first['dataset']} in {first['dim']} dimensions, "
        f"{first['loss']} loss, {_activation(first)}. From each start the flow dW/dt = -G and "
        "the steps W <- W - eta G (with momentum mu: v <- mu v + G, W <- W - eta v, compared "
        f"at time k eta / (1 - mu)) until t = {config['t_end']:g}."
    )


def _activation(problem: dict[str, Any]) -> str:
    """Return the activation in words: of a (leaky) ReLU its leak."""
    if problem["leak"] is None:
        return f"activation {problem['activation']}"
    return f"leak {problem['leak']:g}"


def _origin(data: xr.Dataset) -> tuple[str, ...]:
    keys = ("created", "git_revision", "versions", "device", "threads", "argv")
    known = [f"{key}: {data.attrs[key]}" for key in keys if key in data.attrs]
    return (*known, f"configuration: {data.attrs['config']}")
