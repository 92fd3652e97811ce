"""The loss against its bound: T-1 with the mu of the run, and P-2 where its mu is reported."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from flowfa.plots.curves import group
from flowfa.plots.sheet import Draw
from flowfa.plots.style import BOUND_DASHES, rule_styles
from theory_checks.statements.convergence.t1_theorem_5_1 import GAMMAS, log_bound

GREYS = ("#BBBBBB", "#888888", "#444444")
BLUE = "#56B4E9"


def loss_panels(
    tree: xr.DataTree, worst: Mapping[str, int], rates: Mapping[int, float]
) -> list[Draw]:
    """Return a panel for one trajectory of each rule.

    Parameters
    ----------
    tree : xarray.DataTree
        A result.
    worst : mapping
        The trajectory of each rule.
    rates : mapping
        mu of P-2 by trajectory; those that have one get its bound 1 / (1 / Loss(0) + mu t).
    """
    record = group(tree, "trajectory")
    times = record["time"].values
    return [
        lambda axes, rule=rule, row=row: _draw(
            axes,
            times,
            record["loss"].values[row],
            -record["loss_rate"].values[row],
            rates.get(row),
            f"{rule}, trajectory {row}",
            rule_styles([rule])[rule].color,
        )
        for rule, row in worst.items()
    ]


def bound_handles(with_explicit: bool) -> list[Line2D]:
    """Return what a legend shows of the bounds: T-1's, and P-2's if there is one."""
    of_theorem = [
        Line2D(
            [],
            [],
            color=grey,
            linestyle=BOUND_DASHES,
            linewidth=1.4,
            label=f"T-1, gamma = {gamma:g}",
        )
        for grey, gamma in zip(GREYS, GAMMAS, strict=True)
    ]
    explicit = [Line2D([], [], color=BLUE, linewidth=1.0, label="P-2")]
    return of_theorem + (explicit if with_explicit else [])


def bounds(times: np.ndarray, loss: np.ndarray, descent: np.ndarray) -> dict[float, np.ndarray]:
    """Return T-1's bound by gamma, with the least ratio of the saved times up to each.

    Parameters
    ----------
    times, loss : numpy.ndarray
        (time,).
    descent : numpy.ndarray
        <grad Loss, G>, (time,).
    """
    by_gamma = {}
    for gamma in GAMMAS:
        with np.errstate(all="ignore"):
            mu = np.minimum.accumulate(descent / loss**gamma)
        parts = (torch.from_numpy(np.array(part)) for part in (mu, times))
        logs = log_bound(torch.tensor(loss[0], dtype=torch.float64), gamma, *parts).numpy()
        # Without dominance there is no bound.
        by_gamma[gamma] = np.where(mu > 0.0, np.exp(logs), np.nan)
    return by_gamma


def _draw(
    axes: Axes,
    times: np.ndarray,
    loss: np.ndarray,
    descent: np.ndarray,
    rate: float | None,
    title: str,
    color: str,
) -> None:
    axes.set_title(title)
    axes.set_xlabel("flow time $t$")
    axes.set_ylabel("loss")
    known = np.isfinite(loss) & (loss > 0.0) & np.isfinite(descent)
    if not known.any():
        axes.text(0.5, 0.5, "no numbers", transform=axes.transAxes, ha="center", color="#555555")
        return
    times, loss, descent = times[known], loss[known], descent[known]
    for grey, bound in zip(GREYS, bounds(times, loss, descent).values(), strict=True):
        if np.isfinite(bound).any():
            axes.plot(
                times,
                bound,
                color=grey,
                linestyle=BOUND_DASHES,
                linewidth=1.4,
            )
    if rate is not None and np.isfinite(rate):
        axes.plot(times, 1.0 / (1.0 / loss[0] + rate * times), color=BLUE, linewidth=1.0)
    axes.plot(times, loss, color=color, linewidth=1.6)
    axes.set_yscale("log")
    # Bounds that fall to nothing would leave no room for the loss.
    low, high = float(loss.min()), float(loss.max())
    axes.set_ylim(0.5 * low, 2.0 * high)
    axes.xaxis.set_major_locator(MaxNLocator(5))
