"""What fits into memory, known before the work begins."""

from __future__ import annotations

import math
from pathlib import Path

from flowfa.errors import InputError


def check_fits(needed: int, needs: str, remedy: str) -> None:
    """Refuse work that does not fit into memory.

    Parameters
    ----------
    needed : int
        Bytes.
    needs : str
        What needs them, with its verb and ``{}`` for their number: ``"a record needs {}"``.
    remedy : str
        What to ask for instead.

    Raises
    ------
    InputError
        If more is needed than is free, with both numbers. Where the system does not say how much
        is free, everything fits.
    """
    free = free_memory()
    if free is not None and needed > free:
        requirement = needs.format(f"about {readable(needed)} of memory")
        raise InputError(f"{requirement} and {readable(free)} are free: {remedy}")


def free_memory() -> int | None:
    """Return the bytes that processes may still take; None where the system does not say."""
    try:
        table = Path("/proc/meminfo").read_text().splitlines()
        kibibytes = next(line.split()[1] for line in table if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return None
    return 1024 * int(kibibytes)


def readable(count: int) -> str:
    """Return a number of bytes in the unit that suits it, such as ``1.5 GiB``."""
    units = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
    power = min(int(math.log(max(count, 1), 1024)), len(units) - 1)
    return f"{count / 1024**power:.3g} {units[power]}"
