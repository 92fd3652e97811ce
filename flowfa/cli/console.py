"""The one place that writes to the user's terminal."""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
from typing import Any, TextIO


def say(text: str = "") -> None:
    """Write a line of results to stdout, at once."""
    _write(sys.stdout, text)


def complain(text: str) -> None:
    """Write a line to stderr: what went wrong, or what is worth knowing beside the results."""
    # A caller can have closed stderr; then the line is dropped.
    if sys.stderr is not None:
        _write(sys.stderr, text)


def say_json(document: Any) -> None:
    """Write one JSON document to stdout; numbers that are not finite become null."""
    strict = _strict(document)
    text = json.dumps(strict, indent=2, ensure_ascii=False, allow_nan=False)
    if not fits(sys.stdout, text):
        text = json.dumps(strict, indent=2, allow_nan=False)
    say(text)


def fits(stream: TextIO, text: str) -> bool:
    """Return whether a stream has all characters of a text."""
    try:
        # A stream in memory has no encoding, and takes everything.
        text.encode(stream.encoding or "utf-8", stream.errors or "strict")
    except UnicodeEncodeError:
        return False
    return True


def columns() -> int:
    """Return the width of the terminal (or COLUMNS); 100 where there is none."""
    return shutil.get_terminal_size((100, 24)).columns


def silence_stdout() -> None:
    """Drop what is still buffered, after the reader of a pipe has gone away."""
    # Otherwise the interpreter complains while it flushes at exit.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _write(stream: TextIO, text: str) -> None:
    """Write a line, at once; characters that the stream does not have are shown as escapes."""
    if not fits(stream, text):
        # A terminal of ASCII only, or a file name that is no UTF-8.
        text = text.replace("\u2022", "*").encode("ascii", "backslashreplace").decode("ascii")
    stream.write(text + "\n")
    stream.flush()


def _strict(value: Any) -> Any:
    """Return `value` without NaN and infinities, which JSON does not have."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(key): _strict(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(entry) for entry in value]
    return value
