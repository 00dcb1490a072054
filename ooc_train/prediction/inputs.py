"""The rows to predict: of a file, laid out as the training data was or otherwise, or a stream."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from ooc_train.conversion.sources.files.input_file import InputFile
from ooc_train.conversion.sources.files.rejects import Reject
from ooc_train.conversion.sources.find import find_source
from ooc_train.conversion.sources.formats.table import FORMATS, format_of
from ooc_train.conversion.sources.layout import LayoutOptions
from ooc_train.conversion.sources.rows import Texts, joined
from ooc_train.conversion.sources.source import Source
from ooc_train.errors import InputError, OptionError
from ooc_train.kinds import KINDS
from ooc_train.training.run.folder import Run

BLOCK_BYTES = 2**20


class NewRows(NamedTuple):
    """All rows to predict, and the names of their other columns.

    ``blocks`` are some rows at a time, as `Predictor.of_block` takes them, and their other columns.
    ``carried`` are those of which the names are known before reading.
    """

    blocks: Iterator[tuple[Any, Sequence[dict[str, Any]] | None]]
    carried: tuple[str, ...] = ()


def find_inputs(
    run: Run, source: str | Path | BinaryIO, columns: Sequence[str], header: bool
) -> NewRows:
    """The rows of a file or a stream, made of what the run's kind of features takes.

    Of a file, ``columns`` are read, by default those of the training data.  Raises ``InputError``,
    also while rows are read, for a row that cannot be used.
    """
    gives = KINDS[run.features].source
    if not isinstance(source, str | Path):
        if gives != "text":
            raise OptionError(f"the model takes {run.features} features; give a file with --input")
        return NewRows((texts, None) for texts in _lines_of(source))
    path, trained = Path(source), run.provenance["layout"]
    if gives == "text":
        layout = _text_layout(trained, path, tuple(columns), header)
    else:
        layout = _number_layout(trained, path, tuple(columns), header)
    layout = replace(layout, needs_label=False, carry=gives == "text")
    found = find_source(path, layout, gives=gives)
    return NewRows(_rows_of(found), found.carried)


def _text_layout(
    trained: dict[str, Any], path: Path, columns: tuple[str, ...], header: bool
) -> LayoutOptions:
    """The columns to read: those that are named, those of the training data, or all there are."""
    if columns:
        return LayoutOptions(columns, header=header)
    if path.is_dir():
        return LayoutOptions()
    columns = tuple(str(column) for column in trained["text"])
    if FORMATS[format_of(InputFile(path))].named:
        return LayoutOptions(columns)
    if header or FORMATS[trained.get("format", "csv")].named or trained["header"]:
        return LayoutOptions(columns, header=True)
    found = find_source(path, LayoutOptions(needs_label=False)).layout["columns"]
    if found == trained["columns"]:
        return LayoutOptions(columns, cleaning=trained.get("cleaning"))
    if found == len(columns):  # the texts alone, without the class
        return LayoutOptions()
    raise InputError(
        f"{path}, line 1: found {found} columns, where the training data had {trained['columns']}; "
        f"name the columns of the text with --text"
    )


def _number_layout(
    trained: dict[str, Any], path: Path, columns: tuple[str, ...], header: bool
) -> LayoutOptions:
    """The columns to read: those that are named, or those of the training data.

    Formats of tables, which give text too, have columns in common; others only with themselves.
    """
    formats = {format_of(InputFile(path)), trained["format"]}
    are_tables = all("text" in FORMATS[name].gives for name in formats)
    if columns or not (len(formats) == 1 or are_tables):
        return LayoutOptions(columns, header=header)
    columns = tuple(str(column) for column in trained.get("columns", ()))
    return LayoutOptions(columns, header=header or trained.get("header", False))


def _rows_of(source: Source) -> Iterator[tuple[Any, Sequence[dict[str, Any]] | None]]:
    for piece, _ in source.read(BLOCK_BYTES):
        if isinstance(piece, Reject):
            place = source.place(piece.line)
            raise InputError(f"{place}: {piece.reason}; mend the row or take it out")
        if len(piece):
            yield piece, piece.carried


def _lines_of(stream: BinaryIO) -> Iterator[Texts]:
    """One text a line, as soon as lines are there."""
    rest = b""
    while piece := stream.read1(BLOCK_BYTES):  # type: ignore[attr-defined]
        *lines, rest = (rest + piece).split(b"\n")
        if lines:
            yield Texts(*joined(lines))
    if rest:
        yield Texts(*joined([rest]))
