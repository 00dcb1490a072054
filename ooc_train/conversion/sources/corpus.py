"""All sources of a conversion as one stream of numbered, labelled blocks of rows.

The stream can be read as often as needed and is the same each time.  The first reading learns the
classes and lists rejected rows; later ones skip the same rows silently.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ooc_train.conversion.sources.class_column import check_class_column
from ooc_train.conversion.sources.files.rejects import Blank, Reject, Rejects
from ooc_train.conversion.sources.labels import SHOWN, alike, plain_label, unfit_label
from ooc_train.conversion.sources.room import Room
from ooc_train.conversion.sources.rows import SourceRows
from ooc_train.conversion.sources.source import Source
from ooc_train.dtypes import I32, I64
from ooc_train.errors import InputError
from ooc_train.file.schema import MAX_CLASSES

_MAX_LABELS_BYTES = 2**23
"""The size of the labels of all classes together: there are some copies of them in memory."""


class Block(NamedTuple):
    """Consecutive rows of one source, `SourceRows`.

    ``first_row`` counts over all sources.  ``labels`` (n_rows,) int32 number the classes in the
    order in which they were met.  ``n_bytes`` is the progress in the source since the last block.
    """

    split: str
    first_row: int
    rows: Any
    labels: I32
    n_bytes: int


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
    ``room`` for is a ``BudgetError``.  ``files`` has the figures of each file, when it was read
    once.
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
        self._room = room
        self.given_classes = list(classes or ())
        self._classes = {label.encode(): i for i, label in enumerate(self.given_classes)}
        self.learns_classes = learns_classes
        self._only_of = only_of
        self.class_order = class_order
        self._alike: dict[str, str] = {}
        self._told = frozenset(label.encode() for label in class_order)
        self._check_labels = check_labels
        self._read_once = False
        self._n_label_bytes = 0
        self._class_rows = np.zeros(0, np.int64)
        self.files: list[FileRows] = []

    @property
    def n_bytes(self) -> int:
        """The size of all files on the disk."""
        return sum(source.n_bytes for files in self.sources.values() for source in files)

    def met_classes(self) -> list[str]:
        """The classes' labels in the order in which they were met."""
        return [label.decode() for label in self._classes]

    def blocks(self) -> Iterator[Block]:
        """All rows that can be used, block by block.

        Raises ``InputError`` for a split without rows, too many rejects, or files that changed
        between two readings.
        """
        counts = dict.fromkeys(self.sources, 0)
        first_row = 0
        for split, files in self.sources.items():
            for source in files:
                for block in self._source_blocks(split, source, first_row):
                    first_row += len(block.rows)
                    counts[split] += len(block.rows)
                    if self._read_once and counts[split] > self.n_rows[split]:
                        raise changed_input()
                    yield block
            if counts[split] == 0:
                raise self._no_rows(files, split)
        if self._read_once and counts != self.n_rows:
            raise changed_input()
        if not self._read_once:
            labels = self.met_classes()
            if self.learns_classes:
                new = slice(len(self.given_classes), len(labels))
                check_class_column(self.sources["train"], labels[new], self._class_rows[new])
            self._check_labels(labels)
        self.n_rows = counts
        self._read_once = True

    def _no_rows(self, files: Sequence[Source], split: str) -> InputError:
        message = f"{_names(files)}: no row can be used for the {split} split"
        if self.rejects.count:
            message += f", such as {self.rejects.examples}"
        return InputError(message)

    def _source_blocks(self, split: str, source: Source, first_row: int) -> Iterator[Block]:
        progress = 0
        if not self._read_once:
            self.files.append(FileRows(str(source.path), split))
        for piece, n_bytes in source.read(self.block_bytes, self._room):
            progress += n_bytes
            if isinstance(piece, Reject):
                self._reject(source, piece)
                continue
            if isinstance(piece, Blank):
                self.files[-1].blank_lines += 0 if self._read_once else piece.n_lines
                continue
            rows, labels = self._label(split, source, piece)
            if not self._read_once:
                self.files[-1].kept += len(rows)
            if len(rows):
                yield Block(split, first_row, rows, labels, progress)
                first_row += len(rows)
                progress = 0

    def _label(self, split: str, source: Source, rows: SourceRows) -> tuple[SourceRows, I32]:
        """Number the labels of rows, and leave out rows whose label cannot be used."""
        distinct, numbers = rows.labels
        texts = [self._spelling(label.strip()) for label in distinct]
        if split == "train" and self.learns_classes and not self._read_once:
            for text in texts:
                is_told = not self._told or text in self._told
                if is_told and text not in self._classes and not unfit_label(text):
                    self._add_class(source, text)
        places = np.array([self._classes.get(text, -1) for text in texts], np.int32)
        if split == "train" and not self._read_once:
            self._count(places, np.bincount(numbers, minlength=len(texts)))
        labels = places[numbers]
        usable = labels >= 0
        if not self._read_once and rows.missing is not None:
            self.missing_rows += int((rows.missing & usable).sum())
        if usable.all():
            return rows, labels
        for row in np.flatnonzero(~usable).tolist():
            text = texts[numbers[row]]
            raw = b",".join((text, rows.text_bytes(row)))
            reason = unfit_label(text) or self._unknown_label(text)
            if self._only_of and not unfit_label(text):
                raise InputError(
                    f"{source.place(int(rows.lines[row]))}: label {text.decode()[:SHOWN]!r} is no "
                    f"class of {self._only_of}; leave such rows out, or convert all rows anew"
                )
            self._reject(source, Reject(int(rows.lines[row]), reason, raw))
        return rows.take(usable), labels[usable]

    def _spelling(self, label: bytes) -> bytes:
        """The label as all formats spell it; a class of an older file may be spelled otherwise."""
        return label if label in self._classes else plain_label(label)

    def _count(self, classes: I32, n_rows: I64) -> None:
        """Count rows of classes, of some of which there are several entries."""
        missing = len(self._classes) - len(self._class_rows)
        if missing > 0:  # room for as many again, so that it is seldom made
            more = np.zeros(missing + len(self._class_rows), np.int64)
            self._class_rows = np.concatenate([self._class_rows, more])
        np.add.at(self._class_rows, classes[classes >= 0], n_rows[classes >= 0])

    def _unknown_label(self, label: bytes) -> str:
        shown = f"label {label.decode()[:SHOWN]!r}"
        if self.learns_classes and self._told and label not in self._told:
            return f"{shown} is no class name of the train rows' metadata"
        where = "in the train rows" if self.learns_classes else "among the vectorizer's classes"
        if not self._alike:  # all classes are known by now
            self._alike = {alike(known): known for known in self.met_classes()}
        known = self._alike.get(alike(label.decode()), "")
        hint = f"; {known!r} does, which differs in case, spaces or kinds of characters alone"
        return f"{shown} does not occur {where}{hint if known else ''}"

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

    def _reject(self, source: Source, reject: Reject) -> None:
        if not self._read_once:
            self.files[-1].rejected += 1
            self.rejects.add(source.place(reject.line), reject)


def changed_input() -> InputError:
    """The error for sources that differ between two readings."""
    return InputError(
        "the input changed while it was being read; run the conversion again when nothing writes "
        "to it"
    )


def _names(files: Sequence[Source]) -> str:
    return ", ".join(str(source.path) for source in files)
