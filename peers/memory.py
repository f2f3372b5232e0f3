"""Keeps freed memory in the process, so that PyTorch on the CPU does not pay for fresh pages at every step.

PyTorch gives large tensors back to the C library, which by default returns them to the system at once; the
next step then faults every page in again. On the padded taggers this costs up to 60 % of the time (scoring
1,024 jets with ParticleNet-Lite: 2,460 ms by default, 900 ms with this, one core). A peer must not lose by a
setting, so every peer turns it off before its first tensor.
"""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD = -1
M_TOP_PAD = -2
M_MMAP_MAX = -4


def keep_freed_memory() -> bool:
    """Tells glibc to keep what is freed; returns whether it could (false on other systems)."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:  # another C library
        return False
    no_mapping = mallopt(M_MMAP_MAX, 0)  # large blocks from the heap too
    no_trimming = mallopt(M_TRIM_THRESHOLD, -1)
    in_large_steps = mallopt(M_TOP_PAD, 64 << 20)
    return bool(no_mapping and no_trimming and in_large_steps)
