"""All sources of a conversion as one stream of numbered, labelled blocks of rows.

The stream can be read as often as needed and is the same each time.  The first reading learns the
classes and lists rejected rows; later ones skip the same rows silently.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ooc_train.conversion.sources.files.rejects import Reject, RejectFile
from ooc_train.conversion.sources.rows import SourceRows
from ooc_train.conversion.sources.source import Source
from ooc_train.dtypes import I32
from ooc_train.errors import InputError
from ooc_train.file.schema import MAX_CLASSES


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


class Corpus:
    """The rows of all splits: train first, then the others.  Memory: a block, and the classes.

    The classes are those of the train rows, unless ``classes`` gives their labels.
    ``check_labels`` may refuse them at the end of the first reading, before the long work.
    """

    def __init__(
        self,
        sources: Mapping[str, Sequence[Source]],
        rejects: RejectFile,
        block_bytes: int,
        classes: Sequence[str] | None = None,
        check_labels: Callable[[list[str]], object] = len,
    ) -> None:
        self.sources = sources
        self.rejects = rejects
        self.n_rows = dict.fromkeys(sources, 0)
        self.block_bytes = block_bytes
        self._classes = {label.encode(): i for i, label in enumerate(classes or ())}
        self.learns_classes = classes is None
        self._check_labels = check_labels
        self._read_once = False

    @property
    def n_bytes(self) -> int:
        """The size of all files on the disk."""
        return sum(source.n_bytes for files in self.sources.values() for source in files)

    def met_classes(self) -> list[str]:
        """The classes' labels in the order in which they were met."""
        return [label.decode("utf-8", "replace") for label in self._classes]

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
            self._check_labels(self.met_classes())
        self.n_rows = counts
        self._read_once = True

    def _no_rows(self, files: Sequence[Source], split: str) -> InputError:
        message = f"{_names(files)}: no row can be used for the {split} split"
        if self.rejects.count:
            self.rejects.publish()
            message += f"; {self.rejects.path} says why"
        return InputError(message)

    def _source_blocks(self, split: str, source: Source, first_row: int) -> Iterator[Block]:
        progress = 0
        for piece, n_bytes in source.read(self.block_bytes):
            progress += n_bytes
            if isinstance(piece, Reject):
                self._reject(source, piece)
                continue
            rows, labels = self._label(split, source, piece)
            if len(rows):
                yield Block(split, first_row, rows, labels, progress)
                first_row += len(rows)
                progress = 0

    def _label(self, split: str, source: Source, rows: SourceRows) -> tuple[SourceRows, I32]:
        """Number the labels of rows, and leave out rows whose label cannot be used."""
        distinct, numbers = rows.labels
        texts = [label.strip() for label in distinct]
        if split == "train" and self.learns_classes and not self._read_once:
            for text in texts:
                if text and text not in self._classes:
                    self._add_class(source, text)
        labels = np.array([self._classes.get(text, -1) for text in texts], np.int32)[numbers]
        usable = labels >= 0
        if usable.all():
            return rows, labels
        for row in np.flatnonzero(~usable).tolist():
            text = texts[numbers[row]]
            label = text.decode("utf-8", "replace")
            where = "in the train rows" if self.learns_classes else "among the vectorizer's classes"
            reason = f"label {label!r} does not occur {where}" if label else "no label"
            raw = b",".join((text, rows.text_bytes(row)))
            self._reject(source, Reject(int(rows.lines[row]), reason, raw))
        return rows.take(usable), labels[usable]

    def _add_class(self, source: Source, label: bytes) -> None:
        if len(self._classes) == MAX_CLASSES:
            raise InputError(
                f"{source.path} has more than {MAX_CLASSES:,} different labels, the latest "
                f"{label.decode('utf-8', 'replace')!r}; does --label name the right column?"
            )
        self._classes[label] = len(self._classes)

    def _reject(self, source: Source, reject: Reject) -> None:
        if not self._read_once:
            self.rejects.add(source.place(reject.line), reject)


def changed_input() -> InputError:
    """The error for sources that differ between two readings."""
    return InputError(
        "the input changed while it was being read; run the conversion again when nothing writes "
        "to it"
    )


def _names(files: Sequence[Source]) -> str:
    return ", ".join(str(source.path) for source in files)
