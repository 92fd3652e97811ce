"""The tables of a report: medians and quartiles over starts, slopes with their intervals."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import xarray as xr

from flowfa.deviation.slopes import Slope
from flowfa.deviation.summary import SLOPED, STABLE_SHARE, Case, cases, slope_of
from flowfa.documents import Table

_VARIANT = ("width", "rule", "rate", "momentum")


def slope_table(data: xr.Dataset) -> Table:
    """Return the fitted slopes with their intervals."""
    rows = []
    for case in cases(data):
        for momentum in np.unique(case.data["momentum"].values):
            cells = [case.architecture, case.rule, f"{momentum:g}"]
            slopes = {name: slope_of(case, name, float(momentum)) for name in SLOPED}
            cells += [_interval(slope) for slope in slopes.values()]
            of_weights = slopes["parameters"]
            cells.append("-" if of_weights is None else f"{of_weights.curvature:+.2f}")
            rows.append(tuple(cells))
    return Table(
        "Power of the rate",
        ("width", "rule", "momentum", *SLOPED.values(), "bend"),
        tuple(rows),
        "Slope of log(deviation at the end) against log(rate): mean over starts and its 95 % "
        f"interval (Student's t), of rates up to {STABLE_SHARE:g} of the stability edge. 1 is what "
        "a first-order method has on a smooth flow. Bend: slope of the weights between the two "
        "largest minus that between the two smallest rates; 0 for a pure power.",
    )


def deviation_table(data: xr.Dataset) -> Table:
    """Return the deviations at the end: median and quartiles over starts."""
    measured = ("parameters", "warped", "outputs", "fresh_outputs", "loss_gap")
    rows = []
    for case, variant in _run_variants(data):
        columns = (_quartiles(case.last(name)[:, variant]) for name in measured)
        rows.append((*_names(case, variant), *columns, _note(case, variant)))
    return Table(
        "Deviation at the end",
        (*_VARIANT, "weights", "time-warped", "outputs", "fresh outputs", "loss gap", ""),
        tuple(rows),
        "Median over starts [quartiles], in brackets of how many starts where it is not all. "
        "Weights: ||theta_steps - theta_flow|| / ||theta_flow||; "
        "time-warped: the same to the flow's curve, whatever the time; outputs on the data and on "
        "inputs in random directions; loss of the steps minus loss of the flow.",
    )


def layer_table(data: xr.Dataset) -> Table:
    """Return the deviation at the end of each layer."""
    rows = []
    for case, variant in _run_variants(data):
        values = case.last("layers")[:, variant]
        columns = (_quartiles(of_layer) for of_layer in values.T)
        rows.append((*_names(case, variant), *columns))
    return Table(
        "Deviation of each layer at the end",
        (*_VARIANT, *(f"W{int(layer)}" for layer in data["layer"].values)),
        tuple(rows),
        "||W_steps - W_flow|| / ||W_flow|| of each layer: median over starts [quartiles].",
    )


def path_table(data: xr.Dataset) -> Table:
    """Return what tells why: the law, activation patterns, signs, alignment."""
    rows = []
    for case, variant in _run_variants(data):
        of_rate = case.data.isel(variant=variant)
        time, step = (
            of_rate["time"].values,
            float(of_rate["rate"]) / (1.0 - float(of_rate["momentum"])),
        )
        gap = np.abs(of_rate["alignment_gap"].isel(point=-1).values)
        gap = np.where(np.isnan(gap).all(1), np.nan, np.nan_to_num(gap).max(1))
        flips = of_rate["first_flip_step"].values
        rows.append(
            (
                *_names(case, variant),
                _quartiles(of_rate["law_drift"].values[:, -1]),
                _number(_worst(of_rate["law_error"].values)),
                _quartiles(gap),
                _quartiles(_first_time(of_rate["patterns"].values, time)),
                _quartiles(np.where(flips < 0, np.nan, flips * step)),
                _quartiles(of_rate["matched_time"].values[:, -1] - time[-1]),
            )
        )
    return Table(
        "Law, alignment and path",
        (
            *_VARIANT,
            "law's drift",
            "off C-11",
            "alignment gap",
            "patterns differ from",
            "first sign flip",
            "ahead by",
        ),
        tuple(rows),
        "Median over starts [quartiles], in brackets of how many starts where it is not all. "
        "Law's drift: largest |C(k) - C(0)| of a neuron at the end (C-1); off "
        "C-11: the largest difference to the exact prediction of C-11, as a share of the terms of "
        "C, any start and time. Alignment gap: largest difference of cos(W, B^T) of a layer at "
        "the end. "
        "Patterns differ from: the first time of comparison at which a neuron is on another side "
        "of a sample than in the flow. First sign flip: time at which an output "
        "weight of the steps first has another sign than at the start. Ahead by: matched "
        "time of the flow's curve minus the time of the steps; the distance that remains is the "
        "time-warped one. -: in no start.",
    )


@np.errstate(divide="ignore", invalid="ignore")
def protocol_table(data: xr.Dataset) -> Table | None:
    """Return Elkabetz and Cohen's comparison, None if it was not asked for."""
    refinements = data["refinement"].values
    if not len(refinements):
        return None
    rows = []
    for case in cases(data):
        largest = int(case.main[0])
        truth = case.last("parameters")[:, largest]
        for index, r in enumerate(refinements):
            apparent = case.data["apparent"].isel(refinement=index, point=-1).values
            rows.append(
                (
                    case.architecture,
                    case.rule,
                    f"{float(case.data['rate'].values[largest]):g}",
                    str(int(r)),
                    _quartiles(apparent),
                    _quartiles(truth),
                    _quartiles(apparent / truth),
                    f"{1.0 - 1.0 / float(r):.3g}",
                )
            )
    return Table(
        "Elkabetz and Cohen's protocol",
        (
            "width",
            "rule",
            "rate",
            "r",
            "to steps at rate / r",
            "to the flow",
            "ratio",
            "1 - 1/r",
        ),
        tuple(rows),
        "Distance of the weights at the end, relative to ||theta_flow||: to steps at a rate r "
        "times smaller, which stand for the flow in the protocol, and to the flow itself. Where "
        "the error is of first order the ratio is 1 - 1/r.",
    )


@np.errstate(divide="ignore", invalid="ignore")
def accuracy_table(data: xr.Dataset) -> Table:
    """Return how exact the flow is that steps are measured against, and where it is stable."""
    rows = []
    for case in cases(data):
        error = case.data["flow_error"].values
        share = error / case.data["parameters"].values
        good = np.isfinite(share)
        resolved = case.data["resolved"].values[good]
        corner = case.last("warped_error") / case.last("warped")
        main = case.main[0]
        rows.append(
            (
                case.architecture,
                case.rule,
                " ".join(np.unique(case.data["flow_solver"].values)),
                " ".join(f"{rtol:.0e}" for rtol in np.unique(case.data["flow_rtol"].values)),
                _number(_worst(error[good])),
                _number(_worst(share[good])),
                f"{100.0 * float(resolved.mean()) if resolved.size else 0.0:.4g} %",
                _number(_worst(corner)),
                _quartiles(case.data["edge"].values[:, main]),
                _quartiles(case.data["radius"].values),
                *(_count(case.data[f"flow_{kind}"].values) for kind in ("crossings", "slidings")),
                _endings(case),
            )
        )
    return Table(
        "The flow that steps are measured against",
        (
            "width",
            "rule",
            "solver",
            "rtol",
            "error",
            "largest share of a deviation",
            "resolved",
            "curve",
            "stability edge",
            "spectral radius",
            "crossings",
            "slidings",
            "",
        ),
        tuple(rows),
        "Error: largest distance to the flow at a tolerance ten times coarser, relative to "
        "||theta||. Resolved: comparisons in "
        "which that is less than a hundredth (or the share asked for) of the deviation; the others "
        "do not enter slopes and sentences. Curve: largest share of a time-warped distance at the "
        "end that is due to the polygon that stands for the flow's curve. Stability edge: the "
        "least rate along the flow at which a step of the first momentum amplifies a disturbance "
        "(2 / sharpness under gd without momentum). Spectral radius: the largest along the flow, "
        "of the Jacobian of the update. Crossings, slidings: how often a neuron crosses zero on a "
        "sample, and begins to slide there, until a quarter beyond the end. Median over starts "
        "[quartiles].",
    )


def _run_variants(data: xr.Dataset) -> Iterator[tuple[Case, int]]:
    """Yield every variant that was run: plain rates first, by momentum, from the largest down."""
    for case in cases(data):
        rate, momentum = case.data["rate"].values, case.data["momentum"].values
        for variant in np.lexsort((-rate, momentum, ~case.plain)):
            if np.isfinite(rate[variant]):
                yield case, int(variant)


def _names(case: Case, variant: int) -> tuple[str, str, str, str]:
    """Return width, rule, rate and momentum."""
    multiple = float(case.data["edge_multiple"].values[variant])
    rate = f"{float(case.data['rate'].values[variant]):.4g}"
    rate_cell = rate if np.isnan(multiple) else f"{rate} ({multiple:g} x edge)"
    momentum = f"{float(case.data['momentum'].values[variant]):g}"
    return case.architecture, case.rule, rate_cell, momentum


def _note(case: Case, variant: int) -> str:
    """Return how many starts diverged, and of how many others the flow is not exact enough."""
    diverged = case.data["diverged_step"].values[:, variant] >= 0
    blurred = ~diverged & ~case.last("resolved")[:, variant]
    notes = [f"{int(diverged.sum())} diverged"] * bool(diverged.any())
    notes += [f"{int(blurred.sum())} not resolved"] * bool(blurred.any())
    return ", ".join(notes)


def _endings(case: Case) -> str:
    """Return how many flows ended before the last comparison, how and when."""
    status, reached = case.data["flow_status"].values, case.data["flow_reached"].values
    early = (status != "ok") & (reached < np.nanmax(case.data["time"].values))
    endings = []
    for name in np.unique(status[early]):
        ended_so = early & (status == name)
        endings.append(f"{int(ended_so.sum())} {name} from t = {reached[ended_so].min():.3g}")
    return ", ".join(endings)


def _count(counts: np.ndarray) -> str:
    return _quartiles(np.where(counts < 0, np.nan, counts))


def _first_time(patterns: np.ndarray, time: np.ndarray) -> np.ndarray:
    """Return the first time with a difference, NaN if there is none, (start,)."""
    differs = patterns > 0.0
    return np.where(differs.any(1), time[differs.argmax(1)], np.nan)


def _worst(values: np.ndarray) -> float:
    good = values[np.isfinite(values)]
    return float(good.max()) if good.size else np.nan


def _quartiles(values: np.ndarray) -> str:
    """Return the median and quartiles of what is finite, in a cell."""
    good = values[np.isfinite(values)]
    if not good.size:
        return "-"
    of = "" if good.size == values.size else f" ({good.size} of {values.size})"
    low, middle, high = np.percentile(good, [25, 50, 75])
    if good.size == 1:
        return f"{_number(middle)}{of}"
    return f"{_number(middle)} [{_number(low)}, {_number(high)}]{of}"


def _interval(slope: Slope | None) -> str:
    if slope is None:
        return "-"
    if np.isnan(slope.low):
        return f"{slope.slope:.3f}"
    return f"{slope.slope:.3f} [{slope.low:.3f}, {slope.high:.3f}]"


def _number(value: float) -> str:
    return "-" if not np.isfinite(value) else f"{value:.3g}"
