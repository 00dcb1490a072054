"""The one way from sources to a file: read, learn, place, write.

1. Read all rows, count them, note their labels; the vectorizer may look at each block.  Where the
   sources say how many rows they have, and the vectorizer need not look, this is left out.  Texts
   that tasks read themselves are numbered by a reading before.
2. Decide each row's place; the vectorizer learns from the train rows, unless it is fitted.
3. Encode all rows, block by block; their records go to the buckets of their places.
4. Write: records bucket by bucket as the arrays of the splits, then the vectorizer.

The memory of each step is bounded by itself.  Workers run functions of modules, which are given the
names of files in the conversion's folder, a part of the work and parameters; so any executor can
run them.
"""

import contextlib
import functools
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ooc_train.conversion.disk import DiskWatch
from ooc_train.conversion.report import ConversionReport
from ooc_train.conversion.resources import Resources
from ooc_train.conversion.samples import TextSamples
from ooc_train.conversion.sources.corpus import Blocks, Corpus, ReadRows, RowRun
from ooc_train.conversion.sources.parts import SourcePart, look
from ooc_train.conversion.sources.rows import Block
from ooc_train.conversion.storage.job import Column, forget_all
from ooc_train.conversion.storage.journal import Journal
from ooc_train.conversion.storage.placement import Destination, Placement, PlacementRule
from ooc_train.conversion.storage.row_classes import RowClasses, row_classes, sorted_classes
from ooc_train.conversion.storage.shuffle import NO_RECORDS, Buckets, ShuffledSplit, shuffled_splits
from ooc_train.conversion.storage.spill import Segment
from ooc_train.conversion.storage.writing import SplitWriter
from ooc_train.conversion.text.collisions import HashCollision, without_collision
from ooc_train.conversion.vectorizer import (
    EncodeBlock,
    EncodedBlock,
    Vectorizer,
    load_vectorizer,
    vectorizer_class,
)
from ooc_train.dtypes import I64, Integers
from ooc_train.file.handle import Handle
from ooc_train.file.output import OutputFile
from ooc_train.file.samples import SAMPLES, samples_text
from ooc_train.file.schema import SPLIT_NAMES, label_dtype
from ooc_train.kinds import KINDS
from ooc_train.memory import return_freed_memory
from ooc_train.progress import Reading

_NUMBERING, _READING = "numbering", "reading"
_TRANSFORMING, _PLACING, _WRITING = "transforming", "placing", "writing"


@dataclass(frozen=True)
class Features:
    """The features to make: a kind with its parameters, or those of a ``fitted`` file.

    With ``keeps_samples`` the texts of some rows are kept, see `TextSamples`.
    """

    kind: str
    parameters: Any
    rule: PlacementRule
    fitted: Handle | None = None
    keeps_samples: bool = False

    def vectorizer(self, attempt: int) -> Vectorizer:
        """The vectorizer, new or fitted, for an attempt from 0."""
        if self.fitted:
            return load_vectorizer(self.fitted)
        return vectorizer_class(self.kind)(self.parameters.for_attempt(attempt))


SplitWriters = Callable[[OutputFile, Integers, Resources], SplitWriter]
"""A way to make the writer of splits."""


def write_features(
    output: OutputFile,
    corpus: Corpus,
    features: Features,
    resources: Resources,
    writer: SplitWriters = SplitWriter,
) -> ConversionReport:
    """Convert all rows, and write their splits, by a ``writer``, and the vectorizer.

    Raises ``InputError`` for data without a usable class or feature.
    """

    def attempt(number: int) -> ConversionReport:
        vectorizer = features.vectorizer(number)
        if not vectorizer.is_fitted:
            vectorizer.report.attempts = number + 1
        with attempt_folder(resources.folder, number) as folder:
            journal = Journal(folder / "journal") if resources.is_resumable else Journal()
            own = replace(resources, folder=folder, journal=journal)
            _Conversion(output, corpus, features, vectorizer, own, writer).run()
        return vectorizer.report

    return without_collision(attempt, resources.progress)


@contextlib.contextmanager
def attempt_folder(parent: Path, number: int) -> Iterator[Path]:
    """The folder of an attempt's temporary files, which goes where two terms share a hash."""
    folder = parent / f"attempt-{number}"
    folder.mkdir(exist_ok=True)
    try:
        yield folder
    except HashCollision:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    finally:
        forget_all()


class _Item(NamedTuple):
    """A block or a part, and where its rows go."""

    rows: Block | SourcePart
    destinations: Sequence[Destination]


class _Conversion:
    """One attempt, whose temporary files are all in ``resources.folder``."""

    def __init__(
        self,
        output: OutputFile,
        corpus: Corpus,
        features: Features,
        vectorizer: Vectorizer,
        resources: Resources,
        writer: SplitWriters,
    ) -> None:
        self._writer = writer
        self._output = output
        self._corpus = corpus
        self._features = features
        self._vectorizer = vectorizer
        self._report = vectorizer.report
        self._resources = resources
        self._n_text_bytes = 0
        self._is_text = KINDS[features.kind].source == "text"
        takes_parts = resources.plan.texts_in_parts and corpus.has_lines
        self._texts_in_parts = self._is_text and takes_parts
        keeps_samples = features.keeps_samples and self._is_text
        drawn = features.rule.validation_fraction
        self._samples = TextSamples(drawn) if keeps_samples else None

    def run(self) -> None:
        self._vectorizer.start(self._corpus, self._resources)
        expected = None if self._vectorizer.reads else _known_rows(self._corpus)
        self._resources.progress.expect(self._phases(reads_first=not expected))
        if expected:
            classes, splits = self._place_at_once(expected)
        else:
            classes = self._classes(self._read())
            splits = self._place(self._learn(classes), classes)
        self._vectorizer.settle()
        forget_all()
        return_freed_memory()  # what encoding needed, since buckets come into other places
        self._report.spill_bytes += sum(split.n_bytes for split in splits.values())
        self._report.classes = classes.classes
        self._write(splits, classes)
        self._save()

    def _phases(self, *, reads_first: bool) -> dict[str, float]:
        """The names of the phases, and roughly their shares of the time."""
        learning = {} if self._vectorizer.is_fitted else self._vectorizer.learning_shares
        return {
            **({_NUMBERING: 2} if self._numbers_first else {}),
            **({_READING: 25} if reads_first else {}),
            **learning,
            (_TRANSFORMING if self._is_text else _PLACING): 25,
            _WRITING: 10,
        }

    # Read

    @property
    def _numbers_first(self) -> bool:
        """Whether rows are numbered first: what is kept of texts needs the numbers of their rows.

        A task does not know them, unless its part was read before.
        """
        return self._texts_in_parts and self._vectorizer.reads

    def _read(self) -> Column:
        """Read all rows; the numbers of their labels."""
        labels = Column(self._resources.folder / "labels", np.int32)
        if self._numbers_first:
            self._number_rows(labels)
            self._expect_samples()
            self._look(None)
        else:
            self._look(labels)
            self._expect_samples()
        return labels

    def _number_rows(self, labels: Column) -> None:
        """Read all rows for their numbers and labels, which go to ``labels``."""
        reading = Reading(self._resources.progress, _NUMBERING, self._corpus.n_bytes)
        task = functools.partial(look, self._corpus.measurer())
        for run in self._runs():
            for item, found in self._resources.pairs(task, run, _size, again=run.again):
                rows = run.noted(item, found)
                for measured in rows.found:
                    self._corpus.note_measured(measured)
                labels.append(rows.labels)
                reading.advance(rows.n_bytes, len(rows.labels))

    def _look(self, labels: Column | None) -> None:
        """Have the vectorizer look at all rows; the numbers of their labels go to ``labels``."""
        reading = Reading(self._resources.progress, _READING, self._corpus.n_bytes)
        disk = DiskWatch(self._resources.temp_dir, self._corpus.n_bytes)
        for run in self._runs():
            items = self._vectorizer.sample(iter(run))
            task = functools.partial(look, self._vectorizer.reader())
            for item, found in self._resources.pairs(task, items, _size, again=run.again):
                rows = run.noted(item, found)
                if self._samples:
                    self._samples.note(item, rows.sampled)
                n_spilled = sum(map(self._vectorizer.note_read, rows.found))
                if labels is not None:
                    labels.append(rows.labels)
                self._report.spill_bytes += n_spilled
                reading.advance(rows.n_bytes, len(rows.labels))
                n_text_bytes = item.size if self._is_text else rows.n_bytes
                self._n_text_bytes += n_text_bytes
                disk.check(rows.n_bytes, n_spilled=n_spilled, n_text_bytes=n_text_bytes)

    def _expect_samples(self) -> None:
        """Have the next reading find sample texts in parts, now that all rows are numbered."""
        if self._samples:
            self._corpus.sampler = self._samples.sampler(self._corpus.n_rows)

    def _runs(self) -> Iterator[RowRun]:
        """All rows as the items of tasks, in parts where these can be read by themselves."""
        if self._is_text and not self._texts_in_parts:
            yield Blocks(self._corpus.blocks())
            return
        n_bytes, expansion = self._corpus.n_bytes, self._corpus.expansion
        yield from self._corpus.runs(self._resources.division(n_bytes, expansion))

    def _classes(self, labels: Column) -> RowClasses:
        """The classes: those that are given in their order, then others that were met, sorted."""
        met, n_train = self._corpus.met_classes(), self._corpus.n_rows["train"]
        if self._corpus.learns_classes:
            given, order = self._corpus.given_classes, self._corpus.class_order
            if given:
                order = [*given, *sorted_classes(met[len(given) :], order)[1]]
            return row_classes(labels.array(), met, n_train, order)
        return RowClasses(labels.array(), np.arange(len(met), dtype=np.int32), met, n_train)

    # Learn

    def _placement(self, n_rows: Mapping[str, int], kept: I64 | None = None) -> Placement:
        placement = self._features.rule.place(n_rows, kept)
        self._report.split_rows = placement.n_rows
        self._report.kept_rows = 0 if kept is None else len(kept)
        return placement

    def _learn(self, classes: RowClasses) -> Placement:
        """Learn from the train rows, of which each class has one; the places of all rows."""
        placement = self._placement(self._corpus.n_rows)
        if self._vectorizer.is_fitted:
            return placement
        train = classes.of_train(placement, self._resources.folder)
        self._vectorizer.learn(train)
        return self._placement(self._corpus.n_rows, train.kept) if len(train.kept) else placement

    # Place

    def _place_at_once(
        self, expected: Mapping[str, int]
    ) -> tuple[RowClasses, dict[str, ShuffledSplit]]:
        """Read and place the rows of sources that say how many they have.

        If some cannot be used, the others are placed again, since there are fewer of them; so are
        all if some that were drawn have to stay.
        """
        labels = Column(self._resources.folder / "labels", np.int32)
        splits = self._place(self._placement(expected), labels=labels)
        classes = self._classes(labels)
        placement = self._learn(classes)
        if self._corpus.n_rows != expected or self._report.kept_rows:
            for split in splits.values():
                split.remove()
            self._vectorizer.start(self._corpus, self._resources)
            splits = self._place(placement)
        return classes, splits

    def _place(
        self,
        placement: Placement,
        classes: RowClasses | None = None,
        labels: Column | None = None,
    ) -> dict[str, ShuffledSplit]:
        """Encode all rows into the buckets of their places; their labels go to ``labels``."""
        n_rows = sum(placement.n_rows.values())
        splits = shuffled_splits(
            placement,
            self._resources.folder,
            expected_items=self._vectorizer.expected_items(n_rows, self._n_text_bytes),
            bucket_bytes=self._resources.plan.bucket_bytes,
        )
        buckets = {name: split.buckets for name, split in splits.items()}
        task = functools.partial(_encode, self._vectorizer.encoder(), buckets)
        advance = self._placing_progress()
        for rows in self._encoded(task, placement, classes):
            for encoded, segments in filter(None, rows.found):
                self._report.replaced_rows += encoded.n_replaced
                self._report.empty_rows += encoded.n_empty
                self._vectorizer.note_encoded(encoded.found)
                for name, segment in segments:
                    splits[name].add(segment, rows.new)
            if labels is not None:
                labels.append(rows.labels)
            advance(rows.n_bytes, len(rows.labels))
        return splits

    def _encoded(
        self, task: Callable[["_Item"], Any], placement: Placement, classes: RowClasses | None
    ) -> Iterator[ReadRows]:
        """All rows, encoded and placed."""
        n_rejects = self._corpus.rejects.count
        if self._samples:
            self._samples.start_placing()
        blocks = self._vectorizer.kept_blocks(classes) if classes else None
        runs: Iterable[RowRun] = self._runs() if blocks is None else [Blocks(blocks)]
        for run in runs:

            def again(item: _Item, found: Any, run: RowRun = run) -> _Item | None:
                other = run.again(item.rows, found)
                return None if other is None else item._replace(rows=other)

            items = self._placed(run, placement, n_rejects)
            for item, found in self._resources.pairs(task, items, _item_size, again=again):
                rows = run.noted(item.rows, found)
                if self._samples:
                    self._samples.note(item.rows, rows.sampled)
                    self._samples.place(*item)
                yield rows

    def _placed(self, run: RowRun, placement: Placement, n_rejects: int) -> Iterator["_Item"]:
        """All items with their rows' destinations; after a reject without, since places shift."""
        for rows in run:
            if self._corpus.rejects.count > n_rejects or not rows.n_rows:
                yield _Item(rows, [])
                continue
            destinations = placement.destinations(rows.split, rows.first_row, rows.n_rows)
            yield _Item(rows, destinations)

    def _placing_progress(self) -> Callable[[int, int], None]:
        """The progress in rows, or in bytes where they are read: takes how many of both."""
        progress = self._resources.progress
        if self._is_text:
            progress.start(_TRANSFORMING, sum(self._corpus.n_rows.values()), "row")
            return lambda _, n_rows: progress.advance(n_rows)
        return Reading(progress, _PLACING, self._corpus.n_bytes).advance

    # Write

    def _write(self, splits: dict[str, ShuffledSplit], classes: RowClasses) -> None:
        n_rows = sum(split.n_rows for split in splits.values())
        self._resources.progress.start(_WRITING, n_rows, "row")
        ranks = classes.ranks.astype(label_dtype(len(classes.classes)))
        writer = self._writer(self._output, ranks, self._resources)
        for name in SPLIT_NAMES:
            if name in splits:
                written = writer.write(name, splits[name], self._vectorizer.arrays(name))
                self._vectorizer.note_written(name, written)
                self._report.spill_bytes += written.n_spilled

    def _save(self) -> None:
        samples = self._samples.found() if self._samples else {}
        if samples:
            self._output.attribute(SAMPLES, samples_text(samples))
        if self._features.fitted:
            self._output.copy(self._features.fitted.hdf5["vectorizer"])
            return
        group = self._output.group("vectorizer")
        parameters = json.dumps(asdict(self._vectorizer.parameters), sort_keys=True)
        group.attribute("parameters", parameters)
        group.attribute("n_documents", self._report.split_rows["train"])
        self._vectorizer.save(group)


def _size(rows: Block | SourcePart) -> int:
    return rows.size


def _item_size(item: _Item) -> int:
    return item.rows.size


def _encode(encode: EncodeBlock, buckets: dict[str, Buckets], item: _Item) -> Any:
    """Encode the rows of an item, and write their records to the buckets of their places.

    Returns what was found in a block, `_Placed`, ``None`` for one without destinations; or a
    `PartRead`.
    """
    if isinstance(item.rows, Block) and not item.destinations:
        return None
    return look(functools.partial(_encode_block, encode, buckets, item), item.rows)


_Placed = tuple[EncodedBlock, list[tuple[str, Segment]]]


def _encode_block(
    encode: EncodeBlock, buckets: dict[str, Buckets], item: _Item, block: Block
) -> _Placed:
    """Encode a block of an item, and write its records to the buckets of their places."""
    first = block.first_row - item.rows.first_row
    destinations = [one.within(first, first + block.n_rows) for one in item.destinations]
    encoded = encode(block.rows, destinations)
    segments = [
        (split, buckets[split].write(places, block.labels, encoded.records, chosen))
        for split, chosen, places in destinations
    ]
    return encoded._replace(records=NO_RECORDS), segments


def _known_rows(corpus: Corpus) -> dict[str, int] | None:
    """How many rows each split has if all can be used; ``None`` if that is not known."""
    known: dict[str, int] = {}
    for split, sources in corpus.sources.items():
        counts = [getattr(source, "n_rows", None) for source in sources]
        if None in counts:
            return None
        known[split] = sum(count for count in counts if count)
    return known
