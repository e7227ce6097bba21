"""Keep the memory that NumPy's temporaries free, instead of giving it back at every step.

With its defaults, glibc returns the top of the heap to the system as soon as a few hundred
kilobytes are free, and asks for it again at the next product: at 24-128-64-12, batch 1000, that
is over a thousand page faults a batch, and a third of the time.  Two numbers change that.  Other
systems' allocators behave otherwise, and are left alone.
"""

from __future__ import annotations

import ctypes
import sys
from functools import cache

# From malloc.h.  Setting one of them also stops glibc from adapting the two by itself.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_MEBIBYTE = 2**20


@cache
def keep_freed_memory() -> bool:
    """Tell glibc to keep up to 256 MiB that were freed; True if it was there to be told.

    It applies to the whole process, once, and takes memory from nobody: what is kept is used for
    the next arrays.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is None:
        return False
    kept = mallopt(_M_TRIM_THRESHOLD, 256 * _MEBIBYTE)
    on_heap = mallopt(_M_MMAP_THRESHOLD, 32 * _MEBIBYTE)  # the most that it accepts
    return bool(kept and on_heap)
