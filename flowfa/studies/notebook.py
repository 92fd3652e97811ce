"""The progress of a study where there is no command line: a bar in a notebook or a terminal."""

from __future__ import annotations

import time
import warnings
from typing import Any

from flowfa.errors import InputError
from flowfa.studies.progress import Progress, ProgressState, summary_of

_INTERVAL = 0.1
"""Seconds between two drawings."""
BAR_FORMAT = "{percentage:3.0f}% |{bar}| {elapsed}, about {remaining} left{postfix}"


class Bar:
    """Shows how a study stands: a widget in a notebook, a line of text elsewhere."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._drawn = -float("inf")

    def update(self, state: ProgressState) -> None:
        """Draw how the study stands, ten times a second at most."""
        now = time.monotonic()
        if now - self._drawn < _INTERVAL:
            return
        self._drawn = now
        if self._bar is None:
            self._bar = _bar()
        self._bar.set_postfix_str(summary_of(state), refresh=False)
        self._bar.n = min(max(100.0 * state.share, 0.0), 100.0)
        self._bar.refresh()

    def close(self) -> None:
        """Clear the bar; one that is needed again is drawn anew."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def shown_by(progress: Progress | bool | None) -> Progress | None:
    """Return what displays progress: `Bar` for True, nothing for False and None.

    Raises
    ------
    InputError
        If it is nothing of the kind.
    """
    if progress is None or progress is False:
        return None
    if progress is True:
        return Bar()
    if not hasattr(progress, "update") or not hasattr(progress, "close"):
        raise InputError(
            f"`progress` is {progress!r}: expected True for a bar, or an object with update and "
            "close"
        )
    return progress


def _bar() -> Any:
    with warnings.catch_warnings():
        # Without ipywidgets a notebook gets a bar of text, and a warning that it could be nicer.
        warnings.simplefilter("ignore")
        from tqdm.auto import tqdm

        return tqdm(total=100.0, leave=False, bar_format=BAR_FORMAT, mininterval=0.0, miniters=0)
