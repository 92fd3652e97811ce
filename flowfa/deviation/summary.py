"""Numbers of a sweep, over starts: medians, quartiles, slopes. Tables for reports."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import xarray as xr

from flowfa.deviation.slopes import Slope, fit_slope
from flowfa.documents import Table

STABLE_SHARE = 0.25
"""Rates above this share of the stability edge do not enter slopes."""
SLOPED = {
    "parameters": "weights",
    "outputs": "outputs",
    "fresh_outputs": "fresh outputs",
    "warped": "weights, time-warped",
}
"""Quantities whose slopes are fitted, and what people call them."""


@dataclass(frozen=True)
class Case:
    """One architecture and rule of a sweep.

    Attributes
    ----------
    architecture, rule : str
    found : xarray.Dataset
        Its part, with the dimensions start, variant, point.
    """

    architecture: str
    rule: str
    found: xr.Dataset

    @property
    def plain(self) -> np.ndarray:
        """Which variants have a rate that was asked for as a number, (variant,) bool."""
        return np.isnan(self.found["edge_multiple"].values)

    @property
    def edge(self) -> float:
        """The median stability edge."""
        return float(np.median(self.found["edge"].values))

    def last(self, name: str) -> np.ndarray:
        """Return a quantity at the last point, (start, variant)."""
        return self.found[name].isel(point=-1).values

    def sound(self) -> np.ndarray:
        """Return which deviations count: measured against a flow that is exact enough."""
        return self.last("resolved") & np.isfinite(self.last("parameters"))


def cases(found: xr.Dataset) -> Iterator[Case]:
    """Yield every architecture and rule."""
    for architecture in found["architecture"].values:
        for rule in found["rule"].values:
            part = found.sel(architecture=architecture, rule=rule)
            yield Case(str(architecture), str(rule), part)


def slope_of(case: Case, name: str, momentum: float) -> Slope | None:
    """Fit the power of the rate with which a quantity at the end grows."""
    rate = case.found["rate"].values
    chosen = (case.found["momentum"].values == momentum) & case.plain
    chosen &= ~(rate > STABLE_SHARE * case.edge)
    values = case.last(name)[:, chosen]
    usable = case.sound()[:, chosen] & (values > 0.0)
    return fit_slope(rate[chosen], values, usable)


def slope_table(found: xr.Dataset) -> Table:
    """Return the fitted slopes with their intervals."""
    rows = []
    for case in cases(found):
        for momentum in np.unique(case.found["momentum"].values):
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
        "Euler's method has on a smooth flow. Bend: slope between the two largest minus that "
        "between the two smallest rates; 0 for a pure power.",
    )


def deviation_table(found: xr.Dataset) -> Table:
    """Return the deviations at the end: median and quartiles over starts."""
    rows = []
    for case in cases(found):
        for variant in range(case.found.sizes["variant"]):
            rate = float(case.found["rate"].values[variant])
            if not np.isfinite(rate):
                continue
            lost = int((case.found["diverged_step"].values[:, variant] >= 0).sum())
            sound = case.last("resolved")[:, variant]
            note = f"{lost} diverged" if lost else ""
            if not sound.all() and not lost:
                note = f"{int((~sound).sum())} not resolved"
            rows.append(
                (
                    case.architecture,
                    case.rule,
                    _rate(case, variant),
                    f"{float(case.found['momentum'].values[variant]):g}",
                    *(
                        _quartiles(case.last(name)[:, variant])
                        for name in ("parameters", "warped", "outputs", "fresh_outputs", "loss_gap")
                    ),
                    note,
                )
            )
    return Table(
        "Deviation at the end",
        (
            "width",
            "rule",
            "rate",
            "momentum",
            "weights",
            "time-warped",
            "outputs",
            "fresh outputs",
            "loss gap",
            "",
        ),
        tuple(rows),
        "Median over starts [quartiles]. Weights: ||theta_steps - theta_flow|| / ||theta_flow||; "
        "time-warped: the same to the flow's curve, whatever the time; outputs on the data and on "
        "inputs in random directions; loss of the steps minus loss of the flow.",
    )


def path_table(found: xr.Dataset) -> Table:
    """Return what tells why: the law, activation patterns, signs, alignment."""
    rows = []
    for case in cases(found):
        for variant in range(case.found.sizes["variant"]):
            rate = float(case.found["rate"].values[variant])
            if not np.isfinite(rate):
                continue
            part = case.found.isel(variant=variant)
            time = part["time"].values
            gap = np.abs(part["alignment_gap"].isel(point=-1).values)
            gap = np.nanmax(np.where(np.isnan(gap), -1.0, gap), axis=1)
            lag = part["matched_time"].values[:, -1] - time[-1]
            flips = part["first_flip_step"].values * rate / (1.0 - float(part["momentum"]))
            rows.append(
                (
                    case.architecture,
                    case.rule,
                    _rate(case, variant),
                    f"{float(part['momentum']):g}",
                    _quartiles(part["law_drift"].values[:, -1]),
                    _number(float(_worst(part["law_error"].values))),
                    _quartiles(np.where(gap < 0.0, np.nan, gap)),
                    _quartiles(_first_time(part["patterns"].values, time)),
                    _quartiles(np.where(flips < 0.0, np.nan, flips)),
                    _quartiles(lag),
                )
            )
    return Table(
        "Law, alignment and path",
        (
            "width",
            "rule",
            "rate",
            "momentum",
            "law's drift",
            "off C-11",
            "alignment gap",
            "patterns differ from",
            "first sign flip",
            "ahead by",
        ),
        tuple(rows),
        "Median over starts [quartiles]. Law's drift: largest |C(k) - C(0)| of a neuron (C-1); off "
        "C-11: the largest difference to the exact prediction of C-11, as a share of the terms of "
        "C, any start and time. Alignment gap: largest difference of cos(W, B^T) of a layer. "
        "Patterns differ from: the first time of comparison at which a neuron is on another side "
        "of a sample than in the flow (- if never). First sign flip: time at which an output "
        "weight of the steps first has another sign than at the start. Ahead by: matched "
        "time of the flow's curve minus the time of the steps; the distance that remains is the "
        "time-warped one.",
    )


def protocol_table(found: xr.Dataset) -> Table | None:
    """Return Elkabetz and Cohen's comparison, None if it was not asked for."""
    refinements = found["refinement"].values
    if not len(refinements):
        return None
    rows = []
    for case in cases(found):
        rates = case.found["rate"].values
        place = int(np.nanargmax(np.where(case.plain, rates, np.nan)))
        truth = case.last("parameters")[:, place]
        for index, r in enumerate(refinements):
            apparent = case.found["apparent"].isel(refinement=index, point=-1).values
            rows.append(
                (
                    case.architecture,
                    case.rule,
                    f"{rates[place]:g}",
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


def accuracy_table(found: xr.Dataset) -> Table:
    """Return how exact the flow is that steps are measured against."""
    rows = []
    for case in cases(found):
        share = case.found["flow_error"].values / case.found["parameters"].values
        good = np.isfinite(share)
        resolved = case.found["resolved"].values[good]
        rows.append(
            (
                case.architecture,
                case.rule,
                str(case.found["flow_solver"].values),
                f"{float(case.found['flow_rtol'].values):.0e}",
                _number(float(np.max(case.found["flow_error"].values[good], initial=0.0))),
                _number(float(np.max(share[good], initial=0.0))),
                f"{100.0 * float(resolved.mean()) if resolved.size else 0.0:.4g} %",
                _number(case.edge),
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
            "stability edge",
        ),
        tuple(rows),
        "Error: distance to the flow at a tolerance ten times coarser. Resolved: comparisons in "
        "which that is less than a hundredth (or the share asked for) of the deviation; the others "
        "do not enter slopes and sentences. Stability edge: median over starts of the least rate "
        "along the flow at which a step amplifies a disturbance (2 / sharpness under gd).",
    )


def _rate(case: Case, variant: int) -> str:
    multiple = float(case.found["edge_multiple"].values[variant])
    rate = f"{float(case.found['rate'].values[variant]):.4g}"
    return rate if np.isnan(multiple) else f"{rate} ({multiple:g} x edge)"


def _first_time(patterns: np.ndarray, time: np.ndarray) -> np.ndarray:
    """Return the first time with a difference, NaN if there is none, (start,)."""
    differs = patterns > 0.0
    return np.where(differs.any(1), time[differs.argmax(1)], np.nan)


def _worst(values: np.ndarray) -> float:
    return float(np.nanmax(values)) if np.isfinite(values).any() else np.nan


def _quartiles(values: np.ndarray) -> str:
    """Return the median and quartiles of what is finite, in a cell."""
    good = values[np.isfinite(values)]
    if not good.size:
        return "-"
    low, middle, high = np.percentile(good, [25, 50, 75])
    if good.size == 1:
        return _number(middle)
    return f"{_number(middle)} [{_number(low)}, {_number(high)}]"


def _interval(slope: Slope | None) -> str:
    if slope is None:
        return "-"
    if np.isnan(slope.low):
        return f"{slope.slope:.3f}"
    return f"{slope.slope:.3f} [{slope.low:.3f}, {slope.high:.3f}]"


def _number(value: float) -> str:
    return "-" if not np.isfinite(value) else f"{value:.3g}"
