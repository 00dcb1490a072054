"""Numerals to float32: the value that Python's ``float`` has, rounded once more.

The kernel multiplies the digits with a power of ten, which may be wrong by some units in the last
place of a float64.  Where that could change the float32, or where it does not know the numeral, it
says so, and ``float`` decides.
"""

import re

import numpy as np

from ooc_train.conversion.sources.columns import Cells
from ooc_train.dtypes import F32, F64, I64, U8, Bools
from ooc_train.jit import inner_kernel, kernel

_NUMERAL = re.compile(
    rb"\s*[+-]?(?:(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?|nan|inf|infinity)\s*", re.IGNORECASE
)

POWERS: F64 = np.array([float(10**k) for k in range(23)])
"""The powers of ten that are exact as float64, for `parse_number`."""
_SHOWN_BYTES = 100
_MOST_DIGITS = 18
_LEAST, _MOST = 1e-37, 3e38  # well within float32
_DOUBT = 1e-15
_ZERO, _NINE, _DOT, _PLUS, _MINUS, _SPACE = 48, 57, 46, 43, 45, 32
_EXPONENT, _CASE = 101, 32
_MOST_DIGIT, _MOST_POWER = 9, 1000


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
            odd = numerals[found.index(None)][:_SHOWN_BYTES].decode("utf-8", "replace")
            problems[row] = f"{odd!r} is not a number"
        else:
            with np.errstate(over="ignore"):
                values[row] = np.array(found, np.float64)
    return values, problems


@inner_kernel
def parse_number(  # noqa: C901, PLR0911, PLR0912 - a call for each digit would be slow
    data: U8, i: int, stop: int, powers: F64
) -> tuple[float, int]:
    """The number that begins at ``i`` and where it ends; -1 where that is for `number` to say."""
    negative = False
    if i < stop and (data[i] == _MINUS or data[i] == _PLUS):
        negative = data[i] == _MINUS
        i += 1
    digits, first, dot = np.uint64(0), i, -1
    while i < stop:
        digit = np.uint64(data[i]) - np.uint64(_ZERO)  # above nine for every byte that is no digit
        if digit <= np.uint64(_MOST_DIGIT):
            digits = digits * np.uint64(10) + digit
        elif data[i] == _DOT and dot < 0:
            dot = i
        else:
            break
        i += 1
    n_digits = i - first - (dot >= 0)
    if n_digits == 0:
        return 0.0, -1  # no numeral, or one in words
    if n_digits > _MOST_DIGITS:
        # Zeros in front do not count; more digits than these may not fit a uint64.
        while first < i and (data[first] == _ZERO or data[first] == _DOT):
            n_digits -= data[first] == _ZERO
            first += 1
        if n_digits > _MOST_DIGITS:
            return 0.0, -1
    exponent = dot + 1 - i if dot >= 0 else 0
    if i < stop and data[i] | _CASE == _EXPONENT:
        i += 1
        down = i < stop and data[i] == _MINUS
        i += i < stop and (data[i] == _MINUS or data[i] == _PLUS)
        power, first = 0, i
        while i < stop and _ZERO <= data[i] <= _NINE and power < _MOST_POWER:
            power = 10 * power + data[i] - _ZERO
            i += 1
        if i == first:
            return 0.0, -1
        exponent += -power if down else power
    if digits == 0:
        return -0.0 if negative else 0.0, i  # whatever the exponent
    if not -len(powers) < exponent < len(powers):
        return 0.0, -1  # no exact power of ten
    value = float(digits)
    value = value * powers[exponent] if exponent >= 0 else value / powers[-exponent]
    if not _LEAST < value < _MOST:
        return 0.0, -1  # near the ends of float32
    # Of fewer digits the value is rounded once, as float has it.  Of so many it may be wrong by
    # some units in the last place; if these decide between two float32, either may be right.
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
