"""Dense features: rows of numbers as they are, or as integers with a scale for each column."""

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import h5py
import numpy as np
import numpy.typing as npt

from ooc_train.conversion.kinds.numbers.numeric import NumericConversion, NumericDensity, Placed
from ooc_train.conversion.kinds.numbers.record_shuffle import (
    LabelledRecords,
    Records,
    RecordShuffle,
)
from ooc_train.conversion.report import ConversionReport
from ooc_train.conversion.resources import Resources
from ooc_train.conversion.sources.corpus import Corpus
from ooc_train.conversion.sources.rows import DenseNumbers
from ooc_train.conversion.sources.source import DenseSource
from ooc_train.conversion.storage.placement import Destination, PlacementRule
from ooc_train.dtypes import F32, I64, AnyArray
from ooc_train.errors import InputError, OptionError
from ooc_train.file import schema
from ooc_train.file.checksums import Appender
from ooc_train.jit import kernel

DTYPES = ("float32", "float16", "int8")
_LARGEST_INTEGER = 127
_TOO_LARGE = {"float16": 65_520.0}  # from here on float16 rounds to infinity
_ITEM_BYTES = 8


@dataclass(frozen=True)
class DenseParameters:
    """How numbers are stored: as float32, float16, or as int8 times their column's scale."""

    dtype: str = "float32"

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if self.dtype not in DTYPES:
            raise OptionError(f"--dtype {self.dtype} is not one of {', '.join(DTYPES)}")

    @property
    def density(self) -> NumericDensity:
        """What rows take while they are converted."""
        return NumericDensity()

    @property
    def limit(self) -> float:
        """What numbers must be smaller than in size."""
        return _TOO_LARGE.get(self.dtype, np.inf)

    def for_few_rows(self) -> "DenseParameters":
        """The same: any number of rows will do."""
        return self


@dataclass
class DenseReport(ConversionReport):
    """Of a conversion to dense features.

    ``clipped_values`` counts those of validation and test rows that are beyond any train value of
    their column, and were clipped to it (int8 alone).
    """

    clipped_values: int = 0


def write_dense(
    file: h5py.File,
    corpus: Corpus,
    parameters: DenseParameters,
    resources: Resources,
    rule: PlacementRule,
    fitted: Path | None = None,
) -> DenseReport:
    """Convert ``corpus`` and write its splits and their scales into ``file``.

    ``fitted`` is a file whose type and scales are taken.  Raises ``InputError`` for sources whose
    rows have different numbers of columns.
    """
    with ExitStack() as stack:
        conversion = _DenseConversion(corpus, parameters, fitted)
        placed = conversion.place(resources, rule, stack)
        conversion.write(file, placed, resources)
    return conversion.report


class _DenseConversion:
    def __init__(self, corpus: Corpus, parameters: DenseParameters, fitted: Path | None) -> None:
        self.report = DenseReport()
        self._corpus = corpus
        self._dtype = np.dtype(parameters.dtype)
        # Integers depend on the largest number of all, so they are made at the end.
        self._stored = np.dtype(np.float32) if self._dtype.kind == "i" else self._dtype
        self._n_columns = _n_columns(corpus)
        self._fitted = fitted
        self._parameters = parameters
        self._largest = np.zeros(self._n_columns, np.float32)
        self._lock = threading.Lock()
        self.report.n_features = self._n_columns

    def place(self, resources: Resources, rule: PlacementRule, stack: ExitStack) -> Placed:
        self._check_fitted()
        numeric = NumericConversion(self._corpus, resources, rule, self.report, stack)
        row_items = -(-self._n_columns * self._stored.itemsize // _ITEM_BYTES)
        expected = _expected_rows(self._corpus)
        placed = None
        if expected:
            n_items = row_items * sum(expected.values())
            placed = numeric.place(self._pack, n_items, expected=expected)
        else:
            numeric.count(lambda split, rows: None)  # noqa: ARG005 - only their number matters
        if placed is None:
            self._largest[:] = 0
            placed = numeric.place(self._pack, row_items * sum(self._corpus.n_rows.values()))
        return cast(Placed, placed)

    def _check_fitted(self) -> None:
        if self._fitted is None:
            return
        with h5py.File(self._fitted, "r") as file:
            n_columns = int(file["vectorizer"].attrs["n_columns"])
        if n_columns != self._n_columns:
            raise InputError(
                f"rows have {self._n_columns:,} columns, and those of --vectorizer "
                f"{n_columns:,}; leave it out, or name the columns with --columns"
            )

    def _pack(self, rows: DenseNumbers, destinations: list[Destination]) -> Records:
        if self._dtype.kind == "i":
            found = np.zeros_like(self._largest)
            for destination in destinations:
                if destination.split == "train":
                    _raise_to(found, rows.values, destination.chosen)
            with self._lock:
                np.maximum(self._largest, found, out=self._largest)
        return packed(rows.values.astype(self._stored, copy=False))

    def write(self, file: h5py.File, placed: Placed, resources: Resources) -> None:
        scales = self._scales()
        n_rows = sum(shuffle.n_rows for shuffle in placed.shuffles.values())
        resources.progress.start("writing", n_rows, "row")
        for split in schema.SPLIT_NAMES:
            if split in placed.shuffles:
                shuffle = placed.shuffles[split]
                group = schema.create_dense_split(
                    file,
                    split,
                    n_rows=shuffle.n_rows,
                    n_columns=self._n_columns,
                    dtype=self._dtype,
                    n_classes=len(placed.classes),
                )
                self._write_rows(group, self._read(shuffle, scales, resources), placed, resources)
        self._write_parameters(file, placed.shuffles["train"].n_rows, scales)

    def _read(
        self, shuffle: RecordShuffle, scales: F32 | None, resources: Resources
    ) -> Iterator[tuple[AnyArray, AnyArray, int]]:
        """The labels and values of each bucket, and how many were clipped."""

        def read(bucket: int) -> tuple[AnyArray, AnyArray, int]:
            rows: LabelledRecords = shuffle.read(bucket)
            values = unpacked(rows.records, len(rows.labels), self._n_columns, self._stored)
            if scales is None:
                return rows.labels, values, 0
            return rows.labels, *_as_integers(values, scales)

        return resources.in_order(read, range(shuffle.n_buckets))

    def _write_rows(
        self,
        group: h5py.Group,
        pieces: Iterator[tuple[AnyArray, AnyArray, int]],
        placed: Placed,
        resources: Resources,
    ) -> None:
        with Appender(group["labels"]) as labels, Appender(group["features"]) as features:
            for numbers, values, n_clipped in pieces:
                labels.append(placed.ranks[numbers])
                features.append(values)
                self.report.clipped_values += n_clipped
                resources.progress.advance(len(numbers))

    def _scales(self) -> F32 | None:
        if self._dtype.kind != "i":
            return None
        if self._fitted:
            with h5py.File(self._fitted, "r") as file:
                return cast(F32, file["vectorizer/scales"][...])
        scales: F32 = self._largest / np.float32(_LARGEST_INTEGER)
        scales[scales == 0] = 1
        return scales

    def _write_parameters(self, file: h5py.File, n_train: int, scales: F32 | None) -> None:
        if self._fitted:
            with h5py.File(self._fitted, "r") as source:
                source.copy("vectorizer", file)
            return
        group = schema.create_numeric_vectorizer(
            file, asdict(self._parameters), n_documents=n_train, n_columns=self._n_columns
        )
        if scales is not None:
            schema.write_array(group, "scales", scales)


class DenseVectorizer:
    """What makes of rows of numbers what is read of them from a file, whose group this takes."""

    def __init__(self, group: h5py.Group) -> None:
        self.n_columns = int(group.attrs["n_columns"])
        self.dtype = np.dtype(json.loads(group.attrs["parameters"])["dtype"])
        self._scales: F32 | None = group["scales"][...] if "scales" in group else None

    def transform(self, values: F32) -> F32:
        """``values`` (n_rows, n_columns) float32, rounded as they are when they are stored."""
        if self._scales is None:
            return values.astype(self.dtype, copy=False).astype(np.float32, copy=False)
        return _as_integers(values, self._scales)[0].astype(np.float32) * self._scales


def _as_integers(values: F32, scales: F32) -> tuple[npt.NDArray[np.int8], int]:
    """Numbers in units of their column's scale, and how many were clipped."""
    integers = np.rint(values / scales)
    n_clipped = int(np.count_nonzero(np.abs(integers) > _LARGEST_INTEGER))
    np.clip(integers, -_LARGEST_INTEGER, _LARGEST_INTEGER, out=integers)
    return integers.astype(np.int8), n_clipped


def packed(values: AnyArray) -> Records:
    """Rows as items: their bytes, and zeros up to a whole item."""
    n_rows, row_bytes = len(values), values.shape[1] * values.itemsize
    row_items = -(-row_bytes // _ITEM_BYTES)
    if row_bytes % _ITEM_BYTES:
        padded = np.zeros((n_rows, row_items * _ITEM_BYTES), np.uint8)
        padded[:, :row_bytes] = np.ascontiguousarray(values).view(np.uint8)
    else:
        padded = np.ascontiguousarray(values)
    items = padded.reshape(-1).view(np.uint64)
    return Records(np.arange(n_rows + 1) * row_items, items)


def unpacked(records: Records, n_rows: int, n_columns: int, dtype: np.dtype[Any]) -> AnyArray:
    """The values that `packed` made items of: (n_rows, n_columns)."""
    return records.items.view(dtype).reshape(n_rows, -1)[:, :n_columns]


def _n_columns(corpus: Corpus) -> int:
    sources = _sources(corpus)
    first = sources[0]
    for source in sources:
        if source.n_columns != first.n_columns:
            raise InputError(
                f"{source.path} has {source.n_columns:,} columns of features, and {first.path} "
                f"{first.n_columns:,}; name the same with --columns"
            )
    return first.n_columns


def _expected_rows(corpus: Corpus) -> dict[str, int] | None:
    """How many rows each split has if all can be used; ``None`` if that is not known."""
    expected: dict[str, int] = {}
    for split, sources in corpus.sources.items():
        counts = [source.n_rows for source in cast(Sequence[DenseSource], sources)]
        if None in counts:
            return None
        expected[split] = sum(count for count in counts if count)
    return expected


def _sources(corpus: Corpus) -> list[DenseSource]:
    return [cast(DenseSource, s) for sources in corpus.sources.values() for s in sources]


@kernel
def _raise_to(largest: F32, values: F32, chosen: I64) -> None:
    """Raise each column's largest size to those of the rows that are chosen."""
    for i in range(len(chosen)):
        row = values[chosen[i]]
        for column in range(len(row)):
            largest[column] = max(largest[column], abs(row[column]))
