"""The paper's qualitative claims about E-2 and E-3, each beside what was measured."""

from __future__ import annotations

import numpy as np
import xarray as xr

from flowfa.experiments.findings import (
    UNTESTED,
    Finding,
    adafa_above_fa,
    exceeds,
    mean_and_error,
    of_all,
    paired,
)

CLOSE = 0.05
"""Accuracies that differ by at most this, in the mean over runs, count as close."""
FED_BACK = ("fa", "adafa", "signfa")


def judge(data: xr.Dataset) -> list[Finding]:
    """Judge every claim on a result, at the last epoch.

    A difference is confirmed where its mean over runs is more than two standard errors above
    zero; runs of different N share their order of classes only, and count as independent. With
    one run there is no standard error, and the sign alone decides. A run that diverged has no
    accuracy: what is made of it is never confirmed.
    """
    accuracy = data["test_accuracy"].isel(epoch=-1)
    return [
        _above_chance(accuracy),
        _falls(accuracy),
        _adafa_above_fa(accuracy),
        _most_at_small(accuracy),
        _signfa_close(accuracy),
        _alignment_falls(data),
        _alignment_falls_most(data),
    ]


def above_chance(accuracy: xr.DataArray) -> xr.DataArray:
    """Return whether the mean over runs is more than two standard errors above 1/N."""
    mean, error = mean_and_error(accuracy)
    return mean - 1.0 / accuracy.classes > 2.0 * error.fillna(0.0)


def mean_alignment(data: xr.Dataset) -> xr.DataArray:
    """Return cos(W_l, B_l^T) at the last epoch, mean over layers, (classes, rule, run).

    Without the first layer, whose feedback is never used.
    """
    return data["cosine"].isel(epoch=-1, layer=slice(1, None)).mean("layer", skipna=False)


def _above_chance(accuracy: xr.DataArray) -> Finding:
    """Judge what the other claims presuppose."""
    claim = "Tables 1 and 2: every rule learns: test accuracy above chance, 1/N"

    def differs(rule: str) -> tuple[bool, str]:
        of_rule = accuracy.sel(rule=rule)
        texts = [
            f"{float(of_rule.sel(classes=n).mean()):.3f} of {1 / n:.3f} at N = {n}"
            for n in accuracy.classes.values
        ]
        return bool(above_chance(of_rule).all()), f"{rule} " + ", ".join(texts)

    return of_all(claim, accuracy, accuracy.rule.values, differs)


def _falls(accuracy: xr.DataArray) -> Finding:
    claim = "Tables 1 and 2: the test accuracy falls with N, under every rule"
    if accuracy.sizes["classes"] < 2:
        return Finding(claim, UNTESTED, "there is one N")
    idle = [str(r) for r in accuracy.rule.values if not above_chance(accuracy.sel(rule=r)).all()]
    if idle:
        # Chance falls with N too, so that guessing would confirm the claim.
        return Finding(claim, UNTESTED, f"not above chance at every N: {', '.join(idle)}")
    return of_all(
        claim, accuracy, accuracy.rule.values, lambda rule: _steps_down(accuracy.sel(rule=rule))
    )


def _adafa_above_fa(accuracy: xr.DataArray) -> Finding:
    claim = "Tables 1 and 2: adafa is more accurate than fa, at every N"
    return adafa_above_fa(claim, accuracy, "classes", "N = ")


def _most_at_small(accuracy: xr.DataArray) -> Finding:
    claim = "Tables 1 and 2: adafa's advantage over fa is greatest at the smallest N"
    if not _has(accuracy, "fa", "adafa") or accuracy.sizes["classes"] < 2:
        return Finding(claim, UNTESTED, "this needs fa, adafa and two numbers of classes")
    gain = accuracy.sel(rule="adafa", drop=True) - accuracy.sel(rule="fa", drop=True)
    smallest = int(accuracy.classes[0])

    def differs(n: int) -> tuple[bool, str]:
        (a, da), (b, db) = (mean_and_error(gain.sel(classes=count)) for count in (smallest, n))
        text = f"{float(a):+.3f} at N = {smallest}, {float(b):+.3f} at N = {n}"
        return exceeds(float(a - b), float(np.hypot(da, db))), text

    return of_all(claim, accuracy, accuracy.classes.values[1:], differs)


def _signfa_close(accuracy: xr.DataArray) -> Finding:
    claim = f"Tables 1 and 2: signfa stays close to gd (within {CLOSE:g}), at every N"
    if not _has(accuracy, "signfa", "gd"):
        return Finding(claim, UNTESTED, "this needs signfa and gd")
    gd = accuracy.sel(rule="gd")
    if not bool(above_chance(gd).all()):
        return Finding(claim, UNTESTED, "gd itself is not above chance")

    def differs(n: int) -> tuple[bool, str]:
        one, other = (
            float(accuracy.sel(classes=n, rule=r).mean(skipna=False)) for r in ("signfa", "gd")
        )
        return abs(one - other) <= CLOSE, f"N = {n}: {one:.3f} against {other:.3f}"

    return of_all(claim, accuracy, accuracy.classes.values, differs)


def _alignment_falls(data: xr.Dataset) -> Finding:
    claim = "B.2: the alignment (mean over layers) falls with N"
    alignment = mean_alignment(data)
    rules = [rule for rule in data.rule.values if rule in FED_BACK]
    if data.sizes["classes"] < 2 or not rules:
        return Finding(claim, UNTESTED, "this needs two numbers of classes and a rule but gd")

    def differs(rule: str) -> tuple[bool, str]:
        return _steps_down(alignment.sel(rule=rule))

    return of_all(claim, alignment, rules, differs)


def _alignment_falls_most(data: xr.Dataset) -> Finding:
    claim = "B.2: the alignment falls most for fa, from the smallest N to the largest"
    others = [rule for rule in data.rule.values if rule in FED_BACK and rule != "fa"]
    if data.sizes["classes"] < 2 or not others or "fa" not in data.rule:
        return Finding(claim, UNTESTED, "this needs two numbers of classes, fa and adafa or signfa")
    alignment = mean_alignment(data)
    small, large = alignment.isel(classes=0, drop=True), alignment.isel(classes=-1, drop=True)
    fall = small - large

    def differs(rule: str) -> tuple[bool, str]:
        fall_of_rule = float(fall.sel(rule=rule).mean())
        return paired(fall.sel(rule="fa") - fall.sel(rule=rule)), f"{rule} by {fall_of_rule:.4f}"

    opening = f"fa by {float(fall.sel(rule='fa').mean()):.4f} against "
    return of_all(claim, alignment, others, differs, opening)


def _steps_down(values: xr.DataArray) -> tuple[bool, str]:
    """Return whether values of a rule, (classes, run), fall from each N to the next, and a text."""
    mean, error = mean_and_error(values)
    falls = [
        exceeds(float(mean[i] - mean[i + 1]), float(np.hypot(error[i], error[i + 1])))
        for i in range(len(mean) - 1)
    ]
    rule = str(values.rule.values)
    return all(falls), f"{rule} " + ", ".join(
        f"{float(value):.3f} at N = {int(n)}" for n, value in zip(values.classes, mean, strict=True)
    )


def _has(accuracy: xr.DataArray, *rules: str) -> bool:
    return set(rules) <= set(accuracy.rule.values)
