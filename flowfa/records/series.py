"""What tells the trajectories of a result apart, in words."""

from __future__ import annotations

import numpy as np
import xarray as xr


def series_labels(trajectory: xr.Dataset) -> np.ndarray:
    """Return the series that each trajectory belongs to, (trajectory,) of str.

    That is its rule, and of discrete training the rate and the momentum too, where there are
    several: ``"fa"``, ``"fa, rate 0.1"``.

    Parameters
    ----------
    trajectory : xarray.Dataset
        The group /trajectory.
    """
    parts = [trajectory["rule"].values.astype(str)]
    for name in ("rate", "momentum"):
        if name in trajectory.variables:
            values = trajectory[name].values
            if len(np.unique(values)) > 1:
                parts.append(np.array([f", {name} {value:g}" for value in values]))
    return np.array(["".join(pieces) for pieces in zip(*parts, strict=True)])
