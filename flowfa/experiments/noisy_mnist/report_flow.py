"""The part of the report that sets the runs beside the flows from the same starts."""

from __future__ import annotations

import numpy as np
import xarray as xr

from flowfa.documents import Heading, Paragraph, Picture, Table
from flowfa.experiments.findings import mean_and_error
from flowfa.experiments.noisy_mnist.figures import ZERO
from flowfa.experiments.noisy_mnist.measures import ratio_errors, rest_of_law

PICTURE = "flow.png"
Part = Heading | Paragraph | Picture | Table


def has_flows(data: xr.Dataset) -> bool:
    """Return whether any width was integrated as flows."""
    return bool(data["flow_conserved"].notnull().any())


def with_flows(data: xr.Dataset) -> xr.Dataset:
    """Return the widths that were integrated as flows."""
    with_flow = data["flow_conserved"].notnull().any(("rule", "run", "epoch"))
    return data.isel(width=np.flatnonzero(with_flow.values))


def flow_part(data: xr.Dataset, png: bytes | None) -> tuple[Part, ...]:
    """Return the section on flows, with its figure."""
    heading = Heading("The same runs as flows")
    if png is None:
        text = "No width was integrated as flows; flow_up_to = WIDTH does it up to a width."
        return (heading, Paragraph(text))
    data = with_flows(data)
    return (
        heading,
        Paragraph(
            "Beyond the paper: the flow from the start of each run, with its images and feedback, "
            "at the time t that the steps reach by an epoch: the sum of their rates over 1 - "
            "momentum. The flow's R is one but for the integrator's error, so that what is seen in "
            "the steps' R is C-11's share and rounding."
        ),
        Picture(
            PICTURE,
            png,
            "Lines: steps; dots: the flow (mean over runs). On the right |C - C(0)| / |C(0)|: for "
            "the flow it is the integrator's error, rounding but under gd (zero is drawn at "
            f"{ZERO:g}).",
        ),
        _split_table(data),
        _distance_table(data),
        *_unfinished(data),
    )


def _split_table(data: xr.Dataset) -> Table:
    steps, flow = (ratio_errors(data, prefix).isel(epoch=-1) for prefix in ("", "flow_"))
    fed = (data["outgoing"] - data["outgoing"].isel(epoch=0)).isel(epoch=-1)
    share = data["step_share"].isel(epoch=-1) / fed
    rest = rest_of_law(data).isel(epoch=-1) / fed
    rows = tuple(
        (
            str(at["width"]),
            str(at["rule"]),
            f"{float(steps['R1'].sel(at).mean(skipna=False)):.4g}",
            f"{float(share.sel(at).mean(skipna=False)):.4g}",
            _greatest(rest.sel(at)),
            _greatest(flow["R1"].sel(at)),
            _greatest(flow["R2"].sel(at)),
        )
        for at in _pairs(data)
    )
    header = (
        "width",
        "rule",
        "R1 - 1 of the steps",
        "C-11's share of it",
        "rest, worst run",
        "R1 - 1 of the flow, worst run",
        "R2 - 1 of the flow, worst run",
    )
    note = "At the last epoch; means over runs where nothing else is said."
    return Table("The deviation from one, split", header, rows, note)


def _distance_table(data: xr.Dataset) -> Table:
    end = data.isel(epoch=-1)
    rows = []
    for at in _pairs(data):
        of_pair = end.sel(at)
        gap = abs(of_pair["cosine"] - of_pair["flow_cosine"])
        mean, error = (float(statistic) for statistic in mean_and_error(of_pair["flow_distance"]))
        rows.append(
            (
                str(at["width"]),
                str(at["rule"]),
                f"{mean:.2e}" + ("" if np.isnan(error) else f" ± {error:.0e}"),
                _greatest(of_pair["flow_error"]),
                _greatest(gap),
                f"{float(of_pair['test_accuracy'].mean(skipna=False)):.4f}",
                f"{float(of_pair['flow_test_accuracy'].mean(skipna=False)):.4f}",
                f"{float(of_pair['train_loss'].mean(skipna=False)):.5g}",
                f"{float(of_pair['flow_train_loss'].mean(skipna=False)):.5g}",
            )
        )
    header = (
        "width",
        "rule",
        "distance of the weights",
        "error of the flow (estimate)",
        "gap of cos(W_2, F), worst run",
        "test accuracy, steps",
        "flow",
        "training loss, steps",
        "flow",
    )
    note = (
        "At the last epoch. Distance: ||theta_steps - theta_flow|| / ||theta_flow||; it is the "
        "steps' own where it is far above the flow's error."
    )
    return Table("Steps beside the flow", header, tuple(rows), note)


def _unfinished(data: xr.Dataset) -> tuple[Paragraph, ...]:
    count = int(data["flow_distance"].isnull().sum())
    if count == 0:
        return ()
    text = f"{count} of {data['flow_distance'].size} flows did not reach the end: NaN above."
    return (Paragraph(text),)


def _pairs(data: xr.Dataset) -> list[dict[str, object]]:
    return [
        {"width": width, "rule": rule} for width in data.width.values for rule in data.rule.values
    ]


def _greatest(values: xr.DataArray) -> str:
    return f"{float(abs(values).max(skipna=False)):.1e}"
