"""Rows in: blocks of the rows of a file or of a stream."""

import functools
import glob
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from ooc_train.conversion.sources.files.compression import compression_of
from ooc_train.conversion.sources.files.encoding import BYTE_ORDER_MARK, arriving
from ooc_train.conversion.sources.files.input_file import InputFile
from ooc_train.conversion.sources.files.listing import listed
from ooc_train.conversion.sources.files.paths import STANDARD_INPUT, streamed
from ooc_train.conversion.sources.files.pipe import Pipe, compressed
from ooc_train.conversion.sources.files.rejects import Blank, Place, Reject, too_long
from ooc_train.conversion.sources.find import find_source, is_table
from ooc_train.conversion.sources.formats.folder import texts_in
from ooc_train.conversion.sources.formats.table import FORMATS, format_of
from ooc_train.conversion.sources.in_hand import inputs_of
from ooc_train.conversion.sources.layout import LayoutOptions
from ooc_train.conversion.sources.numbers import DenseSource
from ooc_train.conversion.sources.options import DIALECT
from ooc_train.conversion.sources.room import Room
from ooc_train.conversion.sources.rows import (
    SourceRows,
    TextRows,
)
from ooc_train.conversion.sources.source import Source
from ooc_train.conversion.vectorizer import load_vectorizer
from ooc_train.errors import InputError, OptionError
from ooc_train.file.provenance import column_names
from ooc_train.kinds import KINDS, MadeOf
from ooc_train.memory import measure, usable_bytes
from ooc_train.prediction.options import PredictOptions
from ooc_train.remote.url import Url
from ooc_train.suggestions import beside
from ooc_train.training.run.folder import Run

Input = Path | InputFile | BinaryIO
"""A file, what a program has in its place, or a stream."""
BLOCK_BYTES = 2**19
_OF_COLUMNS = {"text", "format", "header", *DIALECT} - {"encoding"}
"""The options that say that a stream holds rows of a format, and not a text a line."""
_STREAM = Path("standard input")
_TEXT = "text"
"""The name of the column of texts that have none."""
_ROOM_SHARE = 0.8  # the rest is for what is read, written, and held back by the allocator


class NewRows(NamedTuple):
    """All rows of an input, and the names of the columns that they carry.

    ``blocks`` gives the rows block by block, and how many lines are blank; it raises
    ``BudgetError`` for a row that there is no `Room` for.  ``carried`` are the names that are known
    before the rows are read.  ``source`` is what the rows come from, but lines of a stream.
    """

    blocks: Callable[[Room], Iterator[SourceRows | Blank]]
    carried: tuple[str, ...] = ()
    source: Source | None = None

    @property
    def name(self) -> str:
        """The name of the file."""
        return str(self.source.path if self.source else _STREAM)


class Trained(NamedTuple):
    """The rows that a run was trained with: their features, and their layout.

    ``check_columns`` raises ``InputError`` for another number of columns of numbers.
    """

    features: str
    layout: dict[str, Any]
    check_columns: Callable[[int], None]

    @classmethod
    def of(cls, run: Run) -> "Trained":
        """The same of an open run."""

        def check_columns(n_columns: int) -> None:
            load_vectorizer(run.vectorizer_file).check_columns(n_columns)  # type: ignore[attr-defined]

        return cls(run.features, run.provenance["layout"], check_columns)


class GivenInputs(NamedTuple):
    """Inputs in their order, none of them opened; ``notes`` say what folders stand for."""

    inputs: list[Input]
    notes: list[str]


def list_inputs(source: Any, kind: str | None = None) -> GivenInputs:
    """The inputs of `predict`: files, a binary stream, or what a program has.

    Patterns and folders are the files that they stand for, and ``-`` is standard input.  ``kind``
    is the format, where an option names it.

    Raises ``InputError`` for anything else, such as a text, and for standard input that is closed;
    ``OptionError`` where there is no input, or standard input is one twice.
    """
    if hasattr(source, "read1"):
        return GivenInputs([source], [])
    given = inputs_of(source)
    if not given:
        raise OptionError("there are no rows to predict; give at least one file of them")
    if given.count(STANDARD_INPUT) > 1:
        raise OptionError("standard input, -, can be read once only; give files for the others")
    inputs: list[Input] = []
    notes: list[str] = []
    for one in given:
        if isinstance(one, InputFile):
            inputs.append(one)
        elif one == STANDARD_INPUT:
            if sys.__stdin__ is None:
                raise InputError("standard input is closed; name a file")
            inputs.append(sys.stdin.buffer)
        else:
            _check_no_text(one)
            paths, note = listed(one, kind)
            inputs += paths
            notes += [note] if note else []
    return GivenInputs(inputs, notes)


def _check_no_text(path: Path) -> None:
    """Raise InputError for what may be a text: no file, with spaces in it or without a suffix."""
    name = str(path)
    is_name = isinstance(path, Url) or (" " not in name and (path.suffix or os.sep in name))
    if not is_name and not os.path.exists(name) and not glob.glob(name):  # noqa: PTH110, PTH207 - a long text is no error there
        hint = beside(path) or (
            "; if it is a text, give it on standard input, as in: echo 'A TEXT' | ooc-predict RUN, "
            "or in Python to ooc_train.load(RUN).predict"
        )
        raise InputError(f"there is no file {name!r:.70}{hint}")


def files_read(given: Input) -> list[Path]:
    """All files that rows are read from: the file, those of a folder, or that behind a stream."""
    if isinstance(given, InputFile):
        return [given.behind] if given.behind else []
    if isinstance(given, Path):
        return list(texts_in(given)) if given.is_dir() else [given]
    try:
        return [Path(f"/dev/fd/{given.fileno()}")]
    except (OSError, AttributeError):  # a stream in memory
        return []


def opened(given: Input, options: PredictOptions) -> InputFile | BinaryIO:
    """An input as it is read; a pipe is opened once.

    A stream holds a text a line, unless ``options`` say how its columns are told apart.  Raises
    ``OptionError`` for a format that is read in any order.
    """
    if isinstance(given, Path):
        return streamed(given)
    if isinstance(given, InputFile) or not any(getattr(options, name) for name in _OF_COLUMNS):
        return given
    file = InputFile(_STREAM, pipe=Pipe(given, str(_STREAM)))
    kind = options.format or format_of(file)
    if FORMATS[kind].seeks:
        raise OptionError(f"{kind} is read in any order, and {_STREAM} once; give a file")
    return file


def room_for(row_multiple: int) -> Room:
    """The memory for a long row: most of what this process may use and has not taken."""
    left = int(_ROOM_SHARE * usable_bytes()) - (measure().anon_bytes or 0)
    return Room(max(0, left), row_multiple, _advice)


def _advice(n_bytes: int) -> str:  # noqa: ARG001 - there is no budget to raise
    return "give the process more memory, or shorten the row"


def find_inputs(
    run: Trained, source: InputFile | BinaryIO, options: PredictOptions, *, carry: bool = True
) -> NewRows:
    """The rows of a file, or the lines of a stream, for the kind of features of a run.

    With ``carry``, rows of text bring along the columns that are not read, or all.  Memory: a block
    of half a megabyte, or the longest row.

    Raises ``InputError`` for a file that cannot be used, and, while blocks are read, for a row that
    cannot; ``OptionError`` for options that do not fit the file.
    """
    gives = KINDS[run.features].source
    if options.keep_text and gives != "text":
        raise OptionError(
            f"the model takes {run.features} features, whose rows have no text; leave out "
            f"--keep-text"
        )
    if not isinstance(source, InputFile):
        if gives != "text":
            raise OptionError(
                f"the model takes {run.features} features; give a file, or the --format of "
                f"standard input"
            )
        lines = functools.partial(_usable_lines, source, options)
        return NewRows(lines, (_TEXT,) if options.keep_text else ())
    trained, file = run.layout, source
    given = {name: trained[name] for name in DIALECT if name in trained}
    layout = options.layout(
        needs_label=False,
        carry=carry and gives == "text",
        carry_text=options.keep_text,
        **(given | options.dialect),
    )
    if options.text:
        layout = _numbered_layout(trained, file, replace(layout, text=tuple(options.text)), gives)
    elif gives == "text":
        layout = _text_layout(trained, file, layout)
    else:
        layout = _number_layout(trained, file, layout)
    found = find_source(file, layout, gives=gives)
    if isinstance(found, DenseSource):  # before a row is read, however wide it is
        run.check_columns(found.n_columns)
    return NewRows(functools.partial(_usable_rows, found), found.carried, found)


def _numbered_layout(
    trained: dict[str, Any], file: InputFile, layout: LayoutOptions, gives: MadeOf
) -> LayoutOptions:
    """The layout of columns that options name or number.

    A first row with the names of the training data is a header, also where numbers are given.
    """
    names = column_names(trained)
    if names is None or layout.has_header or not is_table(file, layout):
        return layout
    if FORMATS[layout.format or format_of(file)].named:
        return layout
    headed = replace(layout, header=True)
    try:
        found = find_source(file, headed, gives=gives).file.names
    except InputError:  # a file of one row has no header, and others are refused as they are read
        return layout
    return headed if set(names.columns) <= set(found) else layout


def _named_layout(
    trained: dict[str, Any], file: InputFile, layout: LayoutOptions
) -> LayoutOptions | None:
    """The layout by the names of the training data, or of the file; ``None`` if both lack them."""
    names = column_names(trained)
    if names:
        return layout.named(names._replace(label=None))
    return layout if FORMATS[layout.format or format_of(file)].named else None


def _text_layout(trained: dict[str, Any], file: InputFile, layout: LayoutOptions) -> LayoutOptions:
    """The layout of a file of texts, read by its names or like the training data."""
    if file.path.is_dir():
        return layout
    found_by_name = _named_layout(trained, file, layout)
    if found_by_name:
        return found_by_name
    columns = tuple(str(column) for column in trained["text"])
    if layout.header or trained["header"]:
        return replace(layout, text=columns, header=True)
    found = find_source(file, replace(layout, carry=False)).layout["columns"]
    if found == trained["columns"]:
        return replace(layout, text=columns, cleaning=trained.get("cleaning"))
    if found == len(columns):  # the texts alone, without the class
        return layout
    raise InputError(
        f"{file.path}, line 1: found {found} columns, where the training data had "
        f"{trained['columns']}; name the columns of the text with --text"
    )


def _number_layout(
    trained: dict[str, Any], file: InputFile, layout: LayoutOptions
) -> LayoutOptions:
    """The layout of a file of numbers: that of the training data, if both have columns."""
    was_table = "text" in FORMATS[trained["format"]].gives
    if not (was_table and is_table(file, layout)):
        return layout
    found_by_name = _named_layout(trained, file, layout)
    if found_by_name:
        return found_by_name
    columns = tuple(str(column) for column in trained.get("columns", ()))
    return replace(layout, text=columns, header=layout.header or trained.get("header", False))


def _usable_rows(source: Source, room: Room) -> Iterator[SourceRows | Blank]:
    """The blocks of a source, all of whose rows must be usable, and its blank lines."""
    for piece, _ in source.read(BLOCK_BYTES, room):
        if isinstance(piece, Reject):
            place = source.place(piece.line)
            raise InputError(f"{place}: {piece.reason}; mend the row or take it out")
        if len(piece):
            yield piece


def _usable_lines(stream: BinaryIO, options: PredictOptions, room: Room) -> Iterator[SourceRows]:
    """The blocks of the lines of a stream, of which a blank one is an empty text."""
    text = arriving(stream, options.encoding) if options.encoding else stream
    for rows in text_blocks(_lines_of(text, options.max_row_bytes)):
        room.check(rows, _line_of_input)
        yield replace(rows, carried=_as_carried(rows)) if options.keep_text else rows


def _as_carried(rows: TextRows) -> list[dict[str, Any]]:
    texts = map(rows.text_bytes, range(len(rows)))
    return [{_TEXT: text.decode("utf-8", "replace")} for text in texts]


def _line_of_input(number: int) -> Place:
    return Place(_STREAM, number)


def _lines_of(stream: BinaryIO, max_row_bytes: int) -> Iterator[list[bytes]]:
    """Some lines at a time, as soon as they are there.

    Raises ``InputError`` for one that is longer than ``max_row_bytes``.
    """
    rest, first = b"", 1
    while piece := stream.read1(BLOCK_BYTES):  # type: ignore[attr-defined]
        text = rest + piece
        if first == 1:
            if compression_of(text):
                raise compressed(str(_STREAM))
            text = text.removeprefix(BYTE_ORDER_MARK)
        *lines, rest = text.split(b"\n")
        if b"\r" in text:
            lines = [line.removesuffix(b"\r") for line in lines]
        _check_lengths([*lines, rest], first, max_row_bytes)
        first += len(lines)
        if lines:
            yield lines
    if rest:
        yield [rest]


def _check_lengths(lines: Sequence[bytes], first: int, max_row_bytes: int) -> None:
    for number, line in enumerate(lines, first):
        if len(line) > max_row_bytes:
            raise InputError(
                f"{_line_of_input(number)}: {too_long('row', max_row_bytes)}; shorten it, or allow "
                f"longer ones with --max-row-bytes"
            )


def text_blocks(pieces: Iterable[list[bytes]]) -> Iterator[TextRows]:
    """Texts as rows, numbered from 1."""
    first = 1
    for texts in pieces:
        yield TextRows.of(texts, first)
        first += len(texts)
