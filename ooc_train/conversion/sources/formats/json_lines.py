"""JSON Lines: an object a line, whose fields are the columns; or one array of such objects.

Fields of objects within a row are called by their path, such as ``review.body``, unless a field of
the row has that name.

A text is a string, or a number; where it is null, NaN or left out it is missing.  Labels are
strings, whole numbers or booleans; a row without one is rejected, and so is what is no object.
Blank lines are counted, and are no rows.
"""

import functools
import itertools
import json
import math
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from operator import getitem, itemgetter
from typing import Any, BinaryIO, cast

import numpy as np
import orjson

from ooc_train.conversion.sources.columns import Cells, Chosen, ColumnFile, Piece, Table
from ooc_train.conversion.sources.files.buffer import first_lines, range_blocks
from ooc_train.conversion.sources.files.input_file import InputFile
from ooc_train.conversion.sources.files.ranges import Range, RangeEnd
from ooc_train.conversion.sources.files.rejects import Blank, Place, UnfitError, too_long
from ooc_train.conversion.sources.formats.json_array import ArrayLines, array_lines
from ooc_train.conversion.sources.layout import LayoutOptions
from ooc_train.conversion.sources.rows import SpelledLabels
from ooc_train.errors import EmptyInputError, InputError

Path = tuple[str, ...]
"""The names that lead to a field: of a row, or of an object within."""

_SAMPLE_ROWS = 50
_MOST_DEPTH, _MOST_WITHIN = 16, 10_000  # fields of objects within a row that can be chosen
_BEGINNING_BYTES = 512
_LONG_BYTES = 2**18
MAX_VALUES = 500_000
"""The most values of a long row: as objects of Python they take up to 25 times as much as text."""
_MOST_INTEGER = 2.0**63
_QUOTE, _COMMA, _COLON = 34, 44, 58
_SPELLED: dict[type, Callable[[Any], bytes]] = {int: b"%d".__mod__}
"""The bytes of values that are the same as a text and as a label."""


@dataclass(frozen=True, kw_only=True)
class JsonLinesFile(ColumnFile):
    """One file of objects; ``names`` are the fields of the first ones.

    ``paths`` are the names that lead to each: one, and more to the fields of objects within.
    """

    paths: tuple[Path, ...]
    is_array: bool = False

    noun = "field"

    @property
    def n_columns(self) -> int:
        """The number of fields, without those of objects within."""
        return sum(len(path) == 1 for path in self.paths)

    @property
    def is_divisible(self) -> bool:
        """Whether its text can be read from any byte on; of an array, not."""
        return not self.is_array and self.file.is_divisible

    def read_range(
        self, chosen: Chosen, block_bytes: int, part: Range
    ) -> Iterator[tuple[Piece | RangeEnd, int]]:
        """The rows that begin in a range, and where they are."""
        text = [self.paths[column] for column in chosen.columns]
        label = self.paths[chosen.label] if chosen.label >= 0 else None
        left_out = None
        if chosen.carried is not None:
            left_out = {self.names[column] for column in chosen.columns}.difference(chosen.carried)
        parser = _Parser(text, label, self.max_row_bytes, left_out, part.first_line)
        size = part.buffer_bytes(block_bytes)

        def pieces(stream: BinaryIO) -> Iterator[Piece | RangeEnd]:
            lines = cast(BinaryIO, ArrayLines(stream)) if self.is_array else stream
            for block in range_blocks(lines, size, self.max_row_bytes, part):
                if not isinstance(block, RangeEnd):
                    yield parser.parse(block)
                    continue
                if parser.n_blank and not self.is_array:
                    yield Blank(parser.n_blank)
                yield block._replace(line=parser.line)

        return self.file.parsed(pieces, part.first_byte)

    def place(self, line: int) -> Place:
        """The place of a row: its line, or its number in an array."""
        found = super().place(line)
        return found._replace(unit="row") if self.is_array else found


class _Parser:
    """Makes tables of lines, of which ``line`` is the next, and ``n_blank`` were blank.

    Rows carry all fields but those that are ``left_out``; none where that is ``None``.
    """

    def __init__(
        self,
        text: Sequence[Path],
        label: Path | None,
        max_row_bytes: int,
        left_out: Collection[str] | None,
        first_line: int,
    ) -> None:
        self._text = text
        self._label = label
        self._max_row_bytes = max_row_bytes
        self._left_out = left_out
        self.line = first_line
        self.n_blank = 0
        paths = [*text] if label is None else [*text, label]
        self._n_cells = len(paths)
        self._values = _getter(paths)

    def parse(self, block: bytes) -> Table:
        """The rows of whole lines.

        Rows that cannot be used have a reason and empty cells.
        """
        cells: list[bytes] = []
        lines: list[bytes] = []
        numbers: list[int] = []
        reasons: dict[int, str] = {}
        missing: list[int] = []
        plain = min(self._max_row_bytes, _LONG_BYTES)
        for number, line in enumerate(block.split(b"\n")[:-1], self.line):
            if not line or (line.isspace() and len(line) <= self._max_row_bytes):
                continue
            # The usual values, written out: a call for each row would take a third as long again.
            # Long lines are looked at before they are parsed.
            try:
                for value in self._values(orjson.loads(line if len(line) <= plain else b"")):
                    kind = type(value)
                    cells.append(value.encode() if kind is str else _SPELLED[kind](value))
            except (ValueError, TypeError, KeyError):
                del cells[len(lines) * self._n_cells :]
                cells += self._any_cells(line, len(lines), reasons, missing)
            lines.append(line)
            numbers.append(number)
        n_lines = block.count(b"\n")
        self.line += n_lines
        self.n_blank += n_lines - len(lines)
        found = Cells.of(cells, self._n_cells)
        labels = SpelledLabels.none(len(lines))
        if self._label is not None:
            labels = found.labels(len(self._text))
        return Table(
            np.array(numbers, np.int64),
            labels,
            found,
            reasons=reasons,
            raw=lines.__getitem__,
            carried=None if self._left_out is None else list(map(self._carried, lines)),
            missing=missing,
        )

    def _any_cells(
        self, line: bytes, position: int, reasons: dict[int, str], missing: list[int]
    ) -> list[bytes]:
        """The cells of any line; if it is no row, they are empty and it is given a reason.

        A row without any text is noted as ``missing``.
        """
        try:
            row = _object(line, self._max_row_bytes)
            cells = [_text(row, path) for path in self._text]
            if all(_is_missing(_value(row, path)) for path in self._text):
                missing.append(position)
            return cells if self._label is None else [*cells, _spelled_label(row, self._label)]
        except UnfitError as error:
            reasons[position] = str(error)
            return [b""] * self._n_cells

    def _carried(self, line: bytes) -> dict[str, Any]:
        """The fields that a row carries; none of a line that is no object."""
        try:
            row = _object(line, self._max_row_bytes)
        except UnfitError:
            return {}
        return {name: value for name, value in row.items() if name not in (self._left_out or ())}


def _getter(paths: Sequence[Path]) -> Callable[[dict[str, Any]], Sequence[Any]]:
    """A function that gives the values of a row at some paths; it fails where one is not there."""
    if any(len(path) > 1 for path in paths):
        return lambda row: [functools.reduce(getitem, path, row) for path in paths]
    names = [path[0] for path in paths]
    return itemgetter(*names) if len(names) > 1 else lambda row: (row[names[0]],)


def open_json_lines(file: InputFile, options: LayoutOptions) -> JsonLinesFile:
    """Look into a file for the fields of its first rows, in the order in which they are met."""
    names: dict[str, None] = {}
    within: dict[Path, None] = {}
    problem = ""
    is_array = file.sample(_BEGINNING_BYTES).lstrip().startswith(b"[")
    lines, is_all = first_lines(file, options.max_row_bytes, array_lines if is_array else bytes)
    rows: list[dict[str, Any]] = []
    for number, line in enumerate((line.rstrip(b"\n") for line in lines), 1):
        if number > _SAMPLE_ROWS and names:
            break
        try:
            if line.strip():
                rows.append(_object(line, options.max_row_bytes))
                names |= dict.fromkeys(rows[-1])
                within |= dict.fromkeys(itertools.islice(_paths_within(rows[-1]), _MOST_WITHIN))
        except UnfitError as error:
            problem = problem or f"line {number}: {error}"
    paths = [*((name,) for name in names), *(p for p in within if ".".join(p) not in names)]
    if (
        is_all
        and len(rows) == 1
        and names
        and not {".".join(path) for path in paths[len(names) :]}.intersection(options.names)
        and all(type(v) in (dict, list) for v in rows[0].values())
    ):
        raise InputError(
            f"{file.path} is one object, with a column in each field; write an object for each "
            f"row, as pandas does with orient='records', lines=True"
        )
    if names:
        return JsonLinesFile(
            file=file,
            format="jsonl",
            names=tuple(".".join(path) for path in paths),
            paths=tuple(paths),
            max_row_bytes=options.max_row_bytes,
            is_array=is_array,
        )
    if not problem:
        raise EmptyInputError(f"{file.path} is empty; it must hold one JSON object a line")
    raise InputError(
        f"{file.path}, {problem}; one JSON object a line is expected, or an array of objects (jq "
        f"-c . puts each on a line)"
    )


def _paths_within(row: dict[str, Any], path: Path = ()) -> Iterator[Path]:
    """The paths to the fields of objects within a row."""
    for name, value in row.items():
        if path:
            yield (*path, name)
        if type(value) is dict and len(path) < _MOST_DEPTH:
            yield from _paths_within(value, (*path, name))


def _object(line: bytes, max_row_bytes: int) -> dict[str, Any]:
    if len(line) > max_row_bytes:
        raise UnfitError(too_long("row", max_row_bytes))
    if len(line) > _LONG_BYTES and _n_values(line) > MAX_VALUES:
        raise UnfitError(f"the row has more than {MAX_VALUES:,} values")
    try:
        found = orjson.loads(line)
        if type(found) is dict and _is_inexact(found):
            found = _parsed_leniently(line)
    except orjson.JSONDecodeError:
        found = _parsed_leniently(line)
    if type(found) is not dict:
        raise UnfitError(f"found {_KINDS.get(type(found), 'null')}, not an object")
    return found


def _is_inexact(value: Any) -> bool:
    """Whether a number, here or within, may stand for a whole one of more than 64 bits."""
    if type(value) is dict:
        return any(map(_is_inexact, value.values()))
    return type(value) is float and abs(value) >= _MOST_INTEGER


def _n_values(line: bytes) -> int:
    """About how many values a line has: commas and colons outside of strings."""
    if line.count(b",") + line.count(b":") <= MAX_VALUES:
        return 0  # few even if none is in a string
    unescaped = line.replace(rb"\\", b"").replace(rb"\"", b"")
    points = np.frombuffer(unescaped, np.uint8)
    inside = np.logical_xor.accumulate(points == _QUOTE)
    return int(np.count_nonzero(~inside & ((points == _COMMA) | (points == _COLON))))


def _parsed_leniently(line: bytes) -> Any:
    """The line as the standard library reads it: with NaN, and here with broken UTF-8."""
    try:
        return json.loads(line.decode("utf-8", "surrogateescape"))
    except json.JSONDecodeError as error:
        raise UnfitError(f"not JSON: {error.msg} at character {error.colno}") from error
    except (RecursionError, ValueError) as error:
        raise UnfitError(f"not JSON that can be read: {error}") from error


def _is_missing(value: Any) -> bool:
    """Whether a value is null, as a field is that was left out, or NaN."""
    return value is None or (type(value) is float and math.isnan(value))


def _value(row: dict[str, Any], path: Path) -> Any:
    """The value at a path; ``None`` where a field on the way is null or left out."""
    found: Any = row
    for depth, name in enumerate(path):
        if found is None:
            return None
        if type(found) is not dict:
            kind = _KINDS[type(found)]
            raise UnfitError(f"the field {'.'.join(path[:depth])!r} is {kind}, not an object")
        found = found.get(name)
    return found


def _text(row: dict[str, Any], path: Path) -> bytes:
    value = _value(row, path)
    if type(value) is str:
        return _encoded(value)
    if _is_missing(value):
        return b""
    if type(value) in (int, float):
        return str(value).encode()
    name = ".".join(path)
    raise UnfitError(f"the field {name!r} is {_KINDS[type(value)]}, not a text")


def _spelled_label(row: dict[str, Any], path: Path) -> bytes:
    value = _value(row, path)
    if type(value) is str:
        return _encoded(value)
    if type(value) is int:
        return b"%d" % value
    if _is_missing(value):
        return b""
    if type(value) is bool:
        return b"true" if value else b"false"
    if type(value) is float and value.is_integer():
        return b"%d" % value
    name = ".".join(path)
    raise UnfitError(f"the label {name!r} is {_KINDS[type(value)]}, not a string or whole number")


def _encoded(text: str) -> bytes:
    """UTF-8, broken where it was broken, so that it is counted with what is broken elsewhere."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        pass
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half of a surrogate pair, spelled as an escape
        return text.encode("utf-8", "surrogatepass")


_KINDS = {
    dict: "an object",
    list: "an array",
    str: "a string",
    int: "a number",
    float: "a number",
    bool: "true or false",
}
