"""What the parsers of rows have to do with any bytes: the oracle of fuzzing.

Rows that are read in small blocks are those that are read at once, and each line of rows is kept or
rejected as modules of Python itself say, where they say anything.
"""

import csv
import io
import itertools
import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np

from ooc_train.conversion.sources.columns import Cells, Chosen, ColumnFile, SparseEntries, Table
from ooc_train.conversion.sources.files.encoding import BYTE_ORDER_MARK, spelling_of
from ooc_train.conversion.sources.files.input_file import InputFile
from ooc_train.conversion.sources.files.rejects import MAX_ROW_BYTES, Reject
from ooc_train.conversion.sources.formats.delimited import DelimitedFile
from ooc_train.conversion.sources.formats.delimited_kernel import Dialect
from ooc_train.conversion.sources.formats.json_lines import JsonLinesFile
from ooc_train.conversion.sources.formats.svmlight import MAX_COLUMN, SvmlightFile

_AT_ONCE, _SHORTEST_BLOCK, _SHORT_ROW = 2**16, 16, 60
_LABEL, _TEXT = "label", "text"
_LABEL_AND_TEXT = Chosen((1,), 0)


class Row(NamedTuple):
    """A row: its label and its content; `None` for one that is rejected."""

    label: bytes | None
    content: Any


_REJECTED = Row(None, None)


@dataclass(frozen=True)
class Parser:
    """A parser of a format; ``expected`` are the rows of a file, or `None` where nobody can say."""

    open: Callable[[InputFile, int], ColumnFile]
    expected: Callable[[bytes], list[Row] | None]
    chosen: Chosen = _LABEL_AND_TEXT


def problem(name: str, content: bytes, path: Path) -> str | None:
    """What is wrong with how some bytes are read as a format, in words; written to ``path``.

    The first byte says how large blocks and rows are; the others are the rows.
    """
    parser, size, rows = PARSERS[name], sum(content[:1]), content[1:]
    path.write_bytes(rows)
    longest = _SHORT_ROW if size % 4 == 0 else MAX_ROW_BYTES
    whole, pieces = (
        dict(_read(parser, path, longest, block_bytes))
        for block_bytes in (_AT_ONCE, _SHORTEST_BLOCK + size)
    )
    if whole != pieces:
        lines = [line for line in {*whole, *pieces} if whole.get(line) != pieces.get(line)]
        found = f"{pieces.get(min(lines))}, at once {whole.get(min(lines))}"
        return f"in blocks of {_SHORTEST_BLOCK + size} line {min(lines)} is {found}"
    if longest != MAX_ROW_BYTES or not spelling_of(rows).is_usual:
        return None  # another encoding, or returns that end lines
    expected = parser.expected(rows.removeprefix(BYTE_ORDER_MARK))
    if expected is None:
        return None
    read = [row for _, (row, _) in sorted(whole.items())]
    for number, (one, other) in enumerate(itertools.zip_longest(read, expected), 1):
        if one != other:
            return f"row {number} is {one}, and should be {other}"
    return None


def _read(
    parser: Parser, path: Path, longest: int, block_bytes: int
) -> Iterator[tuple[int, tuple[Row, str]]]:
    """The rows by their lines, each with the reason for which it is rejected."""
    opened = parser.open(InputFile(path), longest)
    for piece, _ in opened.read(parser.chosen, block_bytes):
        if isinstance(piece, Reject):
            yield piece.line, (_REJECTED, piece.reason)
        if not isinstance(piece, Table):
            continue
        for row, line in enumerate(piece.lines.tolist()):
            reason = piece.reasons.get(row, "")
            yield line, (_REJECTED if reason else _row(piece, row), reason)


def _row(table: Table, row: int) -> Row:
    label = table.labels.distinct[table.labels.numbers[row]]
    if isinstance(table.columns, Cells):
        return Row(label, table.columns.cell(row, 0))
    entries = cast(SparseEntries, table.columns)
    part = slice(*entries.offsets[row : row + 2])
    return Row(label, [*zip(entries.columns[part].tolist(), entries.values[part].tolist(),
                            strict=True)])  # fmt: skip


# ---- What Python itself says.


def _delimited(delimiter: str) -> Callable[[bytes], list[Row] | None]:
    def expected(content: bytes) -> list[Row] | None:
        if b"\0" in content or BYTE_ORDER_MARK in content or re.search(rb"\r(?!\n)", content):
            return None  # Python keeps the first two, and ends lines at the other
        file = io.StringIO(content.decode("latin-1"), newline="")
        try:
            rows = [row for row in csv.reader(file, delimiter=delimiter, strict=True) if row]
        except csv.Error:
            return None  # one broken quote may cost Python all rows, and this package a line
        return [
            Row(*(field.encode("latin-1") for field in row)) if len(row) == 2 else _REJECTED
            for row in rows
        ]

    return expected


def _json_lines(content: bytes) -> list[Row]:
    return [_json_row(line) for line in content.split(b"\n") if line.strip()]


def _json_row(line: bytes) -> Row:
    try:
        found = json.loads(line.decode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError):
        return _REJECTED
    if type(found) is not dict:
        return _REJECTED
    label, text = (
        None if isinstance(value, float) and math.isnan(value) else value
        for value in (found.get(_LABEL), found.get(_TEXT))
    )
    if isinstance(label, bool):
        label = "true" if label else "false"
    elif isinstance(label, float):
        label = int(label) if label.is_integer() else []
    if isinstance(text, bool | list | dict) or isinstance(label, list | dict):
        return _REJECTED
    return Row(_encoded(label), _encoded(text))


def _encoded(value: Any) -> bytes:
    text = "" if value is None else str(value)
    for errors in ("strict", "surrogateescape", "surrogatepass"):
        try:
            return text.encode("utf-8", errors)
        except UnicodeEncodeError:
            continue
    return b""


def _svmlight(content: bytes) -> list[Row] | None:
    if re.search(rb"[^ -~\t\r\n]", content):
        return None  # which control characters are spaces is for the package to say
    rows = [line.partition(b"#")[0].split() for line in content.split(b"\n")]
    return [_svmlight_row(*row) for row in rows if row]


def _svmlight_row(label: bytes, *parts: bytes) -> Row:
    entries: list[tuple[int, float]] = []
    for place, part in enumerate(parts):
        if place or not part.startswith(b"qid:"):
            digits, _, numeral = part.partition(b":")
            value = _float32(numeral)
            column = int(digits) if digits.isdigit() and len(digits) < 1000 else -1
            last = entries[-1][0] if entries else -1
            if value is None or not last < column <= MAX_COLUMN:
                return _REJECTED
            entries.append((column, value))
    if re.search(rb"[:,]", label):
        return _REJECTED
    return Row(label, entries)


def _float32(numeral: bytes) -> float | None:
    value = _number(numeral)
    with np.errstate(over="ignore"):
        rounded = None if value is None else float(np.float32(value))
    return rounded if rounded is not None and math.isfinite(rounded) else None


def _number(numeral: bytes) -> float | None:
    try:
        return None if b"_" in numeral else float(numeral)
    except ValueError:
        return None


PARSERS = {
    "csv": Parser(
        lambda file, longest: DelimitedFile(file=file, format="csv", names=(), n_fields=2,
                                            dialect=Dialect(","), max_row_bytes=longest),
        _delimited(","),
    ),
    "tsv": Parser(
        lambda file, longest: DelimitedFile(file=file, format="tsv", names=(), n_fields=2,
                                            dialect=Dialect("\t"), max_row_bytes=longest),
        _delimited("\t"),
    ),
    "jsonl": Parser(
        lambda file, longest: JsonLinesFile(file=file, format="jsonl", names=(_LABEL, _TEXT),
                                            paths=((_LABEL,), (_TEXT,)), max_row_bytes=longest),
        _json_lines,
    ),
    "svm": Parser(
        lambda file, longest: SvmlightFile(file=file, format="svmlight", names=(),
                                           max_row_bytes=longest),
        _svmlight,
        Chosen(()),
    ),
}  # fmt: skip
