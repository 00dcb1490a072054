"""`explore`: what rows are, before any conversion, read once and in bounded memory.

This is `explore_data` of Google's text-classification guide for rows that do not fit into memory:
classes, words, terms, and beside these duplicates, rejects and costs.
"""

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ooc_train.bars import usual_progress
from ooc_train.conversion.auto import Figures, add_lengths, words_of
from ooc_train.conversion.disk import check_disk, check_temp_dir, disk_errors, usual_temp_dir
from ooc_train.conversion.inputs import files_read, list_inputs
from ooc_train.conversion.kinds.terms.grams import extract_grams
from ooc_train.conversion.options import RowOptions
from ooc_train.conversion.pipeline import Features
from ooc_train.conversion.plan import RowPlan, plan_rows
from ooc_train.conversion.resources import Largest, MemoryPlan
from ooc_train.conversion.sources.class_column import class_notes
from ooc_train.conversion.sources.corpus import Corpus
from ooc_train.conversion.sources.files.paths import InputPaths
from ooc_train.conversion.sources.formats.table import FORMATS
from ooc_train.conversion.sources.in_hand import inputs_of
from ooc_train.conversion.sources.rows import Block, TextRows
from ooc_train.conversion.storage.job import JobFolder
from ooc_train.conversion.storage.placement import PlacementRule
from ooc_train.conversion.storage.row_classes import sorted_classes
from ooc_train.conversion.text.tokens import Tokens, tokenize
from ooc_train.conversion.trial import convert_few_rows
from ooc_train.dtypes import I64, U16, U64
from ooc_train.errors import OptionError
from ooc_train.inspection.raw.cost import estimated_cost
from ooc_train.inspection.raw.duplicates import Duplicates, find_duplicates
from ooc_train.inspection.raw.examples import described
from ooc_train.inspection.raw.fingerprints import hashes_of, signatures_of
from ooc_train.inspection.raw.row_columns import RowColumns
from ooc_train.inspection.raw.sample import RowSample
from ooc_train.inspection.raw.tally import RejectTally
from ooc_train.inspection.raw.telling import MOST_CLASSES, frequent_terms, telling_terms
from ooc_train.inspection.raw.term_table import TermTable
from ooc_train.kernel_processes import compiling_elsewhere
from ooc_train.kinds import KINDS
from ooc_train.memory import MemoryMonitor, default_budget, measure, return_freed_memory
from ooc_train.options import made
from ooc_train.outputs import check_outputs
from ooc_train.progress import Progress, Reading, Stopwatch
from ooc_train.tasks import results_in_order
from ooc_train.threads import ThreadPool

_ROW_BYTES = 120
"""The disk that a row takes in temporary files, rather too much."""
_SAMPLE_BYTES = 2**23
_SHINGLES = {"char": (4, 5)}
"""The n-grams that the similarity of two texts goes by, where it is not words and pairs of them."""
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def explore(
    train: Any,
    *,
    progress: Progress | None = None,
    more_outputs: Mapping[str, Path | None] | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Look at labelled rows as `convert` would read them, and write nothing.

    ``train`` and ``options`` are those of `convert`, as far as they say what the rows are and what
    they become; see `RowOptions`.  ``more_outputs`` are files that the caller will write, by what
    they are: they may be no inputs.

    Returns a report:

    - ``rows``, ``features`` and ``classes``, each with its ``label``, ``name`` and ``rows`` by
      split
    - ``splits``: of each its ``rows``, and of texts their ``bytes`` and ``words``, with their
      ``lengths``, how many rows have how many words
    - ``guide``: the figures that Google's guide chooses a model by, see `Figures`
    - ``terms``: those of the train rows that are most ``frequent``, and for the largest classes
      those that are most ``telling``; counts are exact, or too low by at most ``missed_rows``
    - ``duplicates``, see `Duplicates`, with examples
    - ``rejects``: the rows that a conversion could not use, by reason
    - ``cost``: estimates of what a conversion and an epoch take, see `estimated_cost`
    - ``notes`` about the files, ``files``, ``seconds``, and peak memory in bytes

    ``guide``, ``terms`` and ``cost`` are ``None`` for rows of numbers.

    Memory: ``memory_bytes`` for the whole process, by default a quarter of what it may use, at
    least 128 MB.  Disk: 120 bytes for each row in ``temp_dir``, and some 30 MB.

    Raises what `convert` does for rows that cannot be used.
    """
    chosen = made(RowOptions, options, call="explore")
    given, watch = inputs_of(train), Stopwatch(progress or usual_progress())
    if not given:
        raise OptionError("there are no training rows; give at least one file of them")
    temp_dir = Path(chosen.temp_dir) if chosen.temp_dir else usual_temp_dir()
    check_temp_dir(temp_dir)
    with ExitStack() as stack, MemoryMonitor() as memory, disk_errors(Path("rows"), temp_dir):
        inputs, chosen, listing = list_inputs(given, chosen)
        check_outputs(more_outputs or {}, files_read(inputs, chosen), force=True)
        paths = InputPaths(temp_dir, watch, stack)
        once = not FORMATS[chosen.format or "csv"].seeks
        plan = plan_rows(inputs, chosen, paths, reads_once=once)
        survey = _Survey(plan, chosen, temp_dir, watch)
        report = survey.run()
        watch.finish()
        return {
            **report,
            "notes": [*listing, *plan.notes, *report["notes"]],
            "seconds": watch.seconds(),
            "peak_rss_bytes": memory.peak_rss_bytes,
            "peak_anon_bytes": memory.peak_anon_bytes,
        }


class _SourceBlock(NamedTuple):
    """A block, and the number of its source."""

    source: int
    block: Block


class _Measured(NamedTuple):
    """The findings of a worker in a block; ``tokens`` and ``signatures`` of texts alone."""

    hashes: U64
    lengths: I64 | None
    tokens: Tokens | None = None
    signatures: U16 | None = None


class _Survey:
    """The survey of some rows, made once."""

    def __init__(
        self, plan: RowPlan, options: RowOptions, temp_dir: Path, watch: Stopwatch
    ) -> None:
        self._plan, self._options, self._temp_dir, self._watch = plan, options, temp_dir, watch
        parameters: Any = plan.parameters
        self._is_text = KINDS[plan.features].source == "text"
        is_ngram = plan.features == "ngram"
        self._analyzer = parameters.analyzer if is_ngram else "keras"
        self._ngrams = parameters.ngrams if is_ngram else (1, 1)
        self._budget = options.memory_bytes or default_budget()
        self._tally = RejectTally()

    def run(self) -> dict[str, Any]:
        """The report."""
        if self._is_text:
            self._watch.start("compiling", None, "")
            rule = PlacementRule(0.0, 0)
            features = Features(self._plan.features, self._plan.parameters, rule)
            with compiling_elsewhere(self._budget, self._watch) as compiler:
                convert_few_rows(features, self._temp_dir, compiler)
                _compile_kernels()
        memory = self._divided()
        self._corpus = Corpus(
            self._plan.inputs.sources,
            self._tally,
            memory.block_bytes,
            check_labels=self._names_of,
            room=memory.room,
            class_order=self._plan.inputs.class_order,
        )
        with JobFolder(self._temp_dir) as folder:
            rows = RowColumns(folder, are_signed=self._is_text)
            self._read(rows, memory)
            report = self._described()
            self._watch.start("comparing", None, "")
            found = find_duplicates(rows, self._corpus.n_rows, folder, memory.table_bytes)
            report["duplicates"] = self._duplicates(found, rows)
            report["cost"] = self._cost(folder) if self._is_text else None
        return report

    def _divided(self) -> MemoryPlan:
        sources = self._plan.inputs.sources
        return_freed_memory()
        return MemoryPlan.divide(
            self._budget,
            measure().anon_bytes or 0,
            needs=self._plan.parameters.needs,
            workers=self._options.workers,
            largest=Largest.of(itertools.chain.from_iterable(sources.values())),
            max_row_bytes=self._options.max_row_bytes,
        )

    def _names_of(self, labels: list[str]) -> list[str]:
        names = self._plan.inputs.class_names
        return names.of(labels) if names else labels

    # Reading

    def _read(self, rows: RowColumns, memory: MemoryPlan) -> None:
        """Read all rows once, and count what is in them."""
        self._terms = TermTable(self._analyzer, self._ngrams, memory.dictionary_bytes)
        self._sample = RowSample(min(_SAMPLE_BYTES, memory.dictionary_bytes // 2))
        self._lengths: dict[str, Counter[int]] = {split: Counter() for split in self._corpus.n_rows}
        self._text_bytes = dict.fromkeys(self._corpus.n_rows, 0)
        self._class_rows: dict[str, Counter[int]] = {
            split: Counter() for split in self._corpus.n_rows
        }
        reading = Reading(self._watch, "reading", self._corpus.n_bytes)
        with ThreadPool(memory.n_workers, "explore") as pool:
            most = (memory.n_workers + 1) * memory.block_bytes * 9 // 8
            measured = results_in_order(
                pool, self._measure, self._items(), memory.n_workers, _size, most
            )
            for item, found in measured:
                block = item.block
                self._count(block, found)
                rows.append(
                    item.source, block.rows.lines, block.labels, found.hashes, found.signatures
                )
                reading.advance(block.n_bytes, len(block.rows))
                check_disk(self._temp_dir, len(block.rows) * _ROW_BYTES)

    def _items(self) -> Iterator[_SourceBlock]:
        for block in self._corpus.blocks():
            yield _SourceBlock(len(self._corpus.files) - 1, block)

    def _measure(self, item: _SourceBlock) -> _Measured:
        """The task of the workers."""
        rows = item.block.rows
        if not self._is_text:
            lengths = np.diff(rows.offsets) if hasattr(rows, "offsets") else None
            return _Measured(hashes_of(rows), lengths)
        tokens = tokenize(rows.text, rows.text_offsets, self._analyzer, 0)
        grams = extract_grams(tokens, _SHINGLES.get(self._analyzer, (1, 2)))
        return _Measured(hashes_of(rows), words_of(rows), tokens, signatures_of(grams))

    def _count(self, block: Block, found: _Measured) -> None:
        numbers, counts = np.unique(block.labels, return_counts=True)
        self._class_rows[block.split].update(
            dict(zip(numbers.tolist(), counts.tolist(), strict=True))
        )
        if found.lengths is not None:
            add_lengths(self._lengths[block.split], found.lengths)
        self._text_bytes[block.split] += block.rows.size
        if found.tokens is not None and block.split == "train":
            self._terms.add(found.tokens, block.labels)
            self._sample.add(block)

    # The report

    def _described(self) -> dict[str, Any]:
        met = self._corpus.met_classes()
        ranks, labels = sorted_classes(met, self._plan.inputs.class_order)
        order = np.argsort(ranks)  # from the place of a class to the number that rows have
        n_rows = self._corpus.n_rows
        by_split = {
            split: [self._class_rows[split][number] for number in order.tolist()]
            for split in n_rows
        }
        names = self._names_of(labels)
        return {
            "rows": sum(n_rows.values()),
            "features": self._plan.features,
            "classes": [
                {"label": label, "name": names[place],
                 "rows": {split: counts[place] for split, counts in by_split.items()}}
                for place, label in enumerate(labels)
            ],
            "splits": {split: self._split(split) for split in n_rows},
            "guide": asdict(Figures.of(self._lengths["train"])) if self._is_text else None,
            "terms": self._term_report(order, by_split["train"]) if self._is_text else None,
            "rejects": self._tally.report,
            "missing_rows": self._corpus.missing_rows,
            "files": [file.report for file in self._corpus.files],
            "notes": class_notes(labels, n_rows["train"]),
        }  # fmt: skip

    def _split(self, split: str) -> dict[str, Any]:
        lengths = self._lengths[split]
        figures: dict[str, Any] = {"rows": self._corpus.n_rows[split]}
        if self._is_text:
            figures["bytes"] = self._text_bytes[split]
        if lengths:
            figures["words" if self._is_text else "entries"] = _summary(lengths)
            figures["lengths"] = dict(sorted(lengths.items()))
        return figures

    def _term_report(self, order: I64, class_rows: Sequence[int]) -> dict[str, Any]:
        counted = self._terms.counted()
        numbers = order[order < counted.by_class.shape[1]]
        of_number = np.zeros(counted.by_class.shape[1], np.int64)
        places = {int(number): place for place, number in enumerate(order.tolist())}
        for number in numbers.tolist():
            of_number[number] = class_rows[places[number]]
        largest = sorted(numbers.tolist(), key=lambda number: -class_rows[places[number]])
        shown = sorted(largest[:MOST_CLASSES], key=places.__getitem__)
        n_train = self._corpus.n_rows["train"]
        return {
            "missed_rows": self._terms.missed_rows,
            "frequent": frequent_terms(counted, n_train),
            "telling": [
                {"class": places[number], "terms": terms}
                for number, terms in zip(
                    shown, telling_terms(counted, of_number, shown, n_train), strict=True
                )
            ],
        }

    def _duplicates(self, found: Duplicates, rows: RowColumns) -> dict[str, Any]:
        sources = [*itertools.chain.from_iterable(self._plan.inputs.sources.values())]
        return asdict(found) | {"examples": described(found.examples, rows, sources)}

    def _cost(self, folder: Path) -> dict[str, Any] | None:
        del self._terms  # its memory is needed
        figures = estimated_cost(
            self._sample,
            self._corpus.met_classes(),
            self._plan,
            self._options,
            self._corpus.n_rows["train"],
            sum(self._text_bytes.values()),
            folder,
            self._watch,
        )
        if figures is None:
            return None
        if figures["epoch_seconds"] is None:  # no kernel computes it, or none is compiled yet
            usual = Figures.of(self._lengths["train"]).epoch_seconds
            figures["epoch_seconds"] = usual[self._plan.features]
        return {"memory_budget_bytes": self._budget, **figures}


def _compile_kernels() -> None:
    """Have the kernels of texts compiled or loaded before memory is divided."""
    texts = TextRows.of([b"some words", b"other words"])
    tokens = tokenize(texts.text, texts.text_offsets, "word", 0)
    table = TermTable("word", (1, 2), 0)
    table.add(tokens, np.zeros(2, np.int32))
    table.make_room()
    signatures_of(extract_grams(tokens, (1, 2)))
    words_of(texts)


def _summary(lengths: Counter[int]) -> dict[str, Any]:
    """The least, the largest and the mean length, and some quantiles, by rows."""
    keys = np.array(sorted(lengths))
    ends = np.cumsum([lengths[key] for key in keys.tolist()])
    at = np.searchsorted(ends, [share * ends[-1] for share in _QUANTILES])
    total = sum(length * count for length, count in lengths.items())
    return {
        "sum": total,
        "mean": total / int(ends[-1]),
        "least": int(keys[0]),
        "most": int(keys[-1]),
        "quantiles": dict(zip(map(str, _QUANTILES), keys[at].tolist(), strict=True)),
    }


def _size(item: _SourceBlock) -> int:
    return int(item.block.rows.size)
