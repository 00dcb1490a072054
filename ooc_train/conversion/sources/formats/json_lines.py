"""JSON Lines: an object a line, of whose fields some are the text and one is the label.

A text is a string, or a number; where it is null or missing it is empty, as an empty column of a
CSV file is.  Labels are strings, whole numbers or booleans, as they are spelled; a row without one
is rejected, and so is what is no object.  Blank lines are passed over.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

import orjson

from ooc_train.conversion.sources.choice import named_columns
from ooc_train.conversion.sources.files.input_file import InputFile
from ooc_train.conversion.sources.files.rejects import MAX_ROW_BYTES, Reject
from ooc_train.conversion.sources.formats.file_source import FileSource
from ooc_train.conversion.sources.layout import LayoutOptions
from ooc_train.conversion.sources.rows import TextRows
from ooc_train.errors import InputError, OptionError

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_SAMPLE_BYTES = 2**16
_SAMPLE_ROWS = 50
_SPELLED: dict[type, Callable[[Any], bytes]] = {int: b"%d".__mod__}


class _UnfitError(Exception):
    """Why a line is no row."""


@dataclass(frozen=True)
class JsonLinesFile(FileSource):
    """One file of objects, plain or compressed."""

    text: tuple[str, ...]
    label: str | None
    others: tuple[str, ...] | None = None
    """The fields that are not text, of the first rows; if there are any, rows carry all theirs."""

    @property
    def layout(self) -> dict[str, Any]:
        """Fields by their names."""
        return {"format": "jsonl", "text": list(self.text), "label": self.label}

    @property
    def carried(self) -> tuple[str, ...]:
        """The fields that are not text, of the first rows."""
        return self.others or ()

    def read(self, block_bytes: int) -> Iterator[tuple[TextRows | Reject, int]]:
        """Blocks of rows of about ``block_bytes`` of source each, and rejects.

        Memory: four times ``block_bytes``, or of the longest line (at most ``MAX_ROW_BYTES``).
        """
        position, first_line = 0, 1
        with self.file.open() as (stream, file):
            for lines in self.file.readable(_line_blocks(stream, block_bytes)):
                rows, rejects = self._parse(lines, first_line)
                first_line += len(lines)
                for reject in rejects:
                    yield reject, 0
                progress = file.tell() - position
                position += progress
                if len(rows):
                    yield rows, progress

    def _parse(self, lines: list[bytes], first_line: int) -> tuple[TextRows, list[Reject]]:
        texts: list[bytes] = []
        labels: list[bytes] = []
        numbers: list[int] = []
        carried: list[dict[str, Any]] = []
        rejects: list[Reject] = []
        for number, line in enumerate(lines, first_line):
            if not line or line.isspace():
                continue
            try:
                text, label = self._plain_row(line) or self._any_row(line)
            except _UnfitError as error:
                rejects.append(Reject(number, str(error), line[:MAX_ROW_BYTES]))
                continue
            texts.append(text)
            labels.append(label)
            numbers.append(number)
            if self.others is not None:
                row = _object(line)
                carried.append({name: row[name] for name in row if name not in self.text})
        return replace(TextRows.of(texts, labels, numbers), carried=carried or None), rejects

    def _plain_row(self, line: bytes) -> tuple[bytes, bytes] | None:
        """Text and label where they are the usual: strings, and a string or an integer."""
        try:
            row = orjson.loads(line)
            text = ", ".join([row[name] for name in self.text]).encode()
            label = row[self.label] if self.label else ""
            label = label.encode() if type(label) is str else _SPELLED[type(label)](label)
        except (ValueError, TypeError, KeyError):
            return None
        return None if len(line) > MAX_ROW_BYTES or b"\0" in text else (text, label)

    def _any_row(self, line: bytes) -> tuple[bytes, bytes]:
        """Text and label whatever they are; ``_UnfitError`` says what is wrong."""
        row = _object(line)
        text = b", ".join([_text(row, name) for name in self.text])
        if b"\0" in text:
            raise _UnfitError("the row contains a NUL byte")
        return text, _label(row, self.label) if self.label else b""


def find_json_lines(file: InputFile, options: LayoutOptions) -> JsonLinesFile:
    """Look into a file and decide which of its fields are text and which is the label."""
    if options.header:
        raise OptionError(f"{file.path} has fields with names and no header; leave out --header")
    names = _field_names(file)
    text, label = named_columns(file.path, names, options, what="field")
    others = tuple(name for name in names if name not in text) if options.carry else None
    return JsonLinesFile(file, text, label, others)


def _field_names(file: InputFile) -> list[str]:
    """The fields of the first rows in the order in which they are met."""
    sample, size = b"", _SAMPLE_BYTES
    while b"\n" not in sample.strip() and len(sample) < size <= 8 * MAX_ROW_BYTES:
        sample, size = file.sample(size), 8 * size
    names: dict[str, None] = {}
    problem = ""
    for number, line in enumerate(sample.removeprefix(_BYTE_ORDER_MARK).split(b"\n"), 1):
        if number > _SAMPLE_ROWS and names:
            break
        try:
            names |= dict.fromkeys(_object(line) if line.strip() else ())
        except _UnfitError as error:
            problem = problem or f"line {number}: {error}"
    if names:
        return list(names)
    if not problem:
        raise InputError(f"{file.path} is empty; it must hold one JSON object a line")
    raise InputError(
        f"{file.path}, {problem}; one JSON object a line is expected (jq -c '.[]' makes them of an "
        f"array)"
    )


def _line_blocks(stream: BinaryIO, block_bytes: int) -> Iterator[list[bytes]]:
    """All lines, without what ends them; of lines too long to be rows the beginning is enough."""
    rest, at_start = b"", True
    while piece := stream.read(block_bytes):
        *lines, rest = (rest + piece).split(b"\n")
        if at_start and lines:
            lines[0], at_start = lines[0].removeprefix(_BYTE_ORDER_MARK), False
        rest = rest[: MAX_ROW_BYTES + 1]
        yield lines
    yield [rest.removeprefix(_BYTE_ORDER_MARK) if at_start else rest]


def _object(line: bytes) -> dict[str, Any]:
    if len(line) > MAX_ROW_BYTES:
        raise _UnfitError(f"the row is longer than {MAX_ROW_BYTES:,} bytes")
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        found = _parsed_leniently(line)
    if type(found) is not dict:
        raise _UnfitError(f"found {_KINDS.get(type(found), 'null')}, not an object")
    return found


def _parsed_leniently(line: bytes) -> Any:
    """What the standard library makes of a line: it takes NaN, and here broken UTF-8 too."""
    try:
        return json.loads(line.decode("utf-8", "surrogateescape"))
    except json.JSONDecodeError as error:
        raise _UnfitError(f"not JSON: {error.msg} at character {error.colno}") from error
    except (RecursionError, ValueError) as error:
        raise _UnfitError(f"not JSON that can be read: {error}") from error


def _text(row: dict[str, Any], name: str) -> bytes:
    value = row.get(name)
    if type(value) is str:
        return _encoded(value)
    if value is None:
        return b""
    if type(value) in (int, float):
        return str(value).encode()
    raise _UnfitError(f"the field {name!r} is {_KINDS[type(value)]}, not a text")


def _label(row: dict[str, Any], name: str) -> bytes:
    value = row.get(name)
    if type(value) is str:
        return _encoded(value)
    if type(value) is int:
        return b"%d" % value
    if value is None:
        return b""
    if type(value) is bool:
        return b"true" if value else b"false"
    if type(value) is float and value.is_integer():
        return b"%d" % value
    raise _UnfitError(f"the label {name!r} is {_KINDS[type(value)]}, not a string or whole number")


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
