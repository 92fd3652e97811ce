"""The times at which a run is recorded, and those of them at which all weights are kept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flowfa.errors import InputError
from flowfa.settings import FlowSettings, valid
from flowfa.training.saves import LOG_SPACING_DECADES

DEFAULT_SNAPSHOTS = 5
MOST_CONTINUED = 100_000
"""Most times that are added without being listed."""


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


def continued_times(
    times: np.ndarray,
    t_end: float,
    spacing: str,
    save_at: Sequence[float] | None,
    label: str,
) -> np.ndarray:
    """Return the save times of a run that goes on beyond its end, the old ones first.

    Parameters
    ----------
    times : numpy.ndarray
        The old ones, (save,).
    t_end : float
        The new end.
    spacing : {"linear", "log"}
        Of the old ones.
    save_at : sequence of float, optional
        Those after the old end; by default spaced as the last two were.
    label : str
        The run, for messages.

    Raises
    ------
    InputError
        If listed times are not after the old end, or there would be far too many.
    """
    last = float(times[-1])
    if save_at is not None:
        added = valid(FlowSettings, "save_at", save_at)
        if added[0] <= last or added[-1] > t_end:
            raise InputError(
                f"`save_at` goes from {added[0]:g} to {added[-1]:g}: expected times after the end "
                f"of {label} at {last:g}, and none after `t_end` {t_end:g}"
            )
        return np.array([*times, *sorted({*added, t_end})])
    if spacing == "log" and times[-2] > 0.0:
        ratio = np.log(last / times[-2])
        count = int(np.floor(np.log(t_end / last) / ratio * (1.0 - 1e-9)))
        _check_count(count, label)
        return np.array([*times, *last * np.exp(ratio * np.arange(1, count + 1)), t_end])
    distance = last - times[-2]
    count = int(np.floor((t_end - last) / distance * (1.0 - 1e-9)))
    _check_count(count, label)
    return np.array([*times, *last + distance * np.arange(1, count + 1), t_end])


def _check_count(count: int, label: str) -> None:
    if count > MOST_CONTINUED:
        raise InputError(
            f"recorded as often as {label} ends, there would be {count} more times: list those "
            "to record (`save_at`)"
        )


def kept_snapshots(requested: int | None, saves: int) -> int:
    """Return the number of snapshots among so many save times: by default 5, or all if fewer."""
    return min(DEFAULT_SNAPSHOTS if requested is None else requested, saves)


def spread_columns(saves: int, snapshots: int) -> tuple[int, ...]:
    """Return the indices of `snapshots` among `saves` times: first, last, and evenly between."""
    return tuple(np.linspace(0, saves - 1, snapshots).round().astype(int).tolist())
