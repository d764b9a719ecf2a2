"""Parameters that make libx264 give the same bytes every time, also on processors with AVX-512.

Its AVX-512 code gives, now and then, a key frame of another size for the same picture: 3 of 600 and 46 of 2,700 short
encodes on a busy machine, none of 600 with the instructions up to AVX2, whose bytes are otherwise the same.
"""

from functools import cache
from pathlib import Path

UP_TO_AVX2 = "asm=SSE2,SSSE3,SSE4.2,AVX,AVX2"


@cache
def steady() -> str:
    """A value of `x264-params`, empty where nothing has to be said."""
    try:
        flags = Path("/proc/cpuinfo").read_text("ascii", "replace")
    except OSError:
        return ""
    return UP_TO_AVX2 if "avx512f" in flags else ""
