"""The report: the paper's claims beside the measurements, tables 1 and 2, figures of B.2."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from flowfa.documents import (
    Document,
    Heading,
    List,
    Paragraph,
    Picture,
    Table,
    write_document,
)
from flowfa.experiments.findings import mean_and_error, of_runs
from flowfa.experiments.image_networks import figures
from flowfa.experiments.image_networks.claims import judge, mean_alignment
from flowfa.experiments.image_networks.settings import (
    DATASET_TITLES,
    IDS,
    MODEL_TITLES,
)
from flowfa.experiments.report_parts import DPI, claims_table, provenance, scale_sentence
from flowfa.plots.saving import png_bytes, save_for_print
from flowfa.studies.clock import duration

ROUNDING = 1e-10
"""The greatest rest, against the size of a channel's terms, that counts as rounding in float64."""
TABLES = {"cifar100": "Table 1", "tiny-imagenet": "Table 2"}

Part = Paragraph | Picture | Table


def write_report(data: xr.Dataset, out: str | Path, vector: str | None = None) -> list[Path]:
    """Write report.html, report.md and the figures beside the result.

    Parameters
    ----------
    data : xarray.Dataset
        What `flowfa.experiments.image_networks.run_study` returned or wrote.
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
    drawn = _figures(data)
    pictures = {name: png_bytes(figure, DPI) for name, figure in drawn.items()}
    files = write_document(make_report(data, pictures), out)
    named = {Path(name).stem: figure for name, figure in drawn.items()}
    return files + save_for_print(named, out, vector)


def make_report(data: xr.Dataset, pictures: dict[str, bytes]) -> Document:
    """Return the report of a result with its figures."""
    p = json.loads(data.attrs["protocol"])
    what = f"{MODEL_TITLES[p['model']]} on {DATASET_TITLES[p['dataset']]}"
    return Document(
        f"{data.attrs['title']}: accuracy and alignment",
        (
            Paragraph(_opening(data, p)),
            List(_protocol_lines(data, p)),
            Heading("The paper's claims"),
            claims_table(judge(data), data.sizes["run"]),
            Heading(f"{TABLES[p['name']]}: accuracy, {what}"),
            accuracy_table(data, "test_accuracy", f"{TABLES[p['name']]}: test accuracy"),
            accuracy_table(data, "train_accuracy", "Training accuracy"),
            Picture(
                "learning.png",
                pictures["learning.png"],
                f"Loss and accuracy, {what}; thin lines are the runs.",
            ),
            Heading(f"Alignment of each layer (B.2), {what}"),
            *_alignment(data, pictures),
            Heading("The law (C-4)"),
            *_law(data, pictures),
            Heading("How it was made"),
            List(provenance(data, _timing(data))),
        ),
    )


def accuracy_table(data: xr.Dataset, name: str, caption: str) -> Table:
    """Return mean and standard error of an accuracy at the last epoch, by N and rule."""
    rows = []
    for n in data.classes.values:
        cells = [
            _without_diverged(data[name].sel(classes=n, rule=r).isel(epoch=-1))
            for r in data.rule.values
        ]
        rows.append((str(n), *cells, f"{1 / n:.3f}"))
    note = f"{of_runs(data.sizes['run'])}, at the last epoch, epoch "
    note += f"{int(data.epoch[-1])}. {data.attrs['title']}. These numbers are flowfa's."
    return Table(caption, ("N", *map(str, data.rule.values), "chance"), tuple(rows), note)


def _figures(data: xr.Dataset) -> dict[str, Figure]:
    drawn = {"learning.png": figures.learning_curves(data)}
    if any(rule != "gd" for rule in data.rule.values):
        for n in data.classes.values:
            drawn[f"alignment-{n}.png"] = figures.alignment(data, int(n))
    if "conserved" in data:
        drawn["law.png"] = figures.law_split(data)
    return drawn


def _opening(data: xr.Dataset, p: dict) -> str:
    trained = f"{MODEL_TITLES[p['model']]}, on images of {DATASET_TITLES[p['dataset']]}"
    return f"Trained: {trained}. {scale_sentence(data, IDS[p['name']])}"


def _protocol_lines(data: xr.Dataset, p: dict) -> tuple[str, ...]:
    counts = ", ".join(
        f"{int(data['train_images'].sel(classes=n))} and {int(data['test_images'].sel(classes=n))}"
        for n in data.classes.values
    )
    size = "their own size" if p["size"] is None else f"{p['size']} x {p['size']}"
    split = ", whose validation images are the test set" if p["dataset"] == "tiny-imagenet" else ""
    first = {
        "lenet": f"padding {p['padding']} in LeNet's convolutions",
        "resnet18": f"stem {p['stem']} of ResNet-18",
    }[p["model"]]
    scale = p["signfa_scale"]
    s = "sqrt(2/(fan_in + fan_out)) of each layer" if scale == "xavier" else f"{scale:g}"
    halved = " and ".join(map(str, p["halve_at"]))
    lines = [
        f"{DATASET_TITLES[p['dataset']]} at {size}{split}; random subsets of N = "
        f"{', '.join(map(str, p['classes']))} classes; {counts} training and test images; inputs "
        "normalised by channel; no augmentation",
        f"{MODEL_TITLES[p['model']]}, {first}; Xavier's start, signfa's scale {s}",
        f"SGD, batches of {p['batch']}, {p['epochs']} epochs, rate {p['rate']:g}"
        + (f" halved at {halved}" if halved else "")
        + f", momentum {p['momentum']:g}, weight decay {p['weight_decay']:g}",
        f"rules {', '.join(p['rules'])} from the same starts on the same images in the same order; "
        f"{p['repeats']} repeats; recorded every {p['track_every']} epochs; {p['dtype']}, seed "
        f"{p['seed']}",
    ]
    departures = json.loads(data.attrs["departures"])
    if departures:
        lines.append(f"departures from {IDS[p['name']]}: " + "; ".join(departures))
    for n in data.classes.values:
        for rule in data.rule.values:
            epochs = data["diverged"].sel(classes=n, rule=rule).values
            if (epochs >= 0).any():
                when = ", ".join(str(epoch) for epoch in epochs[epochs >= 0])
                lines.append(
                    f"N = {n}, {rule}: {int((epochs >= 0).sum())} of {len(epochs)} runs diverged, "
                    f"in epoch {when}"
                )
    return tuple(lines)


def _alignment(data: xr.Dataset, pictures: dict[str, bytes]) -> list[Part]:
    fed = [rule for rule in data.rule.values if rule != "gd"]
    if not fed:
        return [Paragraph("Only gd was run, whose feedback is W itself.")]
    blocks: list[Part] = [
        Picture(
            f"alignment-{n}.png",
            pictures[f"alignment-{n}.png"],
            f"cos(W_l, B_l^T) of each layer over epochs, N = {n}; the first layer's feedback is "
            "never used.",
        )
        for n in data.classes.values
    ]
    end = data["cosine"].isel(epoch=-1)
    layers = [str(layer) for layer in data.layer.values[1:]]
    shown = layers if len(layers) <= 6 else []
    rows = []
    for n in data.classes.values:
        for rule in fed:
            cosines = end.sel(classes=n, rule=rule)
            cells = [_without_diverged(cosines.sel(layer=layer)) for layer in shown]
            mean = _without_diverged(mean_alignment(data).sel(classes=n, rule=rule))
            rows.append((str(n), rule, *cells, mean))
    header = ("N", "rule", *shown, "mean over layers")
    note = f"{of_runs(data.sizes['run'])}, at the last epoch."
    return [*blocks, Table("cos(W_l, B_l^T)", header, tuple(rows), note)]


def _law(data: xr.Dataset, pictures: dict[str, bytes]) -> list[Part]:
    if "conserved" not in data:
        return [
            Paragraph(
                "ResNet-18 has no conserved quantity to show: batch norm stands between the layers "
                "and breaks C-4, and so it would C-7 of the residual stream."
            )
        ]
    change = data["conserved"].isel(epoch=-1) - data["conserved"].isel(epoch=0)
    end = data.isel(epoch=-1)
    rows = []
    for n in data.classes.values:
        for rule in data.rule.values:
            for layer in data.hidden.values:
                at = {"classes": n, "rule": rule, "hidden": layer}
                rows.append(
                    (
                        str(n),
                        rule,
                        str(layer),
                        f"{float(data['conserved'].isel(epoch=0).sel(at).mean()):.4g}",
                        f"{float(change.sel(at).mean()):.4g}",
                        f"{float(end['step_share'].sel(at).mean()):.4g}",
                        f"{float(end['decay_share'].sel(at).mean()):.4g}",
                        f"{float(data['channel_rest'].sel(at).max()):.1e}",
                    )
                )
    header = (
        "N",
        "rule",
        "layer",
        "C(0)",
        "C(end) - C(0)",
        "by the steps",
        "by weight decay",
        "rest / size, worst channel",
    )
    note = "C of the layer, means over runs that did not diverge; rest: the greatest over runs, "
    note += "channels and recorded epochs, against the terms of that channel's C."
    return [
        Paragraph(
            "The flow keeps C of each channel. Training moves it in two ways: by the length of the "
            "steps (C-11, with momentum) and by weight decay, whose flow has dC/dt = -lambda "
            "(||w_in||^2 - <w_out, b>). Both are added up exactly, step by step, without a look at "
            "C; what they leave of C(t) - C(0) must be rounding."
        ),
        Picture("law.png", pictures["law.png"], "Shares of C(t) - C(0), and what they leave over."),
        Table("Deviation of C", header, tuple(rows), note),
        Paragraph(_law_verdict(data)),
    ]


def _law_verdict(data: xr.Dataset) -> str:
    greatest = float(data["channel_rest"].max())
    if data.attrs["dtype"] != "float64":
        return (
            f"In float32 the two shares leave at most {greatest:.1e} of a channel's terms: weights "
            "are rounded to seven digits at every step. Run in float64 for the exact split."
        )
    if greatest <= ROUNDING:
        return f"The two shares explain the deviation to {greatest:.1e}: the rest is rounding."
    return (
        f"The two shares leave {greatest:.1e}, more than {ROUNDING:g}: this is NOT rounding, and "
        "something is wrong."
    )


def _timing(data: xr.Dataset) -> str:
    seconds = data["solve_seconds"].values
    by_classes = ", ".join(
        f"N = {n} {duration(float(spent))}"
        for n, spent in zip(data.classes.values, seconds, strict=True)
    )
    return f"{duration(float(seconds.sum()))} on {data.attrs['device']}: {by_classes}"


def _without_diverged(values: xr.DataArray) -> str:
    """Return mean and error over the runs that did not diverge, and how many did."""
    lasting = values.dropna("run")
    lost = values.sizes["run"] - lasting.sizes["run"]
    if not lasting.sizes["run"]:
        return f"- ({lost} diverged)"
    mean, error = (float(statistic) for statistic in mean_and_error(lasting))
    text = f"{mean:.3f}" if np.isnan(error) else f"{mean:.3f} ± {error:.3f}"
    return f"{text} ({lost} diverged)" if lost else text
