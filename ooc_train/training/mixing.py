"""The train rows of a training: those of its file, or mixed with rows of other files.

Every batch has rows of each file in the same proportion.  The order of each file's rows is its own,
a pure function of the seed and of how many batches came before, so that a resumed training goes on
with the very rows that it would have had.
"""

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

import numpy as np

from ooc_train.counts import counted
from ooc_train.dtypes import I64, AnyArray
from ooc_train.errors import FormatError, OptionError
from ooc_train.reading.batches import Batches
from ooc_train.reading.rows import Batch, concatenate
from ooc_train.reading.split import Split
from ooc_train.reading.store import Store
from ooc_train.training.run.comparison import columns_difference, difference


class TrainBatches(Protocol):
    """The batches of an epoch: `Batches`, or `MixedBatches`."""

    def __len__(self) -> int: ...

    def from_step(self, step: int) -> Iterator[Batch]:
        """The batches from number ``step`` on."""

    def row_numbers(self, step: int) -> I64:
        """The numbers of a batch's rows that are of the file itself, which come first."""


class TrainRows(Protocol):
    """The rows of an epoch: a `Split`, or `MixedRows`."""

    def __len__(self) -> int: ...

    def class_counts(self) -> AnyArray:
        """The rows of each class: ``(n_classes,)`` numbers."""

    def batches(
        self, batch_size: int, *, seed: int | None = None, epoch: int = 0, by_length: bool = False
    ) -> TrainBatches:
        """All rows in batches of ``batch_size``."""


class Other(NamedTuple):
    """Another file, and its share of every batch's rows."""

    store: Store
    share: float


@dataclass(frozen=True)
class Part:
    """The rows of one other file in every batch."""

    split: Split
    share: float
    classes: I64
    """``(n_classes of the split,) int64``: the training's class for each of the split's."""
    n_rows: int = 0
    """Rows of it in a whole batch."""

    def batches(self, seed: int | None, first: int) -> Iterator[Batch]:
        """The whole batches from number ``first`` on, pass after pass, without an end.

        The rows that are left at the end of a pass, fewer than a batch takes, are others in each.
        """
        n_whole = self.split.n_rows // self.n_rows
        skipped = first % n_whole
        for epoch in itertools.count(first // n_whole):
            found = Batches(self.split, self.n_rows, seed, epoch).from_step(skipped)
            for rows, labels in itertools.islice(found, n_whole - skipped):
                yield Batch(rows, self.classes[labels])
            skipped = 0


class MixedRows:
    """Train rows, each once an epoch, with rows of other files in every batch.

    Memory: a window for each file.
    """

    def __init__(self, own: Split, parts: Sequence[Part], batch_size: int) -> None:
        """Raises OptionError where a share of a batch is no row, or a file has fewer rows."""
        self._own, self._batch_size = own, batch_size
        self.parts = [_sized(part, batch_size) for part in parts]
        self._n_own = batch_size - sum(part.n_rows for part in self.parts)
        if self._n_own < 1:
            raise OptionError(
                f"--mix leaves no row of {own.where} in a batch of {batch_size}; give smaller "
                "shares, or a larger --batch-size"
            )

    def __len__(self) -> int:
        """The rows of all files in an epoch."""
        n_whole, n_last = divmod(self._own.n_rows, self._n_own)
        last = sum(self.n_of_last(part, n_last) for part in self.parts)
        return n_whole * self._batch_size + n_last + last

    def n_of_last(self, part: Part, n_own: int) -> int:
        """The rows of another file beside so many of the file itself."""
        return part.n_rows * n_own // self._n_own

    def class_counts(self) -> AnyArray:
        """The rows of each class to be expected in an epoch: ``(n_classes,) float64``."""
        counts = self._own.class_counts().astype(np.float64)
        for part in self.parts:
            share = part.n_rows * self._own.n_rows / (self._n_own * part.split.n_rows)
            np.add.at(counts, part.classes, share * part.split.class_counts())
        return counts

    def batches(
        self, batch_size: int, *, seed: int | None = None, epoch: int = 0, by_length: bool = False
    ) -> "MixedBatches":
        """The batches of an epoch; ``batch_size`` is that of the rows."""
        if batch_size != self._batch_size or by_length:
            raise ValueError("mixed rows are in batches of one size, of any length")
        return MixedBatches(self, self._own.batches(self._n_own, seed=seed, epoch=epoch))


class MixedBatches:
    """The batches of an epoch of `MixedRows`."""

    def __init__(self, rows: MixedRows, own: Batches) -> None:
        self._rows, self._own = rows, own

    def __len__(self) -> int:
        return len(self._own)

    def from_step(self, step: int) -> Iterator[Batch]:
        """The batches from number ``step`` on."""
        if step >= len(self):
            return
        first = self._own.epoch * len(self) + step
        with contextlib.ExitStack() as stack:  # what a generator has open is closed with it
            streams: list[Any] = [self._own.from_step(step)]
            streams += [part.batches(self._own.seed, first) for part in self._rows.parts]
            for stream in streams:
                stack.enter_context(contextlib.closing(stream))
            own, *others = streams
            for batch in own:
                yield self._mixed(batch, [next(other) for other in others])

    def row_numbers(self, step: int) -> I64:
        """The numbers of the rows of the file itself in batch number ``step``; they come first."""
        return self._own.row_numbers(step)

    def _mixed(self, own: Batch, others: Sequence[Batch]) -> Batch:
        n_own = len(own.labels)
        parts = []
        for part, batch in zip(self._rows.parts, others, strict=True):
            n_rows = self._rows.n_of_last(part, n_own)
            parts.append(Batch(batch.rows[:n_rows], batch.labels[:n_rows]))
        return concatenate([own, *parts])


def train_rows(store: Store, others: Sequence[Other], batch_size: int) -> TrainRows:
    """The train rows of a file, mixed with those of ``others``.

    Raises FormatError for another file that has another vectorizer or a class that ``store`` lacks,
    and OptionError as `MixedRows`.
    """
    own = store["train"]
    if not others:
        return own
    parts = [
        Part(other.store["train"], other.share, _classes(other.store, store)) for other in others
    ]
    return MixedRows(own, parts, batch_size)


def _classes(other: Store, store: Store) -> I64:
    """The class of ``store`` for each of another file: ``(n_classes,) int64``."""
    found = difference(store.file, other.file, classes=False)
    if not found and store.features == "dense":
        found = columns_difference(store.provenance, other.provenance, store.n_columns)
    if found:
        raise FormatError(
            f"{other.path} cannot be mixed with {store.path}: {found}; convert both with the same "
            "--vectorizer"
        )
    places = {label: place for place, label in enumerate(store.class_labels)}
    lacking = [label for label in other.class_labels if label not in places]
    if lacking:
        raise FormatError(
            f"{other.path} has the class {lacking[0]!r}, which {store.path} lacks; convert that "
            "with the --vectorizer of one that has all classes"
        )
    return np.array([places[label] for label in other.class_labels])


def _sized(part: Part, batch_size: int) -> Part:
    n_rows = round(part.share * batch_size)
    if n_rows < 1:
        raise OptionError(
            f"a share of {part.share:g} of a batch of {batch_size} is no row of {part.split.where};"
            " give a larger share, or a larger --batch-size"
        )
    if part.split.n_rows < n_rows:
        raise OptionError(
            f"{part.split.where} has {counted(part.split.n_rows, 'row')}, fewer than the {n_rows} "
            f"that its share of each batch takes; give a smaller share"
        )
    return replace(part, n_rows=n_rows)
