"""The report: the paper's claims beside the measurements, Figures 2 to 4, table B.1."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import xarray as xr

from flowfa.documents import (
    Document,
    Heading,
    List,
    Paragraph,
    Picture,
    Table,
    write_document,
)
from flowfa.experiments.findings import of_runs, with_error
from flowfa.experiments.noisy_mnist import figures
from flowfa.experiments.noisy_mnist.claims import alignment_orders, judge
from flowfa.experiments.noisy_mnist.measures import ratio_errors, relative_rest
from flowfa.experiments.noisy_mnist.report_flow import PICTURE, flow_part, has_flows
from flowfa.experiments.report_parts import DPI, claims_table, provenance, scale_sentence
from flowfa.plots.saving import png_bytes, save_for_print
from flowfa.studies.clock import duration

FIGURES = {
    "figure-2.png": figures.deviation_by_width,
    "figure-3.png": figures.alignment,
    "figure-4.png": figures.learning_curves,
    "law.png": figures.law_split,
}
ROUNDING = 1e-6
"""The greatest rest over deviation that counts as rounding in float64."""


def write_report(data: xr.Dataset, out: str | Path, vector: str | None = None) -> list[Path]:
    """Write report.html, report.md and the figures beside the result.

    Parameters
    ----------
    data : xarray.Dataset
        What `flowfa.experiments.noisy_mnist.run_study` returned or wrote.
    out : path
        A folder that is there; files of these names are replaced.
    vector : {"pdf", "svg"}, optional
        Write the figures in this format too.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    InputError
        If the file system refuses.
    """
    drawn = {name: draw(data) for name, draw in FIGURES.items()}
    if has_flows(data):
        drawn[PICTURE] = figures.steps_and_flow(data)
    pictures = {name: png_bytes(figure, DPI) for name, figure in drawn.items()}
    files = write_document(make_report(data, pictures), out)
    named = {Path(name).stem: figure for name, figure in drawn.items()}
    return files + save_for_print(named, out, vector)


def make_report(data: xr.Dataset, pictures: dict[str, bytes]) -> Document:
    """Return the report of a result with its figures."""
    errors = ratio_errors(data)
    return Document(
        f"{data.attrs['title']}: conservation and alignment",
        (
            Paragraph(scale_sentence(data, "E-1")),
            List(_protocol_lines(data)),
            Heading("The paper's claims"),
            claims_table(judge(data), data.sizes["run"]),
            Heading("Figure 2 and table B.1: deviation from the law"),
            Paragraph(
                "R1 = [1/2||W_1(t)||^2 - 1/2||W_1(0)||^2] / [g(t) - g(0)] and R2 = C(t)/C(0), with "
                "C = 1/2||W_1||^2 - g and g = <W_2, B_2^T> (fa, adafa), s||W_2||_1 (signfa) or "
                "1/2||W_2||^2 (gd). The flow keeps both at one. R1 is large where g has moved "
                "little since the start, whatever C does; R2 is small where C(0) is large."
            ),
            _picture(pictures, "figure-2.png", "Mean |R - 1| at the last epoch by width."),
            _ratio_table(data, errors.isel(epoch=-1), "at the last epoch"),
            _ratio_table(data, errors, "averaged over the recorded epochs"),
            Heading("Figure 3: alignment"),
            _picture(
                pictures,
                "figure-3.png",
                "cos(W_2, F) over epochs, F = B_2^T (fa, adafa), sign(W_2) (signfa), W_2 (gd); "
                "dots: P-1's bound for signfa.",
            ),
            Paragraph("Order at the last epoch, means over runs (gd is its own feedback):"),
            List(tuple(alignment_orders(data))),
            Heading("Figure 4: training and test"),
            _picture(pictures, "figure-4.png", "Loss and accuracy; thin lines are the runs."),
            _accuracy_table(data),
            Heading("The law: what the steps add, and the rest"),
            Paragraph(
                "A flow keeps C. A step of full-batch training changes it by an amount that C-11 "
                "tells exactly, with momentum and changing rates. What that sum leaves of C(t) - "
                "C(0) must be rounding."
            ),
            _picture(
                pictures,
                "law.png",
                "Lines: |C(t) - C(0)| / |C(0)| as C-11 predicts it; dots: what that leaves over "
                f"(zero is drawn at {figures.ZERO:g}).",
            ),
            _law_table(data),
            Paragraph(_law_verdict(data)),
            *flow_part(data, pictures.get(PICTURE)),
            Heading("How it was made"),
            List(provenance(data, _timing(data))),
        ),
    )


def rest_is_rounding(data: xr.Dataset) -> bool | None:
    """Return whether C-11 explains the deviation to `ROUNDING`; None in float32."""
    if data.attrs["dtype"] != "float64":
        return None
    return bool(relative_rest(data).max(skipna=False) <= ROUNDING)


def _protocol_lines(data: xr.Dataset) -> tuple[str, ...]:
    p = json.loads(data.attrs["protocol"])
    lines = [
        f"{p['images']} training images of MNIST per run, random, {p['label_noise']:.0%} of the "
        f"labels replaced ({p['noise_kind']}); "
        f"{'all' if p['test_images'] is None else p['test_images']} clean test images; pixels "
        "from 0 to 1",
        f"two layers without biases, leak {p['leak']:g}, cross-entropy, weights and feedback "
        f"N(0, {p['init_scale'] ** 2:g}/width), signfa scale {p['signfa_scale']:g}",
        f"full batch, {p['epochs']} epochs, rate {p['rate']:g} divided by 10 every "
        f"{p['divide_every']}, momentum {p['momentum']:g}, no weight decay",
        f"rules {', '.join(p['rules'])} from the same starts on the same images; {p['runs']} runs "
        f"of each of the widths {' '.join(map(str, p['widths']))}; recorded every "
        f"{p['track_every']} epochs; {p['dtype']}, seed {p['seed']}",
    ]
    departures = json.loads(data.attrs["departures"])
    if departures:
        lines.append("departures from E-1: " + "; ".join(departures))
    diverged = int((~np.isfinite(data["train_loss"].isel(epoch=-1))).sum())
    if diverged:
        lines.append(f"{diverged} networks diverged; what is made of them is NaN")
    return tuple(lines)


def _ratio_table(data: xr.Dataset, errors: xr.Dataset, when: str) -> Table:
    rules = data.rule.values
    header = ("width", *(f"{name} {rule}" for name in ("R1", "R2") for rule in rules))
    rows = []
    for width in data.width.values:
        cells = [str(width)]
        for name in ("R1", "R2"):
            for rule in rules:
                of_rule = abs(errors[name].sel(width=width, rule=rule))
                if "epoch" in of_rule.dims:
                    # R1 is not defined at the start; elsewhere NaN means that a run diverged.
                    of_rule = of_rule.isel(epoch=slice(1, None)).mean("epoch", skipna=False)
                cells.append(with_error(of_rule))
        rows.append(tuple(cells))
    note = f"{of_runs(data.sizes['run'])}."
    return Table(f"Table B.1: |R - 1| {when}", header, tuple(rows), note)


def _accuracy_table(data: xr.Dataset) -> Table:
    names = ("train_loss", "train_accuracy", "memorised", "test_loss", "test_accuracy")
    end = data.isel(epoch=-1)
    rows = []
    for width in data.width.values:
        for rule in data.rule.values:
            of_pair = end.sel(width=width, rule=rule)
            best = data["test_accuracy"].sel(width=width, rule=rule).max("epoch")
            cells = [with_error(of_pair[name]) for name in names]
            rows.append((str(width), rule, *cells, with_error(best)))
    header = (
        "width",
        "rule",
        "training loss",
        "training accuracy",
        "wrong labels learnt",
        "test loss",
        "test accuracy",
        "best test accuracy",
    )
    note = "At the last epoch, but the best test accuracy of all epochs; by chance 0.11 of the "
    note += "wrong labels are given back."
    return Table("Loss and accuracy", header, tuple(rows), note)


def _law_table(data: xr.Dataset) -> Table:
    change = data["conserved"].isel(epoch=-1) - data["conserved"].isel(epoch=0)
    share, rest = data["step_share"].isel(epoch=-1), relative_rest(data)
    rows = []
    for width in data.width.values:
        for rule in data.rule.values:
            at = {"width": width, "rule": rule}
            rows.append(
                (
                    str(width),
                    rule,
                    f"{float(data['conserved'].isel(epoch=0).sel(at).mean(skipna=False)):.4g}",
                    f"{float(change.sel(at).mean(skipna=False)):.4g}",
                    f"{float(share.sel(at).mean(skipna=False)):.4g}",
                    f"{float(rest.sel(at).max(skipna=False)):.1e}",
                    f"{float(data['neuron_rest'].sel(at).max(skipna=False)):.1e}",
                )
            )
    header = (
        "width",
        "rule",
        "C(0)",
        "C(end) - C(0)",
        "share of the steps",
        "rest / deviation, worst run",
        "rest / size, worst neuron",
    )
    note = "C of the layer, means over runs. Rest: the greatest over all recorded epochs, against "
    note += "the greatest deviation; in the last column of any neuron, against the terms of its C."
    return Table("Deviation of C", header, tuple(rows), note)


def _law_verdict(data: xr.Dataset) -> str:
    greatest = float(relative_rest(data).max(skipna=False))
    rounding = rest_is_rounding(data)
    if rounding is None:
        return (
            f"In float32 C-11 leaves at most {greatest:.1e} of the deviation: the weights are "
            "rounded to seven digits at every step. Run in float64 for the exact split."
        )
    if rounding:
        return f"C-11 explains the deviation to {greatest:.1e} of itself: the rest is rounding."
    return (
        f"C-11 leaves {greatest:.1e} of the deviation, more than {ROUNDING:g}: this is NOT "
        "rounding, and something is wrong."
    )


def _timing(data: xr.Dataset) -> str:
    seconds = data["solve_seconds"].values
    by_width = ", ".join(
        f"width {width} {1000 * spent / float(data.epoch[-1]):.0f}"
        for width, spent in zip(data.width.values, seconds, strict=True)
    )
    return (
        f"steps {duration(float(seconds.sum()))} on {data.attrs['device']}, flows "
        f"{duration(float(data['flow_seconds'].sum()))}; milliseconds per epoch of all rules and "
        f"runs: {by_width}"
    )


def _picture(pictures: dict[str, bytes], name: str, caption: str) -> Picture:
    return Picture(name, pictures[name], caption)
