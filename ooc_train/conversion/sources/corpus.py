"""All sources of a conversion as one stream of numbered, labelled blocks of rows.

The stream can be read as often as needed and is the same each time.  The first reading learns the
classes and lists rejected rows; later ones skip the same rows silently.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

import numpy as np

from ooc_train.conversion.sources.class_column import check_class_column
from ooc_train.conversion.sources.files.ranges import Range, RangeEnd
from ooc_train.conversion.sources.files.rejects import Blank, Reject, Rejects
from ooc_train.conversion.sources.label_rule import LabelRule
from ooc_train.conversion.sources.labels import SHOWN
from ooc_train.conversion.sources.parts import Division, PartRead, Sampler, SourcePart
from ooc_train.conversion.sources.room import Room
from ooc_train.conversion.sources.rows import Block, NewClasses
from ooc_train.conversion.sources.source import Source
from ooc_train.dtypes import I32, I64
from ooc_train.errors import InputError
from ooc_train.file.schema import MAX_CLASSES

_MAX_LABELS_BYTES = 2**23
"""The size of the labels of all classes together: there are some copies of them in memory."""

_BEGINNING = RangeEnd(0, 0, 1)


class ReadRows(NamedTuple):
    """Rows that were read: ``labels`` (n_rows,) int32, and what tasks have found.

    ``n_bytes`` is the progress in the source.  Tasks did not know the ``new`` classes.  ``sampled``
    is what the corpus's sampler has found.
    """

    labels: I32
    n_bytes: int
    found: list[Any]
    new: NewClasses | None = None
    sampled: Sequence[Any] = ()


@dataclass
class FileRows:
    """How many rows of a file were read, and what became of them; and its blank lines."""

    name: str
    split: str | None = None
    kept: int = 0
    rejected: int = 0
    blank_lines: int = 0

    @property
    def report(self) -> dict[str, Any]:
        """The figures, for a report: all ``rows`` are ``kept`` or ``rejected``."""
        return {
            "name": self.name,
            **({"split": self.split} if self.split else {}),
            "rows": self.kept + self.rejected,
            "kept": self.kept,
            "rejected": self.rejected,
            "blank_lines": self.blank_lines,
        }


class Corpus:
    """The rows of all splits: train first, then the others.  Memory: a block, and the classes.

    The classes are those of the train rows, unless ``classes`` gives their labels.  With
    ``learns_classes``, those come first, and others of the train rows after them.  Where files tell
    all classes, ``class_order`` has their labels, and there are no others.
    ``check_labels`` may refuse them at the end of the first reading, before the long work, as
    `check_class_column` does.  With ``only_of``, the name of an index that rows are appended to, a
    label that is none of its ``classes`` is an InputError, and no reject.  A row that there is no
    ``room`` for is a ``BudgetError``.  A ``sampler`` finds something in all parts when their rows
    are numbered, from the second reading on.  ``files`` has the figures of each file, when it was
    read once.
    """

    def __init__(
        self,
        sources: Mapping[str, Sequence[Source]],
        rejects: Rejects,
        block_bytes: int,
        classes: Sequence[str] | None = None,
        check_labels: Callable[[list[str]], object] = len,
        room: Room | None = None,
        class_order: Sequence[str] = (),
        *,
        learns_classes: bool = True,
        only_of: str | None = None,
    ) -> None:
        self.sources = sources
        self.rejects = rejects
        self.n_rows = dict.fromkeys(sources, 0)
        self.missing_rows = 0
        self.block_bytes = block_bytes
        self.room = room
        self.given_classes = list(classes or ())
        self._classes = {label.encode(): i for i, label in enumerate(self.given_classes)}
        self.learns_classes = learns_classes
        self._only_of = only_of
        self.class_order = class_order
        self.known_parts: dict[int, list[SourcePart]] = {}
        self.first_row = 0
        self.sampler: Sampler | None = None
        self._check_labels = check_labels
        self.read_once = False
        self._n_label_bytes = 0
        self._class_rows = np.zeros(0, np.int64)
        self.files: list[FileRows] = []

    @property
    def n_bytes(self) -> int:
        """The size of all files on the disk."""
        return sum(source.n_bytes for files in self.sources.values() for source in files)

    @property
    def has_lines(self) -> bool:
        """Whether all sources are files of lines that can be divided."""
        files = itertools.chain.from_iterable(self.sources.values())
        return all(source.is_divisible and source.n_rows is None for source in files)

    @property
    def expansion(self) -> int:
        """How much larger than in the files rows may be."""
        return max(source.expansion for files in self.sources.values() for source in files)

    @property
    def numbers(self) -> Mapping[bytes, int]:
        """The numbers of the classes that were met so far."""
        return self._classes

    def measurer(self) -> Callable[[Block], Any]:
        """The task that looks at a block where rows are only numbered; `note_measured` gets it."""
        return pass_over

    def note_measured(self, found: Any) -> None:
        """Add the findings of a `measurer`."""

    def met_classes(self) -> list[str]:
        """The classes' labels in the order in which they were met."""
        return [label.decode() for label in self._classes]

    def blocks(self) -> Iterator[Block]:
        """All rows that can be used, block by block.

        Raises ``InputError`` for a split without rows, too many rejects, or files that changed
        between two readings.
        """
        self._begin()
        for split, files in self.sources.items():
            yield from self._blocks(split, files)
            self._end_split(split)
        self._end()

    def runs(self, division: Division) -> Iterator["RowRun"]:
        """All rows that can be used, as blocks, or as parts of sources that can be divided.

        Each run is taken to its end, and its parts are noted, before the next one is asked for.
        Raises the errors of `blocks`.
        """
        self._begin()
        number = 0
        for split, files in self.sources.items():
            for is_divided, some in itertools.groupby(files, division.divides):
                number += 1
                if is_divided:
                    yield Parts(self, number, split, list(some), division)
                else:
                    yield Blocks(self._blocks(split, list(some)))
            self._end_split(split)
        self._end()

    def _begin(self) -> None:
        self._counts = dict.fromkeys(self.sources, 0)
        self.first_row = 0

    def _end_split(self, split: str) -> None:
        if self._counts[split] == 0:
            raise self._no_rows(self.sources[split], split)

    def _end(self) -> None:
        for source in itertools.chain.from_iterable(self.sources.values()):
            source.file.forget()
        if self.read_once and self._counts != self.n_rows:
            raise changed_input()
        if not self.read_once:
            labels = self.met_classes()
            if self.learns_classes:
                new = slice(len(self.given_classes), len(labels))
                check_class_column(self.sources["train"], labels[new], self._class_rows[new])
            self._check_labels(labels)
        self.n_rows = self._counts
        self.read_once = True

    def _no_rows(self, files: Sequence[Source], split: str) -> InputError:
        message = f"{_names(files)}: no row can be used for the {split} split"
        if self.rejects.count:
            message += f", such as {self.rejects.examples}"
        return InputError(message)

    def _blocks(self, split: str, sources: Iterable[Source]) -> Iterator[Block]:
        rule = self.rule(split)
        for source in sources:
            self.begin_file(split, source)
            progress = 0
            for piece, n_bytes in source.read(self.block_bytes, self.room):
                progress += n_bytes
                if isinstance(piece, Reject):
                    self.reject(source, piece)
                    continue
                if isinstance(piece, Blank):
                    self.count_blank(piece.n_lines)
                    continue
                labelled = rule.labelled(piece, source.place)
                labels = self.numbered(split, source, labelled.labels, labelled.numbers)
                for reject in labelled.rejects:
                    self.reject(source, reject)
                first_row = self.count_rows(split, len(labels), labelled.n_missing)
                if len(labels):
                    yield Block(split, first_row, labelled.rows, labels, progress)
                    progress = 0

    def rule(self, split: str) -> LabelRule:
        """The labels that rows of a split may have in this reading."""
        is_open = split == "train" and self.learns_classes and not self.read_once
        known = self.given_classes if is_open else self.met_classes()
        return LabelRule(
            tuple(label.encode() for label in known),
            tuple(label.encode() for label in self.class_order),
            is_open,
            self.learns_classes,
            self._only_of,
        )

    def begin_file(self, split: str, source: Source) -> None:
        """Begin to count the rows of a source."""
        if not self.read_once:
            self.files.append(FileRows(str(source.path), split))

    def count_blank(self, n_lines: int) -> None:
        """Count blank lines."""
        if not self.read_once:
            self.files[-1].blank_lines += n_lines

    def count_rows(self, split: str, n_rows: int, n_missing: int) -> int:
        """Count rows that can be used, of which some have no text; the number of the first one."""
        first_row = self.first_row
        self.first_row += n_rows
        self._counts[split] += n_rows
        if not self.read_once:
            self.files[-1].kept += n_rows
            self.missing_rows += n_missing
        elif self._counts[split] > self.n_rows[split]:
            raise changed_input()
        return first_row

    def numbered(self, split: str, source: Source, labels: Sequence[bytes], numbers: I32) -> I32:
        """The number of the class of each row, (n_rows,) int32, given its label among ``labels``.

        A label that is none of the classes becomes one.  It is counted how many rows a class has.
        """
        for label in labels:
            if label and label not in self._classes:
                self._add_class(source, label)
        places = np.array([self._classes.get(label, -1) for label in labels], np.int32)
        if split == "train" and not self.read_once:
            self._count(places, np.bincount(numbers, minlength=len(labels)))
        return places[numbers]

    def _count(self, classes: I32, n_rows: I64) -> None:
        """Count rows of classes, of some of which there are several entries."""
        missing = len(self._classes) - len(self._class_rows)
        if missing > 0:  # room for as many again, so that it is seldom made
            more = np.zeros(missing + len(self._class_rows), np.int64)
            self._class_rows = np.concatenate([self._class_rows, more])
        np.add.at(self._class_rows, classes[classes >= 0], n_rows[classes >= 0])

    def _add_class(self, source: Source, label: bytes) -> None:
        self._n_label_bytes += len(label)
        too_much = ""
        if len(self._classes) == MAX_CLASSES:
            too_much = f"{MAX_CLASSES:,} different labels"
        elif self._n_label_bytes > _MAX_LABELS_BYTES:
            too_much = f"{_MAX_LABELS_BYTES:,} bytes of different labels"
        if too_much:
            raise InputError(
                f"{source.path} has more than {too_much}, the latest "
                f"{label.decode()[:SHOWN]!r}; does --label name the right column?"
            )
        self._classes[label] = len(self._classes)

    def reject(self, source: Source, reject: Reject) -> None:
        """List a row that cannot be used."""
        if not self.read_once:
            self.files[-1].rejected += 1
            self.rejects.add(source.place(reject.line), reject)


class RowRun(Protocol):
    """Some rows as items of tasks, which are noted in their order."""

    def __iter__(self) -> Iterator[Any]: ...

    def again(self, item: Any, found: Any) -> Any:
        """The item that is taken instead, where what a task has found does not hold."""

    def noted(self, item: Any, found: Any) -> ReadRows:
        """The rows of an item, and what tasks have found in them."""


class Blocks:
    """Blocks that were read already: a `RowRun`."""

    def __init__(self, blocks: Iterable[Block]) -> None:
        self._blocks = blocks

    def __iter__(self) -> Iterator[Block]:
        yield from self._blocks

    def again(self, block: Block, found: Any) -> None:
        """None: whatever was found holds."""

    def noted(self, block: Block, found: Any) -> ReadRows:
        """The rows of a block."""
        return ReadRows(block.labels, block.n_bytes, [found])


class Parts:
    """The parts of consecutive sources of one split, in one reading of a corpus: a `RowRun`.

    It is the run of some ``number``, which it has in all readings.
    At the first reading most parts begin where a row is guessed to begin, and each is compared with
    the end of the one before; at later ones all is known.
    """

    def __init__(
        self,
        corpus: Corpus,
        number: int,
        split: str,
        sources: Sequence[Source],
        division: Division,
    ) -> None:
        self._corpus = corpus
        self._known = corpus.known_parts.setdefault(number, [])
        self._split = split
        self._sources = sources
        self._division = division
        self._reached = _BEGINNING

    def __iter__(self) -> Iterator[SourcePart]:
        rule, known = self._corpus.rule(self._split), tuple(self._corpus.numbers)
        if self._corpus.read_once:
            for part in self._known:
                yield replace(part, rule=rule, known=known, sampler=self._corpus.sampler)
            return
        first_row = self._corpus.first_row
        for source in self._sources:
            blank = SourcePart(
                self._split,
                source,
                Range(),
                rule,
                known,
                self._corpus.room,
                source.stamp,
                self._division.block_of(source),
            )
            for where in self._division.ranges(source):
                if len(known) < len(self._corpus.numbers):
                    known = tuple(self._corpus.numbers)
                part = replace(blank, range=where, known=known)
                if source.n_rows is not None:
                    n_rows = where.stop - where.start
                    part = replace(part, first_row=first_row, n_rows=n_rows)
                    first_row += n_rows
                yield part

    def again(self, part: SourcePart, read: PartRead | None) -> SourcePart | None:
        """The part that has to be read instead, alone, where what was read does not hold."""
        reached = self._before(part)
        if reached.stop >= part.range.stop:
            return None
        if read is None or read.ended.start != reached.stop:
            return part.alone(reached.stop, reached.line)
        return None

    def noted(self, part: SourcePart, read: PartRead | None) -> ReadRows:
        """Number the rows, lines and labels of a part, which come behind those of all before."""
        reached = self._before(part)
        if part.range.start == 0:
            self._corpus.begin_file(self._split, part.source)
        if read is None or reached.stop >= part.range.stop:  # a row of another part goes across it
            return ReadRows(np.empty(0, np.int32), 0, [])
        n_before = reached.line - read.first_line
        ended = read.ended._replace(line=read.ended.line + n_before)
        if part.ended and (ended, read.n_rows) != (part.ended, part.n_rows):
            raise changed_input()
        for reject in read.rejects:
            self._corpus.reject(part.source, reject._replace(line=reject.line + n_before))
        self._corpus.count_blank(read.n_blank)
        labels = [
            self._corpus.numbered(self._split, part.source, block.labels, block.numbers)
            for block in read.blocks
        ]
        first_row = self._corpus.count_rows(self._split, read.n_rows, read.n_missing)
        if part.ended is None:
            exact = part.range._replace(start=reached.stop, first_line=reached.line, is_guess=False)
            self._known.append(
                replace(part, range=exact, first_row=first_row, n_rows=read.n_rows, ended=ended)
            )
        self._reached = ended
        return ReadRows(
            np.concatenate([np.empty(0, np.int32), *labels]),
            part.source.n_bytes_in(Range(reached.stop, ended.stop)),
            [block.found for block in read.blocks],
            read.new_classes(self._corpus.numbers),
            [one for block in read.blocks for one in block.sampled],
        )

    def _before(self, part: SourcePart) -> RangeEnd:
        """Where the rows before a part end."""
        return self._reached if part.range.start else _BEGINNING


def pass_over(block: Block) -> None:
    """Find nothing: only the number of rows matters."""


def changed_input() -> InputError:
    """The error for sources that differ between two readings."""
    return InputError(
        "the input changed while it was being read; run the conversion again when nothing writes "
        "to it"
    )


def _names(files: Sequence[Source]) -> str:
    return ", ".join(str(source.path) for source in files)
