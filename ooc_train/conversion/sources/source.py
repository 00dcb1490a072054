"""The interface of sources: a file of rows, or a folder of them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from ooc_train.conversion.sources.files.rejects import Place


class Source(Protocol):
    """Some rows: a file of them, or a folder."""

    @property
    def path(self) -> Path:
        """The file or folder."""

    @property
    def n_bytes(self) -> int:
        """Its size on the disk."""

    @property
    def text_bytes(self) -> int:
        """The size of its rows when they are decompressed, estimated where they are compressed."""

    @property
    def n_rows(self) -> int | None:
        """The number of rows, usable or not, where it is known before they are read."""

    @property
    def layout(self) -> dict[str, Any]:
        """The layout as the provenance of a converted file has it.

        ``format``, one of ``formats.table.FORMATS``; ``text`` or ``columns``, and ``label``, names
        or numbers from 1; and of rows with numbered columns ``header`` and the number of columns.
        """

    @property
    def classes_path(self) -> Path | None:
        """The file with the classes' names, if the layout has a custom for it, and it exists."""

    @property
    def carried(self) -> tuple[str, ...]:
        """The names of the columns that rows carry, as far as they are known before reading."""

    def place(self, line: int) -> Place:
        """The place of the row that has ``line`` among ``SourceRows.lines``."""

    def read(self, block_bytes: int) -> Iterator[tuple[Any, int]]:
        """Blocks of rows, and rejects where they occur, each with the progress in bytes.

        Blocks, `SourceRows`, are of about ``block_bytes`` of source.
        """


class DenseSource(Source, Protocol):
    """Rows of dense numbers."""

    @property
    def n_columns(self) -> int:
        """The numbers of each row."""
