"""UTF-8 decoded by kernels, one code point at a time; Python's decoder finds the same errors."""

import numpy as np

from ooc_train.dtypes import U8
from ooc_train.jit import kernel


@kernel
def has_high_bytes(text: U8) -> bool:
    """Whether any byte is beyond ASCII."""
    seen = np.uint8(0)
    for byte in text:
        seen |= byte
    return bool(seen >= 128)


@kernel
def decode(text: U8, i: int, stop: int) -> tuple[int, int]:
    """The code point at ``i`` and its width in bytes; -1 where UTF-8 is broken.

    A broken character is as wide as the bytes that Python's ``errors="replace"`` replaces by one
    U+FFFD: the longest beginning of a valid character (Unicode 15, section 3.9, "maximal subpart").
    """
    lead = np.int64(text[i])
    if lead < 0x80:
        return lead, 1
    least, most = 0x80, 0xBF  # of the second byte: neither overlong, nor a surrogate, nor too large
    if 0xC2 <= lead < 0xE0:
        width, point = 2, lead & 0x1F
    elif 0xE0 <= lead < 0xF0:
        width, point = 3, lead & 0x0F
        least = 0xA0 if lead == 0xE0 else 0x80
        most = 0x9F if lead == 0xED else 0xBF
    elif 0xF0 <= lead < 0xF5:
        width, point = 4, lead & 0x07
        least = 0x90 if lead == 0xF0 else 0x80
        most = 0x8F if lead == 0xF4 else 0xBF
    else:
        return -1, 1
    for k in range(1, width):
        if i + k >= stop:
            return -1, k
        byte = np.int64(text[i + k])
        if byte < least or byte > most:
            return -1, k
        point = (point << 6) | (byte & 0x3F)
        least, most = 0x80, 0xBF
    return point, width
