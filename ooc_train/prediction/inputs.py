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
from ooc_train.prediction.numeric import file_rows
from ooc_train.training.run.folder import Run

BLOCK_BYTES = 2**20


class Block(NamedTuple):
    """Consecutive rows: as `Predictor.of_block` takes them, and each one's other columns."""

    rows: Any
    carried: Sequence[dict[str, Any]] | None


class Inputs(NamedTuple):
    """All rows, and the names of the other columns as far as they are known beforehand."""

    blocks: Iterator[Block]
    carried: tuple[str, ...]


def find_inputs(
    run: Run, source: str | Path | BinaryIO, columns: Sequence[str], header: bool
) -> Inputs:
    """The rows of a file or a stream, as the run's kind of features has them."""
    features, trained = run.features, run.provenance["layout"]
    if not isinstance(source, str | Path):
        if KINDS[features].source != "text":
            raise OptionError(f"the model takes {features} features; give a file with --input")
        return Inputs(_of_lines(source), ())
    path = Path(source)
    if KINDS[features].source != "text":
        pieces = file_rows(features, path, trained, columns, header, BLOCK_BYTES)
        return Inputs((Block(piece, None) for piece in pieces), ())
    layout = replace(_layout(trained, path, columns, header), needs_label=False, carry=True)
    found = find_source(path, layout)
    return Inputs(_of_source(found), found.carried)


def _layout(
    trained: dict[str, Any], path: Path, text: Sequence[str], header: bool
) -> LayoutOptions:
    """Which columns to read: those said, those of the training data, or all there are."""
    if text:
        return LayoutOptions(tuple(text), None, header)
    if path.is_dir():
        return LayoutOptions()
    columns = tuple(str(column) for column in trained["text"])
    if FORMATS[format_of(InputFile(path))].named:
        return LayoutOptions(columns)
    if header or FORMATS[trained.get("format", "csv")].named or trained["header"]:
        return LayoutOptions(columns, None, header=True)
    found = find_source(path, LayoutOptions(needs_label=False)).layout["columns"]
    if found == trained["columns"]:
        return LayoutOptions(columns, cleaning=trained.get("cleaning"))
    if found == len(columns):  # the texts alone, without the class
        return LayoutOptions()
    raise InputError(
        f"{path}, line 1: found {found} columns, where the training data had {trained['columns']}; "
        f"name the columns of the text with --text"
    )


def _of_source(source: Source) -> Iterator[Block]:
    for piece, _ in source.read(BLOCK_BYTES):
        if isinstance(piece, Reject):
            place = source.place(piece.line)
            raise InputError(f"{place}: {piece.reason}; mend the row or take it out")
        yield Block(piece, piece.carried)


def _of_lines(stream: BinaryIO) -> Iterator[Block]:
    """One text a line, as soon as lines are there."""
    rest = b""
    while piece := stream.read1(BLOCK_BYTES):  # type: ignore[attr-defined]
        *lines, rest = (rest + piece).split(b"\n")
        if lines:
            yield Block(Texts(*joined(lines)), None)
    if rest:
        yield Block(Texts(*joined([rest])), None)
