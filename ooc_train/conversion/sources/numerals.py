"""Numerals to float32: what Python's ``float`` makes of them, rounded once more.

The kernel multiplies the digits with a power of ten, which may be wrong by some units in the last
place of a float64.  Where that could change the float32, or where the numeral is none that it
knows, it says so, and `float` decides.
"""

import re

import numpy as np

from ooc_train.conversion.sources.columns import Cells
from ooc_train.dtypes import F32, F64, I64, U8, Bools
from ooc_train.jit import kernel

_NUMERAL = re.compile(
    rb"\s*[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|nan|inf|infinity)\s*", re.IGNORECASE
)

POWERS: F64 = np.array([float(10**k) for k in range(23)])
"""Of ten, exact as float64; for `parse_number`."""
_MOST_DIGITS = 18
_LEAST, _MOST = 1e-37, 3e38  # well within float32
_DOUBT = 1e-15
_ZERO, _NINE, _DOT, _PLUS, _MINUS, _SPACE = 48, 57, 46, 43, 45, 32
_EXPONENT, _CASE = 101, 32


def number(numeral: bytes) -> float | None:
    """A numeral's value; ``None`` if it is none.

    >>> number(b" 1e3"), number(b"1_0")
    (1000.0, None)
    """
    return float(numeral) if _NUMERAL.fullmatch(numeral) else None


def parse_table(cells: Cells, n_columns: int) -> tuple[F32, dict[int, str]]:
    """The first columns' numerals, (n_rows, n_columns) float32, and what is wrong by rows."""
    values = np.empty((len(cells.starts), n_columns), np.float32)
    is_parsed = np.empty(len(values), np.bool_)
    _parse_table(*cells, values, is_parsed, POWERS)
    problems: dict[int, str] = {}
    for row in np.flatnonzero(~is_parsed).tolist():
        numerals = [cells.cell(row, column) for column in range(n_columns)]
        found = [number(numeral) for numeral in numerals]
        if None in found:
            odd = numerals[found.index(None)].decode("utf-8", "replace")
            problems[row] = f"{odd!r} is not a number"
        else:
            with np.errstate(over="ignore"):
                values[row] = np.array(found, np.float64)
    return values, problems


@kernel
def parse_number(  # noqa: C901, PLR0911, PLR0912 - a call a digit would be slow
    data: U8, i: int, stop: int, powers: F64
) -> tuple[float, int]:
    """The number that begins at ``i`` and where it ends; -1 where that is for `number` to say."""
    negative = False
    if i < stop and (data[i] == _MINUS or data[i] == _PLUS):
        negative = data[i] == _MINUS
        i += 1
    digits, n_digits, n_seen, exponent = np.uint64(0), 0, 0, 0
    after_dot = False
    while i < stop:
        byte = data[i]
        if _ZERO <= byte <= _NINE:
            n_seen += 1
            n_digits += n_digits > 0 or byte != _ZERO
            digits = digits * np.uint64(10) + np.uint64(byte - _ZERO)
            exponent -= after_dot
        elif byte == _DOT and not after_dot:
            after_dot = True
        else:
            break
        i += 1
    if n_seen == 0 or n_digits > _MOST_DIGITS:
        return 0.0, -1
    if i < stop and data[i] | _CASE == _EXPONENT:
        i += 1
        down = i < stop and data[i] == _MINUS
        i += i < stop and (data[i] == _MINUS or data[i] == _PLUS)
        power, first = 0, i
        while i < stop and _ZERO <= data[i] <= _NINE and power < 1000:
            power = 10 * power + data[i] - _ZERO
            i += 1
        if i == first:
            return 0.0, -1
        exponent += -power if down else power
    if digits == 0:
        return -0.0 if negative else 0.0, i
    if not -len(powers) < exponent < len(powers):
        return 0.0, -1
    value = float(digits)
    value = value * powers[exponent] if exponent >= 0 else value / powers[-exponent]
    if not _LEAST < value < _MOST:
        return 0.0, -1
    # As float has it where the digits fit a float64; else either of two float32 may be right.
    is_in_doubt = np.float32(value * (1 - _DOUBT)) != np.float32(value * (1 + _DOUBT))
    if is_in_doubt and digits >= np.uint64(2**53):
        return 0.0, -1
    return -value if negative else value, i


@kernel
def _parse_table(
    data: U8, starts: I64, stops: I64, values: F32, is_parsed: Bools, powers: F64
) -> None:
    """Fill ``values``; where ``is_parsed`` is false, the row is for `number` to say."""
    for row in range(len(values)):
        is_parsed[row] = True
        for column in range(values.shape[1]):
            i, stop = starts[row, column], stops[row, column]
            while i < stop and data[i] == _SPACE:
                i += 1
            value, i = parse_number(data, i, stop, powers)
            values[row, column] = value
            while 0 <= i < stop and data[i] == _SPACE:
                i += 1
            if i != stop:
                is_parsed[row] = False
                break
