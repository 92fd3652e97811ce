"""How long work stands: a bar in a terminal, cleared at the end; a line a minute elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from tqdm import tqdm

    from flowfa.studies.progress import ProgressState

_INTERVAL = 0.1
"""Seconds between two drawings."""
EVERY = 60.0
"""Seconds between two lines where there is no terminal."""


class ProgressBar:
    """Shows on a terminal how a study stands; elsewhere it says so in a line a minute.

    Parameters
    ----------
    quiet : bool
        Say nothing.
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
        self._stream = None if quiet else stream
        self._terminal = stream is not None and stream.isatty()
        self._on_begin = on_begin
        self._bar: tqdm | None = None
        self._drawn = -float("inf")
        self._begun: tuple[float, float] | None = None

    def update(self, state: ProgressState) -> None:
        """Draw how the study stands, ten times a second at most."""
        if self._on_begin is not None:
            self._on_begin()
            self._on_begin = None
        now = time.monotonic()
        if self._begun is None:
            self._begun = (now, state.share)
            if not self._terminal:
                self._drawn = now
        every = _INTERVAL if self._terminal else EVERY
        if self._stream is None or now - self._drawn < every:
            return
        self._drawn = now
        if not self._terminal:
            _write_line(self._stream, _standing(state, now, *self._begun))
            return
        from flowfa.studies.progress import summary_of

        if self._bar is None:
            self._bar = _bar(self._stream)
        self._bar.set_postfix_str(summary_of(state), refresh=False)
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
    """Shows on a terminal what is being done, in one line; elsewhere it says so once a minute.

    Parameters
    ----------
    quiet : bool
        Say nothing.
    stream : text stream, optional
        Where to write; stderr by default.

    Notes
    -----
    A context manager: leaving it clears the line, also after an error or Ctrl-C. One step of the
    work may take minutes, so that lines are written by a thread of their own.
    """

    def __init__(self, quiet: bool = False, stream: TextIO | None = None) -> None:
        stream = sys.stderr if stream is None else stream
        self._stream = None if quiet else stream
        self._terminal = stream is not None and stream.isatty()
        self._text = ""
        self._ended = threading.Event()
        self._begun = time.monotonic()
        self._thread: threading.Thread | None = None

    def show(self, text: str) -> None:
        """Replace the line."""
        self._text = text
        if self._stream is not None and self._terminal:
            # Back to the start, and clear to the end of the line.
            self._stream.write(f"\r\x1b[K{text}")
            self._stream.flush()

    def _tell(self) -> None:
        from flowfa.studies.clock import duration

        while not self._ended.wait(EVERY):
            if self._stream is not None and self._text:
                spent = duration(time.monotonic() - self._begun)
                _write_line(self._stream, f"{self._text} ({spent} so far)")

    def __enter__(self) -> StatusLine:
        if self._stream is not None and not self._terminal:
            self._thread = threading.Thread(target=self._tell, daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self.show("")


def _standing(state: ProgressState, now: float, begun: float, first_share: float) -> str:
    """Return percent, how trajectories stand, and the time left, which is told by the speed."""
    from flowfa.studies.clock import duration
    from flowfa.studies.progress import summary_of

    done = state.share - first_share
    left = (
        f", about {duration((now - begun) * (1.0 - state.share) / done)} left" if done > 0.0 else ""
    )
    slowest = state.trajectories
    where = "" if slowest is None else f", slowest trajectory at t = {slowest.slowest_time:.4g}"
    return f"{100.0 * state.share:.0f} %{where}{left} ({summary_of(state)})"


def _write_line(stream: TextIO, text: str) -> None:
    stream.write(f"flowfa: {text}\n")
    stream.flush()


def _bar(stream: TextIO) -> tqdm:
    from tqdm import tqdm

    from flowfa.studies.notebook import BAR_FORMAT

    return tqdm(
        total=100.0,
        file=stream,
        leave=False,
        dynamic_ncols=True,
        bar_format=BAR_FORMAT,
        # The caller throttles the drawing, and with it the making of the numbers.
        mininterval=0.0,
        miniters=0,
    )
