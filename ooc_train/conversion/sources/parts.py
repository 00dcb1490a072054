"""Parts of sources, which are read where their task runs.

A part is a range of a file.  A task that reads it does not know yet which rows and lines are before
it, so rows, lines and labels are numbered within the part; the `Corpus` numbers them over all.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from ooc_train.conversion.sources.files.ranges import LongRowError, Range, RangeEnd
from ooc_train.conversion.sources.files.rejects import Blank, Reject
from ooc_train.conversion.sources.label_rule import LabelRule
from ooc_train.conversion.sources.room import Room
from ooc_train.conversion.sources.rows import Block
from ooc_train.conversion.sources.source import Source
from ooc_train.dtypes import I32
from ooc_train.errors import BudgetError, InputError

Sampler = Callable[[Block], list[Any]]
"""A function of a module that finds something in a block."""


class Division(NamedTuple):
    """How sources are divided: into parts of ``n_bytes``.

    A row, or the rows of a part, of more than ``most_bytes`` is read when nothing else is.
    """

    n_bytes: int
    most_bytes: int


@dataclass(frozen=True)
class SourcePart:
    """A part of a source: a range of its file, in which rows may have the labels of ``rule``.

    Where it was read before, ``n_rows`` are those of its rows that can be used, the first of which
    is ``first_row`` over all sources, and ``ended`` says where they are.  Where a worker's machine
    has another file of that name, ``stamp`` tells it.  A ``sampler`` finds something beside what a
    task looks for.  A part that ``is_alone`` is read by the process that knows the file, and takes
    whatever memory there is ``room`` for.
    """

    split: str
    source: Source
    range: Range
    rule: LabelRule
    room: Room | None
    stamp: tuple[int, int] | None
    first_row: int = 0
    n_rows: int | None = None
    ended: RangeEnd | None = None
    sampler: Sampler | None = None
    is_alone: bool = False

    @property
    def n_bytes(self) -> int:
        """The size in the file."""
        return self.range.stop - self.range.start

    @property
    def size(self) -> int:
        """The size of its rows, rather too high."""
        return self.source.expansion * self.n_bytes

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

    ``rejects`` are in the order of their lines.
    """

    first_line: int
    ended: RangeEnd
    blocks: list[PartBlock]
    rejects: list[Reject]
    n_blank: int
    n_missing: int

    @property
    def n_rows(self) -> int:
        """How many rows can be used."""
        return sum(len(block.numbers) for block in self.blocks)


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
    if not part.is_alone and part.source.file.file.stamp != part.stamp:
        return None
    try:
        return _read(function, part)
    except (InputError, BudgetError, LongRowError):
        if part.is_alone:
            raise
        return None


def _read(function: Callable[[Block], Any], part: SourcePart) -> PartRead:
    rule, source, n_rows = part.rule, part.source, 0
    classes = rule.numbers
    found = PartRead(part.range.first_line, RangeEnd(0, 0, 0), [], [], 0, 0)
    # Twice the part, so that its last row, which ends behind it, comes in the same block.
    for piece, _ in source.read_range(2 * part.n_bytes, part.range, part.room):
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
                known = np.array([classes.get(label, -1) for label in labels], np.int32)
                block = Block(part.split, part.first_row + n_rows, rows, known[numbers], 0)
                sampled = part.sampler(block) if part.sampler else []
                found.blocks.append(PartBlock(labels, numbers, function(block), sampled))
                n_rows += len(rows)
    found.rejects.sort(key=lambda reject: reject.line)
    return found
