"""Arrow's format of streams, from a program, a file or a pipe, through pyarrow.

A file of Arrow, also called Feather, is such a stream between its first bytes and a footer.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO, cast

from ooc_train.conversion.sources.columns import Chosen, Table
from ooc_train.conversion.sources.files.input_file import InputFile
from ooc_train.conversion.sources.files.rejects import Reject
from ooc_train.conversion.sources.formats.arrow import column_at, fields_of, gathered, has_parts
from ooc_train.conversion.sources.formats.arrow_file import ArrowFile
from ooc_train.conversion.sources.layout import LayoutOptions
from ooc_train.errors import BudgetError, EmptyInputError, InputError, OptionError
from ooc_train.extras import pip_install

_MAGIC = b"ARROW1\0\0"
_MESSAGE = b"\xff\xff\xff\xff"
_LOOK_BYTES = 2**16
_BATCH_SHARE = 8  # an eighth of the memory


@dataclass(frozen=True, kw_only=True)
class ArrowStreamFile(ArrowFile):
    """One stream of record batches; ``first`` is the first row of its columns with parts.

    A batch of a file has at most ``max_batch_bytes``; a program's batches are small.
    """

    first: Any = field(compare=False, repr=False)
    max_batch_bytes: int

    def first_row(self, column: int) -> Any:
        """The first row of a column of lists."""
        return column_at(self.first, self.fields[column].path)

    def held_bytes(self, chosen: Chosen) -> int:  # noqa: ARG002 - a batch is read whole
        """The memory that is taken beside blocks while the file is read."""
        return 0 if self.file.is_held else self.max_batch_bytes

    def read(self, chosen: Chosen, block_bytes: int) -> Iterator[tuple[Table | Reject, int]]:
        """The rows in tables of about ``block_bytes``, each with the progress.

        Memory: a block, and `held_bytes`.
        """
        names = list(dict.fromkeys(self.fields[column].path[0] for column in chosen.cells))
        widths = self.widths(chosen.columns) if chosen.numbers else ()
        row = 1

        def blocks(stream: BinaryIO) -> Iterator[list[Any]]:
            batches = _batches(self.file, stream, self.max_batch_bytes)
            return gathered((batch.select(names) for batch in batches), block_bytes)

        for batches, progress in self.file.parsed(blocks):
            yield self.piece(batches, row, chosen, widths), progress
            row += sum(batch.num_rows for batch in batches)


def open_arrow(file: InputFile, options: LayoutOptions) -> ArrowStreamFile:
    """Look into a stream for its columns and its first rows."""
    try:
        import pyarrow  # noqa: PLC0415 - an extra
    except ImportError:
        raise OptionError(
            f"{file.path} is in Arrow's format, which needs the package pyarrow; "
            f"{pip_install(extra='parquet')}"
        ) from None
    max_batch_bytes = options.memory_bytes // _BATCH_SHARE
    schema, first = _look(file, max_batch_bytes)
    pyarrow.default_memory_pool().release_unused()  # of the samples
    return ArrowStreamFile(
        file=file,
        format="arrow",
        names=tuple(field.name for field in fields_of(schema)),
        schema=schema,
        known_names=options.class_names,
        first=first,
        max_batch_bytes=max_batch_bytes,
        max_row_bytes=options.max_row_bytes,
    )


def _look(file: InputFile, max_batch_bytes: int) -> tuple[Any, Any]:
    """The schema, and the first row of columns with parts, in as many bytes as that takes."""
    n_bytes = _LOOK_BYTES
    while True:
        sample = file.sample(n_bytes)
        is_whole = len(sample) < n_bytes
        if not sample:
            raise EmptyInputError(f"{file.path} is empty; it holds no rows")
        try:
            for batch in _batches(file, io.BytesIO(sample), max_batch_bytes):
                lists = [column.name for column in batch.schema if has_parts(column.type)]
                return batch.schema, batch.select(lists).take([0])  # a copy: the sample is large
        except InputError:
            if is_whole:
                raise
        if is_whole:
            raise EmptyInputError(f"{file.path} is empty; it holds no rows")
        n_bytes *= 2


def _batches(file: InputFile, stream: BinaryIO, max_batch_bytes: int) -> Iterator[Any]:
    """The record batches that have rows; those of files are looked at before they are used.

    Raises ``InputError`` for what is not of Arrow, or damaged, and ``BudgetError`` for batches that
    take too much memory.
    """
    from pyarrow import ArrowException, ipc  # noqa: PLC0415 - an extra

    most = None if file.is_held else max_batch_bytes
    source = _Bounded(io.BufferedReader(cast(io.RawIOBase, stream), _LOOK_BYTES), most)
    try:
        source.begin()
        for batch in ipc.open_stream(source):
            if not file.is_held:
                batch.validate(full=True)
            if batch.num_rows:
                yield batch
        source.end()
    except (ArrowException, OSError, UnicodeError) as error:
        if source.refused:
            raise BudgetError(
                f"{file.path}: a batch of {source.refused / 1e6:,.0f} MB is read at once, and "
                f"{max_batch_bytes / 1e6:,.0f} MB are allowed, a part of the budget; allow more "
                f"with --memory, or write the file with smaller batches"
            ) from None
        reason = str(error).strip().partition("\n")[0]
        raise InputError(f"{file.path} cannot be read as Arrow: {reason:.300}") from error
    finally:
        source.leave()


class _Bounded(io.RawIOBase):
    """A stream that is read whole pieces of, none of more than ``most`` bytes.

    ``refused`` is the size of one that was larger.
    """

    def __init__(self, stream: io.BufferedReader, most: int | None) -> None:
        self.refused = 0
        self._stream = stream
        self._most = most
        self._is_file = False

    def begin(self) -> None:
        """Go to the first message.  Raises OSError for what begins otherwise."""
        beginning = self._stream.peek(len(_MAGIC))
        if beginning.startswith(_MAGIC):
            self._stream.read(len(_MAGIC))
            self._is_file = True
        elif not beginning.startswith(_MESSAGE):
            raise OSError("it begins neither as a stream nor as a file of Arrow does")

    def end(self) -> None:
        """Raise OSError where no footer follows, so that batches may be missing."""
        if self._is_file and not self._stream.peek(1):
            raise OSError("the file has no footer; it may be truncated")

    def leave(self) -> None:
        """Leave the stream open, whose position is the progress."""
        self._stream.detach()

    def read(self, n_bytes: int = -1) -> bytes:
        """Read so many bytes, fewer at the end."""
        if self._most is not None and n_bytes > self._most:
            self.refused = n_bytes
            raise OSError("too large")
        return self._stream.read(n_bytes)

    def readable(self) -> bool:
        """Yes."""
        return True
