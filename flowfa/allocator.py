"""Keeping freed memory: the field allocates and frees the same arrays thousands of times.

glibc gives large blocks back to the system when they are freed and faults their pages in again at
the next allocation. On virtual machines this made the field of a small problem up to five times
slower, in some runs and not in others.
"""

from __future__ import annotations

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEEP = 2**30
"""Blocks and free memory up to this many bytes stay with the process."""


def keep_freed_memory() -> bool:
    """Tell the C library to keep freed memory; return whether it has such a setting.

    It holds for the whole process, so the command line asks for it, and the library does not.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _KEEP) and mallopt(_TRIM_THRESHOLD, _KEEP))
