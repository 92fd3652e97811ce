"""The results of a sweep in sentences; a result that is not known gets none."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import xarray as xr

from flowfa.deviation.summary import STABLE_SHARE, Case, cases, slope_of

CLOSE = (0.01, 0.1)
"""Relative distances; the sentences say how long the steps stay within each."""
NEAR_ONE = 0.03
NARROW = 0.2
"""A slope counts as 1 if it is so near or its interval has 1 in it, where that is so short."""
FEWEST_STARTS = 5
"""Starts below which a wide interval says little but that they are few (Student's t)."""
TENDS = 0.6
"""A slope tends to 1 if, at the smallest rates, no more than this share of its gap is left."""
LATE = 0.5
"""Where time-warping leaves less of the deviation, the steps are merely late or early."""

ALIKE = 1.2
"""Ratio of medians below which the deviation is said not to depend on the width."""


@np.errstate(divide="ignore", invalid="ignore")
def sentences(data: xr.Dataset) -> list[str]:
    """Return what a sweep found: a text for each width and rule, and one for each rule's widths.

    Parameters
    ----------
    data : xarray.Dataset
        As `flowfa.deviation.sweep.sweep` returns.
    """
    result = []
    for case in cases(data):
        findings = (
            *_failed(case),
            *_within(case),
            *_power(case),
            *_path(case),
            *_momentum(case),
            *_protocol(case),
            *_law(case),
            *_unstable(case),
        )
        text = " ".join(finding[0].upper() + finding[1:] for finding in findings)
        result.append(f"Width {case.architecture}, {case.rule}. {text}")
    return [*result, *_by_width(data)]


def _rate(case: Case, variant: int) -> float:
    return float(case.data["rate"].values[variant])


def _starts(good: np.ndarray) -> str:
    """Return which starts, in words: all, or how many of them."""
    return "all starts" if good.all() else f"{int(good.sum())} of {good.size} starts"


def _failed(case: Case) -> Iterator[str]:
    """Say of how many starts the flow is not known, and how it ended."""
    status = case.data["flow_status"].values
    lost = np.asarray(~np.isfinite(case.last("flow_error")[:, case.main]).any(1))
    if lost.any():
        names = ", ".join(np.unique(status[lost]))
        reached = float(case.data["flow_reached"].values[lost].min())
        yield (
            f"in {_starts(lost)} the flow could not be followed to the end ({names}, from "
            f"t = {reached:.3g}): they are left out."
        )


def _within(case: Case) -> Iterator[str]:
    """Say how close the steps stay, and how long, for the largest and the smallest rate."""
    for variant in dict.fromkeys([int(case.main[0]), int(case.main[-1])]):
        of_rate = case.data.isel(variant=variant)
        rate, time = _rate(case, variant), of_rate["time"].values
        diverged = of_rate["diverged_step"].values >= 0
        known = np.isfinite(of_rate["flow_error"].values).all(1)
        counted = np.asarray(known & (diverged | of_rate["resolved"].values[:, -1]))
        if not counted.any():
            if known.any():
                yield (
                    f"with rate {rate:g} the flow is not exact enough to measure the steps against."
                )
            continue
        # An upper bound: the error of the flow itself is added.
        deviation = of_rate["parameters"].values + of_rate["flow_error"].values
        farthest = np.where(np.isfinite(deviation), deviation, np.inf)[counted].max(0)
        worst, starts = float(farthest.max()), _starts(counted)
        limits = [limit for limit in CLOSE if limit < worst]
        kept = ", ".join(f"{100 * limit:g} % {_until(farthest, limit, time)}" for limit in limits)
        if np.isinf(worst):
            yield (
                f"with rate {rate:g} the steps diverge in {_starts(diverged[counted])}; in "
                f"{starts} they are within {kept}."
            )
            continue
        yield (
            f"with rate {rate:g} the weights of the step run stay within {_percent(worst)} % of "
            f"the flow in {starts} until t = {time[-1]:g}" + (f" (within {kept})." if kept else ".")
        )


def _until(farthest: np.ndarray, limit: float, time: np.ndarray) -> str:
    good = np.cumprod(farthest <= limit).astype(bool)
    return f"until t = {time[good][-1]:g}" if good.any() else "at no time compared"


def _percent(share: float) -> str:
    """Return a share in percent, two digits, rounded up: it is a bound."""
    value = max(100.0 * share, 1e-12)
    unit = 10.0 ** (math.floor(math.log10(value)) - 1)
    return f"{math.ceil(value / unit) * unit:.6g}"


def _power(case: Case) -> Iterator[str]:
    momentum = float(case.data["momentum"].values[0])
    slope = slope_of(case, "parameters", momentum)
    if slope is None:
        return
    text = f"the deviation at the end grows like rate^{slope.slope:.3f}"
    if np.isfinite(slope.low):
        text += f" (95 % interval {slope.low:.3f} to {slope.high:.3f}, {slope.starts} starts)"
    disagree = slope.high - slope.low > NARROW
    one = abs(slope.slope - 1.0) <= NEAR_ONE or slope.low <= 1.0 <= slope.high
    if one and not disagree:
        yield f"{text}, as that of a first-order method does on a smooth flow."
        return
    crossed = float(np.nanmax(case.data["patterns"].values[:, case.main], initial=0.0))
    sides = (
        f"up to {100 * crossed:.2g} % of the preactivations of the step run are on another side of "
        f"zero than in the flow{_events(case)}"
    )
    if disagree and slope.starts < FEWEST_STARTS:
        yield (
            f"{text}; {slope.starts} starts are too few to tell whether they agree on a power: "
            f"take at least {FEWEST_STARTS}."
        )
        return
    if disagree:
        reason = f": {sides}, and which, and when, depends on where a step ends" * (crossed > 0.0)
        yield f"{text}; the starts do not agree on a power{reason}."
        return
    if slope.rates > 2 and abs(slope.finest - 1.0) <= TENDS * abs(slope.slope - 1.0):
        reason = (
            f"between the two smallest rates it is rate^{slope.finest:.3f}, so that it tends to 1 "
            "as the rate falls, and the larger rates add terms of higher order"
        )
    elif crossed > 0.0:
        reason = f"{sides}, and the error of steps is a pure power only between kinks"
    else:
        reason = "kinks are not the cause, as no neuron is on another side of a sample"
    yield f"{text}. It is not 1: {reason}."


def _events(case: Case) -> str:
    """Say how many kinks the flow meets, where its solver counts them."""
    crossings, slidings = (case.data[f"flow_{kind}"].values for kind in ("crossings", "slidings"))
    if (crossings < 0).any():
        return ""
    return (
        f" (which crosses {np.median(crossings):.3g} kinks and begins to slide "
        f"{np.median(slidings):.3g} times, medians)"
    )


def _path(case: Case) -> Iterator[str]:
    """Say how much of the deviation is lateness, at the largest rate."""
    variant = int(case.main[0])
    at_end = case.data.isel(variant=variant, point=-1)
    plain, warped = at_end["parameters"].values, at_end["warped"].values
    good = np.isfinite(warped) & at_end["resolved"].values & (plain > 0.0)
    if not good.any():
        return
    left = float(np.median(warped[good] / plain[good]))
    ahead = float(np.median((at_end["matched_time"].values - float(at_end["time"]))[good]))
    rate, way = _rate(case, variant), "ahead" if ahead > 0.0 else "behind"
    if left < LATE:
        yield (
            f"at rate {rate:g} the steps are on the flow's path, {abs(ahead):.3g} {way} in time: "
            f"{100 * left:.0f} % of the distance is left when time is matched."
        )
    else:
        yield (
            f"at rate {rate:g} the steps are beside the flow's path: {100 * left:.0f} % of the "
            "distance is left when time is matched."
        )


def _momentum(case: Case) -> Iterator[str]:
    """Compare the other momenta with the first, at the largest rate."""
    momentum, rates = case.data["momentum"].values, case.data["rate"].values
    first = int(case.main[0])
    truth = case.last("parameters")
    for variant in np.flatnonzero(case.plain & (rates == rates[first])):
        if variant == first:
            continue
        ratio = truth[:, variant] / truth[:, first]
        good = np.isfinite(ratio) & case.sound()[:, [first, variant]].all(1)
        if not good.any():
            continue
        slope = slope_of(case, "parameters", float(momentum[variant]))
        power = "" if slope is None else f", and grows like rate^{slope.slope:.3f}"
        yield (
            f"with momentum {momentum[variant]:g}, at its own time k eta / (1 - mu), the deviation "
            f"at rate {rates[first]:g} is {float(np.median(ratio[good])):.3g} times that with "
            f"momentum {momentum[first]:g}{power}."
        )


def _protocol(case: Case) -> Iterator[str]:
    """Say how much of the deviation steps at a smaller rate see."""
    refinements = case.data["refinement"].values
    if not len(refinements):
        return
    first = int(case.main[0])
    good = case.sound()[:, first]
    truth = case.last("parameters")[good, first]
    shares = []
    for index in np.argsort(refinements)[[0, -1][: len(refinements)]]:
        ratio = case.data["apparent"].isel(refinement=int(index), point=-1).values[good] / truth
        ratio = ratio[np.isfinite(ratio)]
        if ratio.size:
            shares.append(f"r = {refinements[index]} {100 * float(np.median(ratio)):.3g} %")
    if shares:
        yield (
            f"of the deviation at rate {_rate(case, first):g}, Elkabetz and Cohen's protocol sees "
            f"with {' and with '.join(shares)}."
        )


def _law(case: Case) -> Iterator[str]:
    drift = case.data["law_drift"].values[:, case.main, -1]
    error = case.data["law_error"].values
    drift, error = drift[np.isfinite(drift)], error[np.isfinite(error)]
    if not drift.size:
        return
    yield (
        f"the conserved quantities of C-1 move by up to {drift.max():.3g}, and that is what C-11 "
        f"says to {error.max():.1e} of their terms."
    )


def _unstable(case: Case) -> Iterator[str]:
    """Say what happens at rates that are a good part of the stability edge, or beyond it."""
    rate, multiple = case.data["rate"].values, case.data["edge_multiple"].values
    momentum, edges = case.data["momentum"].values, case.edges
    lost = case.data["diverged_step"].values >= 0
    skipped = np.isnan(rate)
    for mu in dict.fromkeys(momentum[skipped].tolist()):
        of_momentum = skipped & (momentum == mu)
        edge, with_momentum = edges[of_momentum][0], f" with momentum {mu:g}" if mu else ""
        listed = " and ".join(f"{factor:g}" for factor in multiple[of_momentum])
        why = (
            f"edge{with_momentum} {edge:.3g}, too long a step"
            if np.isfinite(edge)
            else "none was found"
        )
        yield f"{listed} times the stability edge not run ({why})."
    for variant in np.flatnonzero(~skipped):
        with_momentum = f" with momentum {momentum[variant]:g}" if momentum[variant] else ""
        edge = edges[variant]
        if not rate[variant] > STABLE_SHARE * edge:
            continue
        effects = [f"{_starts(lost[:, variant])} diverge"] * bool(lost[:, variant].any())
        deviations = case.last("parameters")[:, variant]
        deviations = deviations[np.isfinite(deviations)]
        if deviations.size:
            effects.append(
                f"median deviation at the end {100 * float(np.median(deviations)):.3g} %"
            )
        if effects:
            yield (
                f"at rate {rate[variant]:.4g}{with_momentum} ({rate[variant] / edge:.2g} times the "
                f"stability edge {edge:.3g}): {', '.join(effects)}."
            )


def _by_width(data: xr.Dataset) -> Iterator[str]:
    """Say how the deviation depends on the width, at the largest rate."""
    if data.sizes["architecture"] < 2:
        return
    for rule in data["rule"].values:
        of_rule = [case for case in cases(data) if case.rule == rule]
        values = [case.last("parameters")[:, case.main[0]] for case in of_rule]
        if not all(np.isfinite(of_width).any() for of_width in values):
            continue
        medians = [float(np.nanmedian(of_width)) for of_width in values]
        first, last = of_rule[0], of_rule[-1]
        begun = f"Rule {rule}: at rate {_rate(first, int(first.main[0])):g} the median deviation"
        if max(medians) < ALIKE * min(medians):
            yield (
                f"{begun} at the end hardly depends on the width: {100 * min(medians):.3g} % to "
                f"{100 * max(medians):.3g} %."
            )
            continue
        steps = np.diff(medians)
        way = "falls" if (steps < 0).all() else "rises" if (steps > 0).all() else "goes"
        monotone = "" if way != "goes" else ", not monotonically,"
        yield (
            f"{begun} at the end {way}{monotone} from {100 * medians[0]:.3g} % at width "
            f"{first.architecture} to {100 * medians[-1]:.3g} % at width {last.architecture}."
        )
