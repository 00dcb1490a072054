"""Parts of sources, which are read where their task runs.

A part is a range of a file.  A task that reads it does not know yet which rows, lines and labels
are before it, so those are numbered within the part; the `Corpus` numbers them over all.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from ooc_train.conversion.sources.files.ranges import LongRowError, Range, RangeEnd
from ooc_train.conversion.sources.files.rejects import Blank, Reject
from ooc_train.conversion.sources.label_rule import LabelRule
from ooc_train.conversion.sources.room import Room
from ooc_train.conversion.sources.rows import Block, NewClasses
from ooc_train.conversion.sources.source import Source
from ooc_train.dtypes import I32
from ooc_train.errors import BudgetError, InputError

Sampler = Callable[[Block], list[Any]]
"""A function of a module that finds something in a block."""
_MOST_OF_A_PART = 4  # times what is wanted; a table that has a larger one is not divided
_HELD_SHARE = 5  # a block has a fifth of the memory that it takes, and all counts as blocks
_LEAST_SHARE = 4  # of a block remains, however much is held beside it


class Division(NamedTuple):
    """How sources are divided: into parts of ``n_bytes`` of their files.

    A row, or the rows of a part, of more than ``most_bytes`` is read when nothing else is.  Of a
    table, rows of ``block_bytes`` are in memory at once, with what is held beside them.
    """

    n_bytes: int
    most_bytes: int
    block_bytes: int

    def divides(self, source: Source) -> bool:
        """Whether a source is read in parts: if it can be, and none of them is far too large."""
        if not source.is_divisible or source.n_rows is None:
            return source.is_divisible
        longest = max(part.stop - part.start for part in source.ranges(self.n_bytes))
        return longest <= _MOST_OF_A_PART * source.n_rows * min(
            self.n_bytes / max(1, source.n_bytes), self.block_bytes / max(1, source.text_bytes)
        )

    def ranges(self, source: Source) -> Iterator[Range]:
        """The ranges of the parts; rows of numbers in a table have one size, which fits."""
        is_bounded = source.n_rows is not None and source.row_bytes > 0
        for part in source.ranges(self.n_bytes):
            yield part if is_bounded else part._replace(most_bytes=self.most_bytes)

    def block_of(self, source: Source) -> int:
        """The size of the blocks that a table is read in."""
        beside = source.held_bytes // _HELD_SHARE
        return max(self.block_bytes // _LEAST_SHARE, self.block_bytes - beside)


@dataclass(frozen=True)
class SourcePart:
    """A part of a source: a range of its file, in which rows may have the labels of ``rule``.

    Labels are numbered as in ``known``, others behind them.  ``n_rows`` are those of its rows that
    can be used, the first of which is ``first_row`` over all sources: where it was read before,
    ``ended`` says where they are; of a table, all rows can be used as far as is known.  Where a
    worker's machine has another file of that name, ``stamp`` tells it.  A ``sampler`` finds
    something beside what a task looks for.  A part that ``is_alone`` is read by the process that
    knows the file, and takes whatever memory there is ``room`` for.
    """

    split: str
    source: Source
    range: Range
    rule: LabelRule
    known: Sequence[bytes]
    room: Room | None
    stamp: tuple[Any, ...]
    block_bytes: int
    first_row: int = 0
    n_rows: int | None = None
    ended: RangeEnd | None = None
    sampler: Sampler | None = None
    is_alone: bool = False

    @property
    def n_bytes(self) -> int:
        """The size in the file."""
        return self.source.n_bytes_in(self.range)

    @property
    def size(self) -> int:
        """The size of its rows, rather too high; of a table, that of a block with what is held."""
        if self.source.n_rows is None:
            return self.source.expansion * self.n_bytes
        return self.block_bytes + self.source.held_bytes // _HELD_SHARE

    def alone(self, start: int, first_line: int) -> "SourcePart":
        """The part that begins where the one before ends, to be read when nothing else is."""
        exact = Range(start, self.range.stop, first_line)
        return replace(self, range=exact, is_alone=True)


class PartBlock(NamedTuple):
    """The findings of a task in a block of a part.

    ``numbers`` (n_rows,) int32 are those of its rows' labels among ``labels``; ``sampled`` is what
    the part's sampler has found.
    """

    labels: list[bytes]
    numbers: I32
    found: Any
    sampled: list[Any]


class PartRead(NamedTuple):
    """The findings of a task in a part; lines are counted from ``first_line``.

    ``rejects`` are in the order of their lines.  ``new_labels`` are numbered from ``n_known`` on in
    the blocks that were looked at.
    """

    first_line: int
    ended: RangeEnd
    blocks: list[PartBlock]
    rejects: list[Reject]
    n_blank: int
    n_missing: int
    n_known: int
    new_labels: list[bytes]

    @property
    def n_rows(self) -> int:
        """How many rows can be used."""
        return sum(len(block.numbers) for block in self.blocks)

    def new_classes(self, numbers: Mapping[bytes, int]) -> NewClasses | None:
        """The numbers over all sources of the classes that were not known; ``None`` without any."""
        if not self.new_labels:
            return None
        return NewClasses(self.n_known, np.array([numbers[k] for k in self.new_labels], np.int32))


def look(function: Callable[[Block], Any], rows: Block | SourcePart) -> Any:
    """The findings of ``function`` in a block, or, as a `PartRead`, in those of a part."""
    return read_part(function, rows) if isinstance(rows, SourcePart) else function(rows)


def findings(rows: Block | SourcePart, found: Any) -> list[Any]:
    """The findings in each block of what `look` has returned; none in what has to be read alone."""
    if isinstance(rows, Block):
        return [found]
    return [block.found for block in found.blocks] if found else []


def read_part(function: Callable[[Block], Any], part: SourcePart) -> PartRead | None:
    """Read a part, and what ``function`` finds in each of its blocks.

    ``None`` for one that has to be read alone: it takes more memory, its file is not here, or an
    error must name its lines, unless there is none where it truly begins.

    Raises ``InputError`` and ``BudgetError`` for a part that is read alone.
    """
    if not part.is_alone and part.source.stamp != part.stamp:
        return None
    try:
        return _read(function, part)
    except (InputError, BudgetError, LongRowError):
        if part.is_alone:
            raise
        return None


def _read(function: Callable[[Block], Any], part: SourcePart) -> PartRead:
    rule, source, n_rows = part.rule, part.source, 0
    numbering = _Numbering(part.known)
    # Of lines twice the part, so that the last one, which ends behind it, comes in the same block.
    block_bytes = 2 * part.n_bytes if source.n_rows is None else part.block_bytes
    found = PartRead(
        part.range.first_line, RangeEnd(0, 0, 0), [], [], 0, 0, len(part.known), numbering.new
    )
    for piece, _ in source.read_range(block_bytes, part.range, part.room):
        if isinstance(piece, Reject):
            found.rejects.append(piece)
        elif isinstance(piece, Blank):
            found = found._replace(n_blank=piece.n_lines)
        elif isinstance(piece, RangeEnd):
            found = found._replace(ended=piece)
        elif piece.size > part.range.most_bytes:
            raise LongRowError
        else:
            rows, labels, numbers, rejects, n_missing = rule.labelled(piece, source.place)
            found.rejects.extend(rejects)
            found = found._replace(n_missing=found.n_missing + n_missing)
            if len(rows):
                classes = numbering.of(labels)[numbers]
                block = Block(part.split, part.first_row + n_rows, rows, classes, 0)
                sampled = part.sampler(block) if part.sampler else []
                found.blocks.append(PartBlock(labels, numbers, function(block), sampled))
                n_rows += len(rows)
    found.rejects.sort(key=lambda reject: reject.line)
    return found


class _Numbering:
    """Numbers of labels as in ``known``, and of ``new`` ones behind these, as they are met."""

    def __init__(self, known: Sequence[bytes]) -> None:
        self.new: list[bytes] = []
        self._numbers = {label: number for number, label in enumerate(known)}

    def of(self, labels: Sequence[bytes]) -> I32:
        """The number of each label, -1 of one that names no class."""
        for label in labels:
            if label and label not in self._numbers:
                self._numbers[label] = len(self._numbers)
                self.new.append(label)
        return np.array([self._numbers.get(label, -1) for label in labels], np.int32)
