"""Keeping freed memory: the field allocates and frees the same arrays thousands of times.

glibc gives large blocks back to the system when they are freed and faults their pages in again at
the next allocation. On virtual machines this made the field of a small problem up to five times
slower, in some runs and not in others. Full-batch steps of the paper's size spend a fifth of their
time on it. Keeping freed memory removes that, except for a part that comes from blocks of 77 MB
which do not get the memory of earlier ones again; pages of 2 MB in place of 4 kB remove this too.
"""

from __future__ import annotations

import ctypes
import os

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


def ask_for_huge_pages() -> None:
    """Have torch ask for huge pages for large blocks, unless the user has set the variable.

    torch looks at this variable once, at its first block of 2 MB or more.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
