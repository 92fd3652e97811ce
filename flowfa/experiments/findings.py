"""A claim of the paper beside what was measured, and the arithmetic of such comparisons."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

CONFIRMED = "confirmed"
REFUTED = "not confirmed"
UNTESTED = "not tested at this scale"
ERRORS = 2.0
"""A difference counts if it is more than so many standard errors."""


@dataclass(frozen=True)
class Finding:
    """A claim and what became of it.

    Attributes
    ----------
    claim : str
        What the paper says.
    verdict : str
        `CONFIRMED`, `REFUTED` or `UNTESTED`.
    measured : str
        The numbers, or what is missing for a test.
    """

    claim: str
    verdict: str
    measured: str


def of_all(
    claim: str,
    data: xr.DataArray,
    values: Iterable[Any],
    differs: Callable[..., tuple[bool, str]],
    opening: str = "",
) -> Finding:
    """Confirm a claim that must hold at every place, and say where it does not."""
    outcomes = {value: differs(value) for value in values}
    failed = [str(value) for value, (holds, _) in outcomes.items() if not holds]
    text = opening + "; ".join(text for _, text in outcomes.values())
    if failed and len(failed) < len(outcomes):
        text += f". Not at: {', '.join(failed)}"
    if data.sizes.get("run") == 1:
        text += " (one run: no standard error)"
    return Finding(claim, REFUTED if failed else CONFIRMED, text)


def adafa_above_fa(claim: str, values: xr.DataArray, dimension: str, label: str) -> Finding:
    """Judge the claim that adafa has more of something than fa, from the same starts.

    Parameters
    ----------
    claim : str
    values : xarray.DataArray
        (rule, run, `dimension`).
    dimension : str
        Along which the claim must hold everywhere.
    label : str
        What stands in front of its values: ``"N = "``.
    """
    if not {"fa", "adafa"} <= set(values.rule.values):
        return Finding(claim, UNTESTED, "this needs fa and adafa")

    def differs(value: int) -> tuple[bool, str]:
        at = values.sel({dimension: value})
        adafa, fa = at.sel(rule="adafa"), at.sel(rule="fa")
        text = f"{label}{value}: {float(adafa.mean()):.3f} against {float(fa.mean()):.3f}"
        return paired(adafa - fa), text

    return of_all(claim, values, values[dimension].values, differs)


def mean_and_error(values: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Return mean and standard error over runs; the error of a single run is NaN."""
    count = values.sizes["run"]
    if count == 1:
        return values.mean("run", skipna=False), values.isel(run=0, drop=True) * np.nan
    error = values.std("run", ddof=1, skipna=False) / np.sqrt(count)
    return values.mean("run", skipna=False), error


def paired(difference: xr.DataArray) -> bool:
    """Return whether a difference between rules from the same starts, (run,), is positive."""
    mean, error = mean_and_error(difference)
    return exceeds(float(mean), float(error))


def exceeds(mean: float, error: float) -> bool:
    """Return whether a mean is more than `ERRORS` standard errors above zero.

    Without an error (one run) the sign decides; NaN, a run that diverged, never exceeds.
    """
    return mean > 0.0 if np.isnan(error) else mean > ERRORS * error


def with_error(values: xr.DataArray) -> str:
    """Return mean over runs and standard error as text: ``0.512 ± 0.01``."""
    mean, error = (float(statistic) for statistic in mean_and_error(values))
    return f"{mean:.3g}" if np.isnan(error) else f"{mean:.3g} ± {error:.1g}"


def of_runs(count: int) -> str:
    """Say what numbers of the form of `with_error` are."""
    if count == 1:
        return "One run: no standard error"
    return f"Mean over {count} runs and its standard error"


def criterion(count: int) -> str:
    """Say when a difference is confirmed (`exceeds`)."""
    if count == 1:
        return "With one run there is no standard error, and the sign of a difference decides."
    return (
        f"A difference is confirmed if its mean over the {count} runs is more than {ERRORS:g} "
        "standard errors above zero; with few runs that is a weak test."
    )
