"""n-gram features: fit on the train rows, transform all rows, in bounded memory.

The steps, each bounded by itself:

1. Read every source once; n-grams go to a temporary file by their hash's partition.
2. Partition by partition: document frequencies, kept terms, squared norms of all rows.
3. Partition by partition: scores of the kept terms; the best are candidates.
4. Read every source again with the candidates: rows go to buckets by their destination, and the
   candidates' strings are learned, which settles ties and proves that no two share a hash.
5. Write: rows bucket by bucket, then the vectorizer.

The result equals ``TfidfVectorizer`` and ``SelectKBest`` of scikit-learn on the whole corpus in
memory, whatever the budget and the number of threads.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import NamedTuple

import h5py
import numpy as np
import numpy.typing as npt

from ooc_train.conversion.corpus import Block, Corpus, changed_input
from ooc_train.conversion.fitting import Fit, KeptTerms, count_classes
from ooc_train.conversion.folding import fold
from ooc_train.conversion.grams import extract_grams, partition_records
from ooc_train.conversion.jit import kernel
from ooc_train.conversion.placement import Destination, Placement
from ooc_train.conversion.report import NgramReport
from ooc_train.conversion.resources import Resources
from ooc_train.conversion.selection import Scored, select_terms
from ooc_train.conversion.shuffle import LabelledRows
from ooc_train.conversion.spill import Column, Spill, row_array
from ooc_train.conversion.statistics import inverse_document_frequency
from ooc_train.conversion.terms import HashCollision, TermMatcher
from ooc_train.conversion.vectorizer import NgramParameters, SelectedTerms, write_vectorizer
from ooc_train.conversion.writing import SplitWriter
from ooc_train.errors import InputError

MAX_ATTEMPTS = 8

Floats = npt.NDArray[np.float64]
Classes = npt.NDArray[np.int32]
Ints = npt.NDArray[np.int32]


class _Indexed(NamedTuple):
    """The first reading's result: n-grams by partition, each row's class."""

    spill: Spill
    row_classes: Classes
    classes: list[str]


class _Fitted(NamedTuple):
    """Statistics of the train rows: kept terms, all rows' norms, and the best terms."""

    n_documents: int
    kept: KeptTerms
    inverse_norms: Floats
    candidates: Scored


def write_ngrams(
    file: h5py.File,
    corpus: Corpus,
    parameters: NgramParameters,
    resources: Resources,
    *,
    validation_fraction: float,
    seed: int,
) -> NgramReport:
    """Convert ``corpus`` and write its splits and the vectorizer into ``file``.

    Raises ``InputError`` for data without a usable class or term.
    """
    for attempt in range(MAX_ATTEMPTS):
        conversion = _NgramConversion(
            corpus, replace(parameters, hash_seed=parameters.hash_seed + attempt), resources
        )
        try:
            with conversion:
                conversion.report.attempts = attempt + 1
                return conversion.run(file, validation_fraction, seed)
        except HashCollision:
            resources.progress.message("two terms share a hash; fitting again with another seed")
    raise AssertionError(f"{MAX_ATTEMPTS} hash seeds in a row led to collisions")


class _NgramConversion:
    """One attempt, with one hash seed.  Its temporary files go when it ends."""

    def __init__(self, corpus: Corpus, parameters: NgramParameters, resources: Resources) -> None:
        self.report = NgramReport()
        self._corpus = corpus
        self._parameters = parameters
        self._resources = resources
        self._stack = ExitStack()

    def __enter__(self) -> "_NgramConversion":
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def run(self, file: h5py.File, validation_fraction: float, seed: int) -> NgramReport:
        indexed = self._index()
        placement = Placement(self._corpus.n_rows, validation_fraction, seed)
        fitted = self._fit(indexed, placement)
        indexed.spill.close()
        writer, matcher = self._transform(indexed, fitted, placement)
        self._write(file, indexed, fitted, writer, matcher)
        return self.report

    # Step 1

    def _index(self) -> _Indexed:
        """Read all rows: n-grams into a spill, labels into a column."""
        spill = self._stack.enter_context(Spill(self._resources.temp_dir))
        labels = self._stack.enter_context(Column(self._resources.temp_dir, np.int32))
        self._resources.progress.start("reading", self._corpus.n_bytes, "B")

        def index(block: Block) -> tuple[Block, int, int, int]:
            folded = fold(block.rows.text, block.rows.text_offsets)
            grams = extract_grams(folded, self._parameters.ngrams, self._parameters.hash_seed)
            spill.write(block.first_row, *partition_records(*grams))
            n_empty = int((np.diff(grams.offsets) == 0).sum())
            return block, folded.n_replaced, n_empty, len(grams.hashes)

        for block, n_replaced, n_empty, n_grams in self._resources.in_order(
            index, self._corpus.blocks()
        ):
            labels.append(block.labels)
            self.report.replaced_rows += n_replaced
            self.report.empty_rows += n_empty
            self.report.grams += n_grams
            self._resources.progress.advance(block.n_bytes)
        self.report.spill_bytes = spill.n_bytes
        order, classes = _sorted_classes(self._corpus.met_classes())
        row_classes = labels.mapped()
        _renumber(row_classes, order)
        self.report.classes = classes
        if len(classes) < 2:
            raise InputError(
                f"all rows have the label {classes[0]!r}; training takes at least two classes "
                f"(does --label name the right column?)"
            )
        return _Indexed(spill, row_classes, classes)

    # Steps 2 and 3

    def _fit(self, indexed: _Indexed, placement: Placement) -> _Fitted:
        """Document frequencies, norms and scores."""
        fit_classes = self._fit_classes(indexed, placement)
        counts = count_classes(fit_classes, len(indexed.classes))
        if not counts.all():
            lost = [indexed.classes[i] for i in np.flatnonzero(counts == 0)]
            raise InputError(
                f"the validation split took every row of {', '.join(map(repr, lost[:5]))}; use "
                f"--validation-fraction 0, another --seed, or more rows of it"
            )
        self.report.split_rows = placement.n_rows
        fit = Fit(indexed.spill, fit_classes, counts, self._resources, self._stack)
        kept, inverse_norms = fit.count(self._parameters)
        self.report.distinct_grams = kept.n_distinct
        self.report.kept_terms = len(kept.hashes)
        candidates = fit.score(kept, inverse_norms, self._parameters)
        return _Fitted(fit.n_documents, kept, inverse_norms, candidates)

    def _fit_classes(self, indexed: _Indexed, placement: Placement) -> Classes:
        """Each row's class where the row belongs to the train split, else -1."""
        n_rows = len(indexed.row_classes)
        fit_classes = row_array(self._resources.temp_dir, n_rows, np.int32)
        fit_classes[:] = -1
        n_train = self._corpus.n_rows["train"]
        for start in range(0, n_train, 2**16):
            stop = min(start + 2**16, n_train)
            drawn = placement.drawn(start, stop - start)
            fit_classes[start:stop] = np.where(drawn, -1, indexed.row_classes[start:stop])
        return fit_classes

    # Step 4

    def _transform(
        self, indexed: _Indexed, fitted: _Fitted, placement: Placement
    ) -> tuple[SplitWriter, TermMatcher]:
        """Read all rows again: the candidates' entries into buckets, their strings in memory."""
        candidates = fitted.candidates
        matcher = TermMatcher(
            candidates.hashes, self._parameters.ngrams, self._parameters.hash_seed
        )
        idf = inverse_document_frequency(candidates.df, fitted.n_documents)
        writer = SplitWriter(
            placement, matcher.n_terms, self.report.grams, self._resources, self._stack
        )

        def transform(item: tuple[Block, list[Destination]]) -> Block:
            block, destinations = item
            matches = matcher.match(fold(block.rows.text, block.rows.text_offsets))
            stop = block.first_row + len(block.rows)
            values = _values(*matches, idf, fitted.inverse_norms[block.first_row : stop])
            labels = indexed.row_classes[block.first_row : stop]
            rows = LabelledRows(labels, matches.offsets, matches.terms, values)
            writer.add(rows, destinations)
            return block

        def placed() -> Iterator[tuple[Block, list[Destination]]]:
            for block in self._corpus.blocks():
                yield block, placement.destinations(block.split, block.first_row, len(block.rows))

        self._resources.progress.start("transforming", self._corpus.n_bytes, "B")
        for block in self._resources.in_order(transform, placed()):
            self._resources.progress.advance(block.n_bytes)
        self.report.spill_bytes += writer.n_bytes
        return writer, matcher

    # Step 5

    def _write(
        self,
        file: h5py.File,
        indexed: _Indexed,
        fitted: _Fitted,
        writer: SplitWriter,
        matcher: TermMatcher,
    ) -> None:
        candidates = fitted.candidates
        texts = matcher.strings()
        if not all(texts):  # a term that was counted did not come again
            raise changed_input()
        selected = select_terms(candidates, texts, self._parameters.top_k)
        self.report.n_features = len(selected)
        column_of = np.full(len(texts), -1, np.int32)
        column_of[selected] = np.arange(len(selected))
        writer.write(file, column_of, n_columns=len(selected), n_classes=len(indexed.classes))
        terms = SelectedTerms(
            [texts[i].decode("utf-8") for i in selected.tolist()],
            candidates.hashes[selected],
            candidates.df[selected],
        )
        kept_hashes, kept_df = fitted.kept.hashes.mapped(), fitted.kept.df.mapped()
        pieces = (
            (kept_hashes[start : start + 2**20], kept_df[start : start + 2**20])
            for start in range(0, len(kept_hashes), 2**20)
        )
        write_vectorizer(
            file, self._parameters, fitted.n_documents, terms, (len(kept_hashes), pieces)
        )


def _sorted_classes(met: list[str]) -> tuple[Ints, list[str]]:
    """The rank of each class, and the classes by rank: as numbers if all are, else as strings."""
    all_integers = all(label.removeprefix("-").isdecimal() for label in met)
    keys = [(int(label) if all_integers else 0, label) for label in met]
    order = sorted(range(len(met)), key=keys.__getitem__)
    ranks = np.empty(len(met), np.int32)
    ranks[order] = np.arange(len(met))
    return ranks, [met[i] for i in order]


@kernel
def _renumber(classes: Classes, ranks: Ints) -> None:
    for i in range(len(classes)):
        classes[i] = ranks[classes[i]]


@kernel
def _values(
    terms: Ints,
    counts: Ints,
    offsets: npt.NDArray[np.int64],
    idf: Floats,
    inverse_norms: Floats,
) -> npt.NDArray[np.float32]:
    values = np.empty(len(terms), np.float32)
    for row in range(len(offsets) - 1):
        for i in range(offsets[row], offsets[row + 1]):
            values[i] = counts[i] * idf[terms[i]] * inverse_norms[row]
    return values
