"""The cases of a sweep, an architecture and a rule each, and the slopes fitted to them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import xarray as xr

from flowfa.deviation.slopes import Slope, fit_slope

STABLE_SHARE = 0.25
"""Rates above this share of the stability edge do not enter slopes."""
SLOPED = {
    "parameters": "weights",
    "outputs": "outputs",
    "fresh_outputs": "fresh outputs",
    "warped": "weights, time-warped",
}
"""Quantities whose slopes are fitted, and their names in tables."""


@dataclass(frozen=True)
class Case:
    """One architecture and rule of a sweep.

    Attributes
    ----------
    architecture, rule : str
    data : xarray.Dataset
        The part of the result that belongs to them, with the dimensions start, variant, point.
    """

    architecture: str
    rule: str
    data: xr.Dataset

    @property
    def plain(self) -> np.ndarray:
        """The variants whose rate was given as a number, not as a multiple, (variant,) bool."""
        return np.isnan(self.data["edge_multiple"].values)

    @property
    def edges(self) -> np.ndarray:
        """The stability edge with the momentum of each variant: median over starts, (variant,)."""
        return np.median(self.data["edge"].values, axis=0)

    @property
    def main(self) -> np.ndarray:
        """Variants of plain rates and the first momentum, from the largest rate down."""
        momentum = self.data["momentum"].values
        good = np.flatnonzero(self.plain & (momentum == momentum[0]))
        return good[np.argsort(-self.data["rate"].values[good])]

    def last(self, name: str) -> np.ndarray:
        """Return a quantity at the last point, (start, variant)."""
        return self.data[name].isel(point=-1).values

    def sound(self) -> np.ndarray:
        """Return which deviations count: measured against a flow that is exact enough."""
        return self.last("resolved") & np.isfinite(self.last("parameters"))


def cases(data: xr.Dataset) -> Iterator[Case]:
    """Yield every architecture and rule."""
    for architecture in data["architecture"].values:
        for rule in data["rule"].values:
            of_case = data.sel(architecture=architecture, rule=rule)
            yield Case(str(architecture), str(rule), of_case)


def slope_of(case: Case, name: str, momentum: float) -> Slope | None:
    """Fit the power of the rate with which a quantity at the end grows."""
    rate = case.data["rate"].values
    chosen = (case.data["momentum"].values == momentum) & case.plain
    chosen &= ~(rate > STABLE_SHARE * case.edges)
    values = case.last(name)[:, chosen]
    usable = case.sound()[:, chosen] & (values > 0.0)
    return fit_slope(rate[chosen], values, usable)
