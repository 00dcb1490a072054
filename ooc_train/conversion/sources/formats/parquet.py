"""Parquet files through pyarrow.  A row's place is its number in the file."""

import functools
import itertools
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from ooc_train.conversion.sources.columns import Chosen, Piece
from ooc_train.conversion.sources.files.input_file import InputFile
from ooc_train.conversion.sources.files.ranges import Range, RangeEnd
from ooc_train.conversion.sources.formats.arrow_file import ArrowFile
from ooc_train.conversion.sources.formats.parquet_memory import Leaf
from ooc_train.conversion.sources.formats.parquet_pages import Footer
from ooc_train.conversion.sources.formats.parquet_reader import (
    ParquetReader,
    forget_metadata,
    open_reader,
)
from ooc_train.conversion.sources.layout import LayoutOptions


@dataclass(frozen=True, kw_only=True)
class ParquetFile(ArrowFile):
    """One file of columns.

    ``memory_bytes`` is the budget of the process, of which reading may take a part.
    """

    footer: Footer = field(compare=False, repr=False)
    leaves: Sequence[Leaf] = field(compare=False, repr=False)
    memory_bytes: int

    def first_row(self, column: int) -> Any:
        """The first row of a column of lists."""
        with self._opened() as reader:
            return reader.first_row(column)

    def content_bytes(self, columns: Sequence[int]) -> int:
        """The size of some columns when they are decompressed, as the file declares it."""
        with self._opened() as reader:
            return reader.declared_bytes(columns)

    def held_bytes(self, chosen: Chosen) -> int:
        """The memory that is taken beside blocks while the file is read."""
        with self._opened() as reader:
            return reader.held_bytes(chosen.cells)

    @property
    def is_divisible(self) -> bool:
        """Whether row groups can be read alone."""
        return self.file.is_seekable

    @functools.cached_property
    def borders(self) -> Sequence[int]:
        """The first rows of the row groups, and the number of all rows."""
        return list(itertools.accumulate(self.footer.n_rows, initial=0))

    def read_range(
        self, chosen: Chosen, block_bytes: int, part: Range
    ) -> Iterator[tuple[Piece | RangeEnd, int]]:
        """The rows of the row groups that begin in a range, and where they are.

        Memory: a block, and `held_bytes`.
        """
        widths = self.widths(chosen.columns) if chosen.numbers else ()
        groups = [k for k, row in enumerate(self.borders[:-1]) if part.start <= row < part.stop]
        row = part.start
        with self._opened() as reader:
            for batches in reader.blocks(chosen.cells, block_bytes, groups):
                next_row = row + sum(batch.num_rows for batch in batches)
                progress = self.byte_at(next_row) - self.byte_at(row)
                yield self.piece(batches, row + 1, chosen, widths), progress
                row = next_row
        yield RangeEnd(part.start, row, row + 1), 0

    def forget(self) -> None:
        """Drop the metadata that are kept for the next part."""
        forget_metadata()

    def _opened(self) -> AbstractContextManager[ParquetReader]:
        return open_reader(self.file, self.memory_bytes, self.footer, self.fields, self.leaves)


def open_parquet(file: InputFile, options: LayoutOptions) -> ParquetFile:
    """Look into a file for its columns."""
    with open_reader(file, options.memory_bytes) as reader:
        return ParquetFile(
            file=file,
            format="parquet",
            names=tuple(field.name for field in reader.fields),
            n_rows=reader.n_rows,
            schema=reader.schema,
            known_names=options.class_names,
            footer=reader.footer,
            leaves=reader.leaves,
            max_row_bytes=options.max_row_bytes,
            memory_bytes=options.memory_bytes,
        )
