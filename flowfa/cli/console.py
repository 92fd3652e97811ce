"""The one place that writes to the user's terminal."""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
from typing import Any


def say(text: str = "") -> None:
    """Write a line of results to stdout, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def complain(text: str) -> None:
    """Write a line to stderr: what went wrong, or what is worth knowing beside the results."""
    # A caller can have closed stderr; then the line is dropped.
    if sys.stderr is not None:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


def say_json(document: Any) -> None:
    """Write one JSON document to stdout; numbers that are not finite become null."""
    say(json.dumps(_strict(document), indent=2, ensure_ascii=False, allow_nan=False))


def columns() -> int:
    """Return the width of the terminal (or COLUMNS); 100 where there is none."""
    return shutil.get_terminal_size((100, 24)).columns


def silence_stdout() -> None:
    """Drop what is still buffered, after the reader of a pipe has gone away."""
    # Otherwise the interpreter complains while it flushes at exit.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _strict(value: Any) -> Any:
    """Return `value` without NaN and infinities, which JSON does not have."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(key): _strict(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(entry) for entry in value]
    return value
