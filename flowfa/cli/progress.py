"""The progress bar of a study: in a terminal only, and cleared at the end."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from tqdm import tqdm

    from flowfa.studies.progress import ProgressState

_INTERVAL = 0.1
"""Seconds between two drawings."""


class ProgressBar:
    """Shows on a terminal how a study stands; says nothing elsewhere.

    Parameters
    ----------
    quiet : bool
        Say nothing even in a terminal.
    on_begin : callable, optional
        Called once when the run begins, after all of its input has been checked.
    stream : text stream, optional
        Where to draw; stderr by default.

    Notes
    -----
    A context manager: leaving it clears the line, also after an error or Ctrl-C.
    """

    def __init__(
        self,
        quiet: bool = False,
        on_begin: Callable[[], None] | None = None,
        stream: TextIO | None = None,
    ) -> None:
        stream = sys.stderr if stream is None else stream
        self._stream = None if quiet or stream is None or not stream.isatty() else stream
        self._on_begin = on_begin
        self._bar: tqdm | None = None
        self._drawn = -float("inf")

    def update(self, state: ProgressState) -> None:
        """Draw how the study stands, ten times a second at most."""
        if self._on_begin is not None:
            self._on_begin()
            self._on_begin = None
        now = time.monotonic()
        if self._stream is None or now - self._drawn < _INTERVAL:
            return
        self._drawn = now
        if self._bar is None:
            self._bar = _bar(self._stream)
        self._bar.set_postfix_str(_summary(state), refresh=False)
        self._bar.n = min(max(100.0 * state.share, 0.0), 100.0)
        self._bar.refresh()

    def close(self) -> None:
        """Clear the bar and draw no more; may be called again."""
        self._stream = None
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class StatusLine:
    """Shows on a terminal what is being done, in one line; says nothing elsewhere.

    Parameters
    ----------
    quiet : bool
        Say nothing even in a terminal.
    stream : text stream, optional
        Where to write; stderr by default.

    Notes
    -----
    A context manager: leaving it clears the line, also after an error or Ctrl-C.
    """

    def __init__(self, quiet: bool = False, stream: TextIO | None = None) -> None:
        stream = sys.stderr if stream is None else stream
        self._stream = None if quiet or stream is None or not stream.isatty() else stream

    def show(self, text: str) -> None:
        """Replace the line."""
        if self._stream is not None:
            # Back to the start, and clear to the end of the line.
            self._stream.write(f"\r\x1b[K{text}")
            self._stream.flush()

    def __enter__(self) -> StatusLine:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.show("")


def _summary(state: ProgressState) -> str:
    """Return what is being done, how trajectories stand, and how many units are done."""
    parts = [state.doing] if state.doing else []
    if state.trajectories is not None:
        t = state.trajectories
        parts += [f"{t.running} running", f"{t.done} done"]
        parts += [f"{t.failed} failed"] if t.failed else []
        parts += [f"t = {t.slowest_time:.4g}", f"{t.steps} steps"]
    if state.units > 1:
        parts.append(f"{state.units_done} of {state.units} done")
    return ", ".join(parts)


def _bar(stream: TextIO) -> tqdm:
    from tqdm import tqdm

    return tqdm(
        total=100.0,
        file=stream,
        leave=False,
        dynamic_ncols=True,
        bar_format="{percentage:3.0f}% |{bar}| {elapsed}, about {remaining} left{postfix}",
        # The caller throttles the drawing, and with it the making of the numbers.
        mininterval=0.0,
        miniters=0,
    )
