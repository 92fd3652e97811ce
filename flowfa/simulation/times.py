"""The times at which a run is recorded, and those of them at which all weights are kept."""

from __future__ import annotations

import numpy as np

from flowfa.settings import FlowSettings
from flowfa.training.saves import LOG_SPACING_DECADES

DEFAULT_SNAPSHOTS = 5


def save_times(settings: FlowSettings) -> np.ndarray:
    """Return the save times, (save,), from 0 to t_end exactly.

    Logarithmic times begin at `first_save`, by default four decades before t_end, and have 0 too.
    """
    if settings.save_at is not None:
        return np.array(sorted({0.0, *settings.save_at, settings.t_end}))
    if settings.spacing == "linear":
        return np.linspace(0.0, settings.t_end, settings.save)
    if settings.save == 2:
        return np.array([0.0, settings.t_end])
    if settings.first_save is None:
        times = settings.t_end * np.logspace(-LOG_SPACING_DECADES, 0.0, settings.save - 1)
    else:
        times = np.geomspace(settings.first_save, settings.t_end, settings.save - 1)
    times[-1] = settings.t_end
    return np.concatenate([[0.0], times])


def kept_snapshots(requested: int | None, saves: int) -> int:
    """Return the number of snapshots among so many save times: by default 5, or all if fewer."""
    return min(DEFAULT_SNAPSHOTS if requested is None else requested, saves)


def spread_columns(saves: int, snapshots: int) -> tuple[int, ...]:
    """Return the indices of `snapshots` among `saves` times: first, last, and evenly between."""
    return tuple(np.linspace(0, saves - 1, snapshots).round().astype(int).tolist())
