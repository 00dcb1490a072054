"""A source: the rows of a file or a folder, made of the columns that were chosen."""

import filecmp
import functools
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from ooc_train.conversion.sources.columns import Chosen, ColumnFile, Piece, Table
from ooc_train.conversion.sources.files.ranges import Range, RangeEnd
from ooc_train.conversion.sources.files.rejects import Place, Reject
from ooc_train.conversion.sources.room import Room
from ooc_train.file.provenance import ColumnNames

_SHOWN_NAMES = 5


@dataclass(frozen=True)
class Source(ABC):
    """Some rows of one kind: ``texts`` and ``numbers`` define how they are made of tables.

    ``text_bytes`` is the size of the rows when they are decompressed, an estimate where they are
    compressed.
    """

    file: ColumnFile
    chosen: Chosen
    text_bytes: int

    expansion: ClassVar[int] = 2
    """How much larger than in the file rows may be: a number of a digit and a delimiter takes 4
    bytes."""

    @abstractmethod
    def rows_of(self, table: Table) -> tuple[Any, list[Reject]]:
        """The rows of a table that can be used, `SourceRows`, and the others."""

    def tables(self, block_bytes: int) -> Iterator[tuple[Piece, int]]:
        """The rows as the file gives them: see `ColumnFile.read`."""
        return self.file.read(self.chosen, block_bytes)

    def range_tables(self, block_bytes: int, part: Range) -> Iterator[tuple[Piece | RangeEnd, int]]:
        """The rows in a range as the file gives them: see `ColumnFile.read_range`."""
        return self.file.read_range(self.chosen, block_bytes, part)

    @property
    def is_divisible(self) -> bool:
        """Whether `read_range` reads a part of it alone."""
        return self.file.is_divisible

    def ranges(self, n_bytes: int) -> Iterator[Range]:
        """All of the file, in ranges of about ``n_bytes`` of it: see `ColumnFile.ranges`."""
        return self.file.ranges(n_bytes)

    def n_bytes_in(self, part: Range) -> int:
        """The size of a range in the file, of a table an estimate."""
        return self.file.byte_at(part.stop) - self.file.byte_at(part.start)

    def read_range(
        self, block_bytes: int, part: Range, room: Room | None = None
    ) -> Iterator[tuple[Any, int]]:
        """The rows that begin in a range, as `read` gives them, and at last where they are."""
        return self._read(self.range_tables(block_bytes, part), room)

    def read(self, block_bytes: int, room: Room | None = None) -> Iterator[tuple[Any, int]]:
        """Blocks of rows, rejects where they occur, and blank lines, with the progress in bytes.

        Blocks, `SourceRows`, are of about ``block_bytes`` of source, or a row that is longer.
        Raises ``BudgetError`` for one that there is no ``room`` for.

        Memory: five times ``block_bytes`` or the longest row, see ``ColumnFile.max_row_bytes``; for
        JSON Lines ten times.
        """
        return self._read(self.tables(block_bytes), room)

    def _read(
        self, pieces: Iterator[tuple[Piece | RangeEnd, int]], room: Room | None
    ) -> Iterator[tuple[Any, int]]:
        for piece, progress in pieces:
            if not isinstance(piece, Table):
                yield piece, progress
                continue
            rows, rejects = self.rows_of(piece)
            for reject in rejects:
                yield reject, 0
            if room:
                room.check(rows, self.place)
            yield rows, progress

    @property
    def path(self) -> Path:
        """The file or folder."""
        return self.file.file.path

    @property
    def n_bytes(self) -> int:
        """The file's size on the disk."""
        return self.file.n_bytes

    @property
    def stamp(self) -> tuple[Any, ...]:
        """The sizes and times of what is read, by which a worker knows the same files."""
        return (self.file.file.stamp,)

    @property
    def n_rows(self) -> int | None:
        """The number of rows, usable or not, where it is known before they are read."""
        return self.file.n_rows

    @functools.cached_property
    def held_bytes(self) -> int:
        """The memory that is taken beside blocks while the rows are read."""
        return self.file.held_bytes(self.chosen)

    @property
    def row_bytes(self) -> int:
        """The size of each row, where all have the same."""
        return 0

    @property
    def layout(self) -> dict[str, Any]:
        """The layout as the provenance of a converted file has it.

        ``format``, one of ``formats.table.FORMATS``; ``text`` or ``columns``, and ``label``, names
        or numbers from 1; and of rows with numbered columns ``header`` and the number of columns.
        """
        return self.file.layout(self.chosen)

    @property
    def names(self) -> ColumnNames | None:
        """The names of the columns that were chosen, if each has one of its own."""
        named = self.file.names and self.file.is_table
        names = [self.file.names[k] for k in self.chosen.used] if named else []
        if not names or any(len(self.file.places[name]) > 1 for name in names):
            return None
        columns = tuple(names[: len(self.chosen.columns)])
        return ColumnNames(columns, names[-1] if len(names) > len(columns) else None)

    @property
    def remarks(self) -> tuple[str, ...]:
        """Remarks on the file, and on what was chosen of it, where one may expect otherwise."""
        names = self.class_names
        told = [f"{k} is {name!r}" for k, name in enumerate(names[:_SHOWN_NAMES])]
        more = f" and {len(names) - len(told):,} more" if len(names) > len(told) else ""
        named = [f"the labels are the numbers of class names: {', '.join(told)}{more}"] * bool(
            names
        )
        return (*self.file.remarks, *self.chosen.remarks, *named)

    @property
    def class_names(self) -> Sequence[str]:
        """The names that the file tells of the classes, in their order; none if it does not."""
        return self.file.class_names(self.chosen)

    @property
    def classes_path(self) -> Path | None:
        """The file with the classes' names, if the format has a custom for it, and it exists."""
        return self.file.classes_path

    @property
    def carried(self) -> tuple[str, ...]:
        """The names of the columns that rows carry, as far as they are known before reading."""
        return tuple(self.chosen.carried or ())

    def place(self, line: int) -> Place:
        """The place of the row that has ``line`` among ``SourceRows.lines``."""
        return self.file.place(line)


def remarks_of(sources: Iterable[Source]) -> list[str]:
    """The remarks on all files, each with the first file that it is true of."""
    by_remark: dict[str, list[Path]] = {}
    for source in sources:
        for remark in source.remarks:
            by_remark.setdefault(remark, []).append(source.path)
    return [
        f"{first}{_and_more(len(more))}: {remark}" for remark, (first, *more) in by_remark.items()
    ]


def _and_more(n_files: int) -> str:
    if not n_files:
        return ""
    return " and another file" if n_files == 1 else f" and {n_files:,} more files"


def repeated_files(sources: Mapping[str, Sequence[Source]]) -> list[str]:
    """Remarks on files that occur twice, or that files of an earlier split have the bytes of."""
    notes = []
    by_size: dict[int, list[tuple[str, Source]]] = {}
    for split, files in sources.items():
        for source in files if split != "train" else ():
            alike = by_size.get(source.n_bytes, [])
            same = next(((of, one.path) for of, one in alike if _are_same(one, source)), None)
            if same and same[0] == "train":
                notes.append(
                    f"{source.path}, {split} rows, is the training file {same[1]}, so that its "
                    f"scores say nothing about new rows"
                )
            elif same:
                notes.append(f"{source.path}, {split} rows, is the {same[0]} file {same[1]}")
        paths = [source.path.absolute() for source in files if not source.file.file.is_held]
        twice = [path for path, n in Counter(paths).items() if n > 1 and path.exists()]
        notes += [
            f"{path} is given twice for the {split} rows, which count twice" for path in twice
        ]
        for source in files:
            by_size.setdefault(source.n_bytes, []).append((split, source))
    return notes


def _are_same(one: Source, other: Source) -> bool:
    """Whether two sources of one size are the same file or folder, or files of the same bytes.

    Bytes are read up to the first that differ.
    """
    files = one.file.file, other.file.file
    if any(file.is_pipe or file.is_held or not file.path.exists() for file in files):
        return False
    if one.path.samefile(other.path):
        return True
    are_files = one.path.is_file() and other.path.is_file()
    return are_files and filecmp.cmp(one.path, other.path, shallow=False)
