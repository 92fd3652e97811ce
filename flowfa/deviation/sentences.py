"""What the numbers say, in sentences; none where they say nothing."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import xarray as xr

from flowfa.deviation.summary import STABLE_SHARE, Case, cases, slope_of

WITHIN = (0.001, 0.01, 0.1)
"""Relative distances that are worth a sentence."""
NEAR_ONE = 0.03
NARROW = 0.2
"""A slope counts as 1 if it is so near or its interval has 1 in it, where that is so short."""
TENDS = 0.6
"""A slope tends to 1 if, at the smallest rates, no more than this share of its gap is left."""
ANOTHER_PATH = 0.5
"""Share of the deviation that must be left after time-warping to speak of another path."""


def sentences(found: xr.Dataset) -> list[str]:
    """Return what a sweep found: a text for each width and rule, and one for each rule's widths.

    Parameters
    ----------
    found : xarray.Dataset
        As `flowfa.deviation.sweep.sweep` returns.
    """
    result = []
    for case in cases(found):
        told = (*_within(case), *_power(case), *_path(case), *_law(case), *_unstable(case))
        text = " ".join(each[0].upper() + each[1:] for each in told)
        result.append(f"Width {case.architecture}, {case.rule}. {text}")
    return [*result, *_by_width(found)]


def _main(case: Case) -> list[int]:
    """Return the variants of the first momentum with plain rates, from the largest rate down."""
    momentum = case.found["momentum"].values
    good = np.flatnonzero(case.plain & (momentum == momentum[0]))
    return sorted(good.tolist(), key=lambda v: -float(case.found["rate"].values[v]))


def _within(case: Case) -> Iterator[str]:
    """Say until when the steps stay close, for the largest and the smallest rate."""
    variants = _main(case)
    for variant in dict.fromkeys([variants[0], variants[-1]]):
        part = case.found.isel(variant=variant)
        rate, time = float(part["rate"]), part["time"].values
        # Bounded by what the flow's own error allows.
        deviation = part["parameters"].values + part["flow_error"].values
        if not part["resolved"].values[:, -1].any():
            yield f"with rate {rate:g} the flow is not exact enough to measure the steps against."
            continue
        farthest = np.where(np.isnan(deviation), np.inf, deviation).max(0)
        worst = float(np.max(farthest))
        kept = [limit for limit in WITHIN if worst <= limit]
        if kept:
            yield (
                f"with rate {rate:g} the weights of the step run stay within {100 * kept[0]:g} % "
                f"of the flow in all starts until t = {time[-1]:g}."
            )
            continue
        for limit in WITHIN[::-1][:2]:
            good = np.cumprod(farthest <= limit).astype(bool)
            until = f"until t = {time[good][-1]:g}" if good.any() else "at no time compared"
            yield (
                f"with rate {rate:g} the weights of the step run are within {100 * limit:g} % of "
                f"the flow in all starts {until}."
            )


def _power(case: Case) -> Iterator[str]:
    momentum = float(case.found["momentum"].values[0])
    slope = slope_of(case, "parameters", momentum)
    if slope is None:
        return
    text = f"the deviation at the end grows like rate^{slope.slope:.3f}"
    if np.isfinite(slope.low):
        text += f" (95 % interval {slope.low:.3f} to {slope.high:.3f}, {slope.starts} starts)"
    disagree = slope.high - slope.low > NARROW
    one = abs(slope.slope - 1.0) <= NEAR_ONE or slope.low <= 1.0 <= slope.high
    if one and not disagree:
        yield f"{text}, as Euler's method does on a smooth flow."
        return
    crossed = float(np.nanmax(case.found["patterns"].values[:, _main(case)]))
    sides = (
        f"up to {100 * crossed:.2g} % of the preactivations of the step run are on another side of "
        "zero than in the flow"
    )
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
        reason = f"{sides}, and Euler's error is a pure power only between kinks"
    else:
        reason = "kinks are not the cause, as no neuron is on another side of a sample"
    yield f"{text}. It is not 1: {reason}."


def _path(case: Case) -> Iterator[str]:
    """Say whether the steps are slower or faster on the same path, or on another."""
    variant = _main(case)[0]
    part = case.found.isel(variant=variant, point=-1)
    plain, warped = part["parameters"].values, part["warped"].values
    good = np.isfinite(warped) & (plain > 0.0)
    if not good.any():
        return
    left = float(np.median(warped[good] / plain[good]))
    ahead = float(np.median((part["matched_time"].values - float(part["time"]))[good]))
    rate = float(part["rate"])
    way = "ahead" if ahead > 0.0 else "behind"
    if left < ANOTHER_PATH:
        yield (
            f"at rate {rate:g} the steps are on the flow's path, {abs(ahead):.3g} {way} in time: "
            f"{100 * left:.0f} % of the distance is left when time is matched."
        )
    else:
        yield (
            f"at rate {rate:g} the steps are on another path: {100 * left:.0f} % of the distance "
            "is left when time is matched."
        )


def _law(case: Case) -> Iterator[str]:
    drift, error = case.found["law_drift"].values, case.found["law_error"].values
    if not np.isfinite(error).any():
        return
    moved = np.nanmax(drift[:, _main(case), -1])
    yield (
        f"the conserved quantities of C-1 move by up to {moved:.3g}, "
        f"and that is what C-11 says to {np.nanmax(error):.1e} of their terms."
    )


def _unstable(case: Case) -> Iterator[str]:
    rate = case.found["rate"].values
    lost = (case.found["diverged_step"].values >= 0).mean(0)
    edge = case.edge
    for variant in np.flatnonzero(np.isfinite(rate) & (rate > STABLE_SHARE * edge)):
        momentum = float(case.found["momentum"].values[variant])
        what = (
            f"{100 * lost[variant]:.3g} % of the starts diverge"
            if lost[variant] > 0.0
            else f"median deviation {np.nanmedian(case.last('parameters')[:, variant]):.3g}"
        )
        told = f", momentum {momentum:g}" if momentum else ""
        yield (
            f"at rate {rate[variant]:.4g} ({rate[variant] / edge:.2g} of the stability edge "
            f"{edge:.3g}{told}): {what}."
        )


def _by_width(found: xr.Dataset) -> Iterator[str]:
    """Say how the deviation depends on the width, at the largest rate."""
    if found.sizes["architecture"] < 2:
        return
    for rule in found["rule"].values:
        own = [case for case in cases(found) if case.rule == rule]
        medians = []
        for case in own:
            values = case.last("parameters")[:, _main(case)[0]]
            medians.append(float(np.nanmedian(values)) if np.isfinite(values).any() else np.nan)
        if not np.isfinite(medians).all():
            continue
        rate = float(own[0].found["rate"].values[_main(own[0])[0]])
        first, last = own[0], own[-1]
        steps = np.diff(medians)
        way = "falls" if (steps < 0).all() else "rises" if (steps > 0).all() else "goes"
        monotone = "" if way != "goes" else ", not monotonically,"
        yield (
            f"Rule {rule}: at rate {rate:g} the median deviation at the end {way}{monotone} from "
            f"{medians[0]:.3g} at width {first.architecture} to {medians[-1]:.3g} at width "
            f"{last.architecture}."
        )
