"""Sparse features: rows of which only the columns that are not zero are kept, as they are."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import h5py
import numpy as np

from ooc_train.conversion.kinds.numbers.numeric import NumericConversion, NumericDensity, Placed
from ooc_train.conversion.kinds.numbers.record_shuffle import Records, RecordShuffle
from ooc_train.conversion.report import ConversionReport
from ooc_train.conversion.resources import Resources
from ooc_train.conversion.sources.corpus import Corpus
from ooc_train.conversion.sources.rows import SparseNumbers
from ooc_train.conversion.storage.placement import Destination, PlacementRule
from ooc_train.dtypes import I64, AnyArray
from ooc_train.errors import InputError
from ooc_train.file import schema
from ooc_train.file.checksums import Appender

_BLOCK_MULTIPLE = 8
_MOST_BLOCK_BYTES = 2**24


@dataclass(frozen=True)
class SparseParameters:
    """Whether the source numbers its columns from 0; ``None``: if any row has a column 0."""

    zero_based: bool | None = None

    @property
    def density(self) -> NumericDensity:
        """What rows take while they are converted."""
        return NumericDensity(_BLOCK_MULTIPLE, _MOST_BLOCK_BYTES)

    def for_few_rows(self) -> "SparseParameters":
        """The same: any number of rows will do."""
        return self


@dataclass
class SparseReport(ConversionReport):
    """Of a conversion to sparse features.

    ``entries`` counts those of all rows, ``ignored_entries`` those of validation and test rows in
    columns beyond the last of the train rows, which were left out.
    """

    entries: int = 0
    ignored_entries: int = 0


def write_sparse(
    file: h5py.File,
    corpus: Corpus,
    parameters: SparseParameters,
    resources: Resources,
    rule: PlacementRule,
    fitted: Path | None = None,
) -> SparseReport:
    """Convert ``corpus`` and write its splits into ``file``.

    ``fitted`` is a file whose columns are taken.  Raises ``InputError`` for rows without columns,
    or with a column 0 where they are said to begin with 1.
    """
    with ExitStack() as stack:
        conversion = _SparseConversion(corpus, parameters)
        numeric = NumericConversion(corpus, resources, rule, conversion.report, stack)
        numeric.count(conversion.look)
        conversion.settle(fitted)
        placed = numeric.place(conversion.pack, conversion.report.entries)
        conversion.write(file, cast(Placed, placed), resources)
    return conversion.report


class SparseVectorizer:
    """What makes of svmlight rows what is read of them from a file, whose group this takes."""

    def __init__(self, group: h5py.Group) -> None:
        self.n_columns = int(group.attrs["n_columns"])
        self._offset = 0 if json.loads(group.attrs["parameters"])["zero_based"] else 1

    def transform(self, rows: SparseNumbers) -> tuple[I64, AnyArray, AnyArray]:
        """Their offsets, columns from 0 and values.  Columns that are not known are left out."""
        return known_entries(rows, self._offset, self.n_columns)


def known_entries(
    rows: SparseNumbers, offset: int, n_columns: int
) -> tuple[I64, AnyArray, AnyArray]:
    """Offsets, columns and values; columns begin with ``offset`` and are below ``n_columns``."""
    columns, offsets, values = rows.columns - np.int32(offset), rows.offsets, rows.values
    known = (columns >= 0) & (columns < n_columns)
    if not known.all():
        offsets = np.concatenate([[0], np.cumsum(known)])[offsets]
        columns, values = columns[known], values[known]
    return offsets, columns, values


class _SparseConversion:
    def __init__(self, corpus: Corpus, parameters: SparseParameters) -> None:
        self.report = SparseReport()
        self._zero_based = parameters.zero_based
        self._first, self._last = np.iinfo(np.int32).max, -1
        self._corpus = corpus
        self._fitted: Path | None = None
        self._offset = self._n_columns = 0

    def look(self, split: str, rows: SparseNumbers) -> None:
        """Take note of the columns that there are."""
        self.report.entries += len(rows.columns)
        self.report.empty_rows += int((np.diff(rows.offsets) == 0).sum())
        if len(rows.columns):
            self._first = min(self._first, int(rows.columns.min()))
            if split == "train":
                self._last = max(self._last, int(rows.columns.max()))

    def settle(self, fitted: Path | None) -> None:
        """Decide which column is the first, and how many there are."""
        zero_based = self._first == 0 if self._zero_based is None else self._zero_based
        self._zero_based, self._offset = zero_based, 0 if zero_based else 1
        self._n_columns, self._fitted = self._last + 1 - self._offset, fitted
        if fitted:
            with h5py.File(fitted, "r") as file:
                self._n_columns = int(file["vectorizer"].attrs["n_columns"])
        if self._first < self._offset:
            raise InputError(
                "a row has a column 0, and columns were said to begin with 1; leave out "
                "--no-zero-based"
            )
        if self._n_columns < 1:
            raise InputError("no train row has a column that is not zero; check the files")
        self.report.n_features = self._n_columns

    def pack(self, rows: SparseNumbers, _: list[Destination]) -> Records:
        """An item for each entry: its column and its value.  Columns too high are left out."""
        offsets, columns, values = known_entries(rows, self._offset, self._n_columns)
        items = np.empty(len(columns), np.uint64)
        halves = items.view(np.int32).reshape(-1, 2)
        halves[:, 0], halves[:, 1] = columns, values.view(np.int32)
        return Records(offsets, items)

    def write(self, file: h5py.File, placed: Placed, resources: Resources) -> None:
        """Write the splits, and how many columns there are."""
        n_rows = sum(shuffle.n_rows for shuffle in placed.shuffles.values())
        resources.progress.start("writing", n_rows, "row")
        n_written = 0
        for split in schema.SPLIT_NAMES:
            if split in placed.shuffles:
                shuffle = placed.shuffles[split]
                n_entries = shuffle.n_bytes // 8 - 2 * shuffle.n_rows
                group = schema.create_sparse_split(
                    file,
                    split,
                    n_rows=shuffle.n_rows,
                    n_entries=n_entries,
                    n_columns=self._n_columns,
                    n_classes=len(placed.classes),
                )
                self._write_rows(group, shuffle, placed, resources)
                n_written += n_entries
        self.report.ignored_entries = self.report.entries - n_written
        parameters = {"zero_based": self._zero_based}
        if self._fitted:
            with h5py.File(self._fitted, "r") as source:
                source.copy("vectorizer", file)
        else:
            n_train = placed.shuffles["train"].n_rows
            schema.create_numeric_vectorizer(
                file, parameters, n_documents=n_train, n_columns=self._n_columns
            )

    def _write_rows(
        self, group: h5py.Group, shuffle: RecordShuffle, placed: Placed, resources: Resources
    ) -> None:
        dtype, first = schema.index_dtype(self._n_columns), 0

        def read(bucket: int) -> tuple[AnyArray, AnyArray, AnyArray, AnyArray]:
            numbers, (offsets, items) = shuffle.read(bucket)
            columns = items.view(np.int32)[::2].astype(dtype)
            return placed.ranks[numbers], offsets, columns, items.view(np.float32)[1::2]

        pieces: Iterator[Any] = resources.in_order(read, range(shuffle.n_buckets))
        with (
            Appender(group["labels"]) as labels,
            Appender(group["indptr"]) as indptr,
            Appender(group["indices"]) as indices,
            Appender(group["values"]) as values,
        ):
            indptr.append(np.zeros(1))
            for numbers, offsets, columns, found in pieces:
                labels.append(numbers)
                indptr.append(offsets[1:] + first)
                indices.append(columns)
                values.append(found)
                first += len(columns)
                resources.progress.advance(len(numbers))
