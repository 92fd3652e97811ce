"""The paper's qualitative claims about E-1, each beside what was measured."""

from __future__ import annotations

import numpy as np
import xarray as xr

from flowfa.experiments.findings import (
    CONFIRMED,
    ERRORS,
    REFUTED,
    UNTESTED,
    Finding,
    adafa_above_fa,
    exceeds,
    mean_and_error,
    of_all,
    paired,
)
from flowfa.experiments.noisy_mnist.measures import ratio_errors

MOVED = 1e-3
"""A cosine that moves by less does not count as rising or falling."""


def judge(data: xr.Dataset) -> list[Finding]:
    """Judge every claim of E-1 on a result.

    A difference is confirmed where its mean over runs is more than `ERRORS` standard errors above
    zero. With one run there is no standard error, and the sign alone decides; the text says so.
    """
    at_end = abs(ratio_errors(data)).isel(epoch=-1)
    return [
        *(_small_widths(at_end[name], name) for name in ("R1", "R2")),
        *(_fa_worst(at_end[name], name) for name in ("R1", "R2")),
        _rises(data, "fa"),
        _rises(data, "adafa"),
        _adafa_above_fa(data),
        _not_monotone(data),
        _above_bound(data),
        _overfitting(data),
    ]


def _small_widths(errors: xr.DataArray, name: str) -> Finding:
    claim = f"Figure 2: |{name} - 1| at the end is larger for small widths"
    if errors.sizes["width"] < 2:
        return Finding(claim, UNTESTED, "there is one width")
    least, most = int(errors.width[0]), int(errors.width[-1])

    def differs(rule: str) -> tuple[bool, str]:
        of_rule = errors.sel(rule=rule)
        small, large = of_rule.sel(width=least), of_rule.sel(width=most)
        (a, da), (b, db) = mean_and_error(small), mean_and_error(large)
        text = f"{rule} {float(a):.2g} at {least}, {float(b):.2g} at {most}"
        # Different widths have different starts, so that the two samples are independent.
        return exceeds(float(a - b), float(np.hypot(da, db))), text

    return of_all(claim, errors, errors.rule.values, differs)


def _fa_worst(errors: xr.DataArray, name: str) -> Finding:
    claim = f"Figure 2: |{name} - 1| at the end, mean over widths, is largest for fa"
    others = [rule for rule in errors.rule.values if rule != "fa"]
    if "fa" not in errors.rule or not others:
        return Finding(claim, UNTESTED, "this needs fa and another rule")
    means = errors.mean("width", skipna=False)

    def differs(rule: str) -> tuple[bool, str]:
        mean_of_rule = float(means.sel(rule=rule).mean("run"))
        return paired(means.sel(rule="fa") - means.sel(rule=rule)), f"{rule} {mean_of_rule:.2g}"

    fa = float(means.sel(rule="fa").mean("run"))
    return of_all(claim, errors, others, differs, f"fa {fa:.2g} against ")


def _rises(data: xr.Dataset, rule: str) -> Finding:
    claim = f"Figure 3: the alignment of W_2 and B_2 rises under {rule}"
    if rule not in data.rule:
        return Finding(claim, UNTESTED, f"{rule} was not run")
    cosine = data["cosine"].sel(rule=rule)

    def differs(width: int) -> tuple[bool, str]:
        of_width = cosine.sel(width=width)
        begin, end = of_width.isel(epoch=0), of_width.isel(epoch=-1)
        least = of_width.mean("run").min()
        text = (
            f"width {width}: {float(begin.mean()):.3f} at the start, {float(end.mean()):.3f} at "
            f"the end (least mean {float(least):.3f})"
        )
        return paired(end - begin), text

    finding = of_all(claim, cosine, data.width.values, differs)
    if rule == "adafa":
        note = "; B_2 = W_2(0)^T makes it exactly 1 at the start, so that it cannot rise above that"
        finding = Finding(claim, finding.verdict, finding.measured + note)
    return finding


def _adafa_above_fa(data: xr.Dataset) -> Finding:
    claim = "Figure 3: the alignment of adafa is above that of fa, mean over epochs"
    means = data["cosine"].mean("epoch", skipna=False)
    return adafa_above_fa(claim, means, "width", "width ")


def _not_monotone(data: xr.Dataset) -> Finding:
    claim = "Figure 3: the alignment of signfa is not monotone"
    if "signfa" not in data.rule:
        return Finding(claim, UNTESTED, "signfa was not run")
    cosine = data["cosine"].sel(rule="signfa")
    steps = cosine.diff("epoch")
    rise = steps.where(steps > 0, 0.0).sum("epoch", skipna=False)
    fall = abs(steps.where(steps < 0, 0.0).sum("epoch", skipna=False))
    both = (rise > MOVED) & (fall > MOVED)
    text = (
        f"it rises and falls by more than {MOVED:g} in {int(both.sum())} of {both.size} runs "
        f"(least total rise {float(rise.min()):.2g}, least total fall {float(fall.min()):.2g})"
    )
    return Finding(claim, CONFIRMED if bool(both.all()) else REFUTED, text)


def _above_bound(data: xr.Dataset) -> Finding:
    claim = "Figure 3: the alignment of signfa stays above P-1's bound 1/sqrt(nnz W_2)"
    if "signfa" not in data.rule:
        return Finding(claim, UNTESTED, "signfa was not run")
    signfa = data.sel(rule="signfa")
    margin = (signfa["cosine"] - signfa["sign_bound"]).min(skipna=False)
    text = (
        f"least cosine minus bound over all runs, widths and recorded epochs: {float(margin):.3f}"
    )
    return Finding(claim, CONFIRMED if float(margin) >= 0.0 else REFUTED, text)


def _overfitting(data: xr.Dataset) -> Finding:
    """Judge Figure 4 where a network learnt wrong labels beyond chance, which is what hurts."""
    claim = "Figure 4: overfitting does not hurt the test accuracy"
    chance = 1.0 / 9.0
    learnt = data["memorised"].isel(epoch=-1).mean("run", skipna=False)
    over = learnt > 2.0 * chance
    if not bool(over.any()):
        greatest = float(learnt.max())
        reason = (
            f"at most {greatest:.2f} of the wrong labels were learnt"
            if greatest == greatest
            else "there are no wrong labels"
        )
        return Finding(claim, UNTESTED, f"no network overfits: {reason} (chance 0.11)")
    best = data["test_accuracy"].mean("run")
    loss = (data["test_accuracy"].max("epoch") - data["test_accuracy"].isel(epoch=-1)).where(over)
    mean, error = mean_and_error(loss)
    hurt = (mean > 0.01) & ~(mean <= ERRORS * error.fillna(0.0))
    worst = mean.argmax(("width", "rule"))
    width, rule = (data[name][int(worst[name])].item() for name in ("width", "rule"))
    text = (
        f"{int(over.sum())} of {over.size} pairs of width and rule learn more than "
        f"{2 * chance:.2f} of the wrong labels; from its best epoch to the last their test "
        f"accuracy falls by at most {float(mean.max()):.3f} ({rule} at width {width}, from "
        f"{float(best.sel(width=width, rule=rule).max()):.3f}); more than 0.010 counts as hurt"
    )
    return Finding(claim, REFUTED if bool(hurt.any()) else CONFIRMED, text)


def alignment_orders(data: xr.Dataset) -> list[str]:
    """Return the order of the rules by cos(W_2, B_2^T) at the end, a line for each width."""
    end = data["cosine"].isel(epoch=-1).mean("run")
    lines = []
    for width in data.width.values:
        # Under gd W_2 is its own feedback.
        cosine_of = {rule: float(end.sel(width=width, rule=rule)) for rule in data.rule.values}
        cosine_of.pop("gd", None)
        ordered = sorted(cosine_of, key=cosine_of.__getitem__, reverse=True)
        lines.append(
            f"width {width}: " + " > ".join(f"{rule} {cosine_of[rule]:.3f}" for rule in ordered)
        )
    return lines
