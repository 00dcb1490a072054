"""Columns of a Parquet file as Arrow's record batches, in bounded memory.

pyarrow takes memory for whatever a file declares: its footer, a page of each column, the values of
a row, a dictionary's text as often as rows have it.  So what it would take is foreseen by the
headers of pages, and the file that it reads from watches what it takes.
"""

import io
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO

from ooc_train.conversion.sources.files.input_file import InputFile
from ooc_train.conversion.sources.formats.arrow import (
    Field,
    column_at,
    fields_of,
    gathered,
    text_lengths,
)
from ooc_train.conversion.sources.formats.parquet_memory import (
    GroupPlan,
    Leaf,
    buffer_bytes,
    leaves_of,
    plan_group,
)
from ooc_train.conversion.sources.formats.parquet_pages import (
    Footer,
    ParquetError,
    footer_length,
    read_footer,
)
from ooc_train.errors import BudgetError, EmptyInputError, InputError, OptionError
from ooc_train.extras import pip_install

_FEW_ROWS = 16  # with fewer at a time, places in a dictionary are the faster way
_FOOTER_SHARE = 4  # a quarter of the memory
_FOOTER_MULTIPLE = 16  # of its size, in memory
_ALLOW_MORE = "allow more memory, for ooc-convert with --memory"  # ooc-predict has no such option


_OPENED: dict[tuple[Any, ...], Any] = {}  # one file's metadata: all its parts are opened


def forget_metadata() -> None:
    """Drop the metadata of the file that was opened last, which is kept for its next part.

    Those of a thousand columns in many row groups take as long as reading some of these.
    """
    _OPENED.clear()


@contextmanager
def open_reader(
    file: InputFile,
    memory_bytes: int,
    footer: Footer | None = None,
    fields: Sequence[Field] = (),
    leaves: Sequence[Leaf] = (),
) -> Iterator["ParquetReader"]:
    """Open a file, of which reading may take a part of ``memory_bytes``.

    ``footer``, ``fields`` and ``leaves`` are the file's, if it was opened before.

    Raises ``InputError`` for what is not Parquet, or damaged, also while it is read, and
    ``BudgetError`` for what would take too much memory.
    """
    try:
        import pyarrow  # noqa: PLC0415 - an extra
        import pyarrow.parquet  # noqa: PLC0415
    except ImportError:
        raise OptionError(
            f"{file.path} is a Parquet file, which needs the package pyarrow; "
            f"{pip_install(extra='parquet')}"
        ) from None
    if file.compression:
        raise InputError(f"{file.path}: Parquet is compressed within; decompress the file first")
    with file.open_raw() as raw:
        watched = _WatchedFile(raw, pyarrow.total_allocated_bytes)
        try:
            yield ParquetReader(file, raw, watched, memory_bytes, footer, fields, leaves)
        except (pyarrow.ArrowException, OSError, UnicodeError, ParquetError) as error:
            if watched.error:
                raise watched.error from None
            reason = str(error).strip().partition("\n")[0]
            raise InputError(f"{file.path} cannot be read as Parquet: {reason:.300}") from error


class ParquetReader:
    """An open file: its ``schema``, its ``footer``, its ``leaves``, and its columns in blocks."""

    def __init__(
        self,
        file: InputFile,
        raw: BinaryIO,
        watched: "_WatchedFile",
        memory_bytes: int,
        footer: Footer | None,
        fields: Sequence[Field],
        leaves: Sequence[Leaf],
    ) -> None:
        self._path, self._n_bytes = file.path, file.n_bytes
        self._raw, self._watched = raw, watched
        self._memory_bytes = memory_bytes
        length = footer_length(raw)
        if not length:
            raise ParquetError("it has no footer; it may be truncated")
        self._check_footer(_FOOTER_MULTIPLE * length)
        self.footer = footer or read_footer(raw, length)
        self._check_footer(self.footer.memory_bytes)
        known = (file.path, file.stamp)
        table = self._table(metadata=_OPENED.get(known) if footer else None)
        self._metadata, self.schema = table.metadata, table.schema_arrow
        if footer and known not in _OPENED:
            forget_metadata()
            _OPENED[known] = self._metadata
        self._check_rows()
        self.fields = fields or fields_of(self.schema)
        if (
            sum(len(column.leaves) for column in self.fields[: len(self.schema)])
            != (self.footer.columns.shape[1])
        ):
            raise ParquetError("its columns are not those of its schema")
        # pyarrow's metadata and their schema are a cycle, which stays in memory for long.
        n_leaves = self.footer.columns.shape[1]
        self.leaves = leaves or leaves_of(self._metadata.schema, range(n_leaves))

    @property
    def n_rows(self) -> int:
        """The number of rows."""
        return sum(self.footer.n_rows)

    def declared_bytes(self, columns: Sequence[int]) -> int:
        """The size of some columns when they are decompressed, as the footer has it."""
        numbers = [leaf.number for leaf in self._leaves(columns)]
        return sum(
            self.footer.column(group, number).n_bytes
            for group in range(len(self.footer.n_rows))
            for number in numbers
        )

    def held_bytes(self, columns: Sequence[int]) -> int:
        """The memory that is taken beside blocks while some columns are read."""
        leaves = self._leaves(columns)
        plans = (self._plan(group, leaves) for group in range(len(self.footer.n_rows)))
        return self.footer.memory_bytes + max(plan.memory.held for plan in plans)

    def first_row(self, column: int) -> Any:
        """The first row of a column of numbers."""
        leaves = self._leaves([column])
        group = next(k for k, n_rows in enumerate(self.footer.n_rows) if n_rows)
        self._watch(group, self._plan(group, leaves))
        field = self.fields[column]
        batches = self._batches(group, leaves, [field.name], 1)
        return column_at(next(batches), field.path)

    def blocks(
        self, columns: Sequence[int], block_bytes: int, groups: Iterable[int]
    ) -> Iterator[list[Any]]:
        """The rows of some columns in some groups, as record batches that make a block together.

        A block has about ``block_bytes``, as the rows are when texts are repeated; a row that is
        longer has one to itself.
        """
        leaves = self._leaves(columns)
        names = list(dict.fromkeys(self.fields[column].name for column in columns))
        for group in groups:
            n_left = self.footer.n_rows[group]
            plan = self._plan(group, leaves)
            self._watch(group, plan)
            if n_left:
                batches = self._planned(group, plan, leaves, names, block_bytes)
                for block in gathered(batches, block_bytes):
                    n_left -= sum(batch.num_rows for batch in block)
                    yield block
            if n_left:
                raise ParquetError(f"row group {group + 1} has not as many rows as it declares")

    def _planned(
        self,
        group: int,
        plan: GroupPlan,
        leaves: Sequence[Leaf],
        names: Sequence[str],
        block_bytes: int,
    ) -> Iterator[Any]:
        unknown = sorted(plan.unknown.intersection(names).intersection(self.schema.names))
        places, longest = plan.places | plan.unknown.difference(unknown), 0
        if unknown:
            first = next(self._batches(group, leaves, unknown, 1, unknown))
            # A column and a field within another may have one path, of which one is as asked for.
            texts = [getattr(first.column(name), "dictionary", None) for name in unknown]
            lengths = [text_lengths(text) for text in texts if text is not None]
            longest = max((int(of_one.max(initial=0)) for of_one in lengths), default=0)
            if plan.n_rows(block_bytes, longest) < min(_FEW_ROWS, plan.n_rows(block_bytes)):
                places, longest = places | plan.unknown, 0
        n_rows = plan.n_rows(block_bytes, longest)
        return self._batches(group, leaves, names, n_rows, sorted(places))

    def _batches(
        self,
        group: int,
        leaves: Sequence[Leaf],
        names: Sequence[str],
        n_rows: int,
        places: Sequence[str] = (),
    ) -> Iterator[Any]:
        """Some rows of a group at a time, texts with the paths ``places`` as such."""
        table = self._table(
            metadata=self._metadata,
            buffer_size=buffer_bytes(leaves),
            read_dictionary=list(places) or None,
        )
        return iter(table.iter_batches(n_rows, [group], list(names), use_threads=False))

    def _table(self, **options: Any) -> Any:
        """Pyarrow's own reader, which reads columns piece by piece."""
        from pyarrow.parquet import ParquetFile  # noqa: PLC0415 - an extra

        return ParquetFile(
            self._watched, pre_buffer=False, page_checksum_verification=True, **options
        )

    def _leaves(self, columns: Sequence[int]) -> list[Leaf]:
        numbers = dict.fromkeys(k for c in columns for k in self.fields[c].leaves)
        return [self.leaves[number] for number in numbers]

    def _plan(self, group: int, leaves: Sequence[Leaf]) -> GroupPlan:
        columns = {leaf: self.footer.column(group, leaf.number) for leaf in leaves}
        try:
            return plan_group(self._raw, self._n_bytes, self.footer.n_rows[group], columns)
        except ParquetError as error:
            raise ParquetError(f"row group {group + 1}: {error}") from None

    def _watch(self, group: int, plan: GroupPlan) -> None:
        """Let the rows of a group take a half of the memory that its pages leave.

        Raises ``BudgetError`` where they leave less than a half.
        """
        where, held = f"{self._path}, row group {group + 1}", plan.memory.held
        if held > self._memory_bytes // 2:
            raise BudgetError(
                f"{where}: the pages that are read at once take {held / 1e6:,.0f} MB of memory, "
                f"and {self._memory_bytes / 2e6:,.0f} MB are allowed, a half of the budget; "
                f"{_ALLOW_MORE}, or write the file with smaller pages or fewer columns"
            )
        self._watched.limit(
            held + (self._memory_bytes - held) // 2,
            f"{where}: one of its rows takes more memory than the budget of "
            f"{self._memory_bytes / 1e6:,.0f} MB leaves; {_ALLOW_MORE}, or take it out",
        )

    def _check_footer(self, n_bytes: int) -> None:
        allowed = self._memory_bytes // _FOOTER_SHARE
        if n_bytes > allowed:
            raise BudgetError(
                f"{self._path}: the footer, which describes all columns of all row groups, takes "
                f"{n_bytes / 1e6:,.0f} MB of memory, and {allowed / 1e6:,.0f} MB are allowed, a "
                f"quarter of the budget; {_ALLOW_MORE}, or write larger row groups"
            )

    def _check_rows(self) -> None:
        if min(self.footer.n_rows, default=0) < 0 or self.n_rows != self._metadata.num_rows:
            raise ParquetError("its row groups have not as many rows as it declares")
        if not self.n_rows:
            raise EmptyInputError(f"{self._path} is empty; it holds no rows")


class _WatchedFile(io.RawIOBase):
    """The file that pyarrow reads from; it gives no more when pyarrow has taken too much memory.

    ``error`` is what it raised then.
    """

    def __init__(self, raw: BinaryIO, taken_bytes: Callable[[], int]) -> None:
        self.error: BudgetError | None = None
        self._raw = raw
        self._taken_bytes = taken_bytes
        self._before = taken_bytes()
        self._most_bytes: float = math.inf
        self._message = ""

    def limit(self, n_bytes: int, message: str) -> None:
        """Allow so many bytes from now on; the message says what is wrong with more."""
        self._most_bytes, self._message = n_bytes, message

    def read(self, n_bytes: int = -1) -> bytes:
        """Read some bytes."""
        if self._taken_bytes() - self._before > self._most_bytes:
            self.error = BudgetError(self._message)
            raise self.error
        return self._raw.read(n_bytes)

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place."""
        return self._raw.seek(offset, whence)

    def tell(self) -> int:
        """The place."""
        return self._raw.tell()
