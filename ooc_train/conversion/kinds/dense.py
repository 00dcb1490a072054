"""Dense features: rows of numbers as they are, or as integers with a scale for each column."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import numpy as np

from ooc_train.conversion.kinds.numbers import NumberNeeds
from ooc_train.conversion.options import ConvertOptions
from ooc_train.conversion.report import DenseReport
from ooc_train.conversion.resources import Resources
from ooc_train.conversion.sources.corpus import Corpus
from ooc_train.conversion.sources.numbers import DenseSource
from ooc_train.conversion.storage.layouts.arrays import SplitArrays
from ooc_train.conversion.storage.layouts.dense import (
    LARGEST_INTEGER,
    DenseArrays,
    as_integers,
    pack_dense,
    row_items_of,
)
from ooc_train.conversion.storage.placement import Destination
from ooc_train.conversion.storage.writing import Written
from ooc_train.conversion.vectorizer import (
    EncodeBlock,
    Encoded,
    EncodedBlock,
    Parameters,
    Vectorizer,
)
from ooc_train.counts import counted
from ooc_train.dtypes import F32, I64, AnyArray
from ooc_train.errors import InputError
from ooc_train.file.group import FileGroup
from ooc_train.file.output import OutputGroup
from ooc_train.jit import kernel
from ooc_train.options import fallback
from ooc_train.reading.rows import DenseRows

_TOO_LARGE = {"float16": 65_520.0}  # from here on float16 rounds to infinity


@dataclass(frozen=True)
class DenseParameters(Parameters):
    """How numbers are stored: as float32, float16, or as int8 times their column's scale."""

    dtype: str = fallback(ConvertOptions, "dtype")

    @property
    def needs(self) -> NumberNeeds:
        """The memory and disk that rows of these parameters need."""
        return NumberNeeds()

    @property
    def limit(self) -> float:
        """The bound on the size of all numbers."""
        return _TOO_LARGE.get(self.dtype, np.inf)


class DenseVectorizer(Vectorizer):
    """Rounds numbers to the type that they are stored in.

    Scales of integers depend on the largest number of all train rows; so rows are kept as float32,
    and become integers when they are written.
    """

    Parameters = DenseParameters
    report: DenseReport

    def __init__(self, parameters: DenseParameters) -> None:
        super().__init__(parameters)
        self.report = DenseReport()
        self.n_columns = 0
        self._scales: F32 | None = None
        self._largest = np.zeros(0, np.float32)

    @classmethod
    def load(cls, parameters: DenseParameters, group: FileGroup) -> "DenseVectorizer":
        """The vectorizer that `save` stored in ``group``."""
        vectorizer = cls(parameters)
        vectorizer.n_columns = group.attributes["n_columns"]
        if ("scales" in group) != (parameters.dtype == "int8"):
            raise ValueError("integers, and no other rows, have scales")
        if "scales" in group:
            vectorizer._scales = group.scales()
        return vectorizer

    def start(self, corpus: Corpus, resources: Resources) -> None:  # noqa: ARG002
        """Check that all sources have equally many columns.  Raises ``InputError`` otherwise."""
        n_columns = _n_columns(corpus)
        if self.is_fitted and n_columns != self.n_columns:
            raise InputError(
                f"rows have {counted(n_columns, 'column')}, and those that the vectorizer is of "
                f"have {self.n_columns:,}; name the columns with --columns, or convert without it"
            )
        self.report.n_features = self.n_columns = n_columns
        self._largest = np.zeros(n_columns, np.float32)

    def expected_items(self, n_rows: int, n_text_bytes: int) -> int:  # noqa: ARG002
        """How many items the records of all rows have."""
        return n_rows * row_items_of(self.n_columns, self._packed_dtype)

    def encode(self, rows: Any) -> Encoded:
        """Rows of ``rows.values`` (n_rows, n_columns) float32, rounded as when they are stored.

        Raises ``InputError`` for rows of another number of columns.
        """
        self.check_columns(rows.values.shape[1])
        stored, n_clipped = self.stored(rows.values)
        values = stored.astype(np.float32, copy=False)
        if self._scales is not None:
            values *= self._scales
        return Encoded(DenseRows(values), n_clipped=n_clipped)

    def check_columns(self, n_columns: int) -> None:
        """Raise ``InputError`` for rows of another number of columns."""
        if n_columns != self.n_columns:
            raise InputError(
                f"the rows have {counted(n_columns, 'column')}, and the model takes "
                f"{self.n_columns:,}; name them with --columns"
            )

    def stored(self, values: F32) -> tuple[AnyArray, int]:
        """Numbers in their stored type, and how many of them were clipped.

        They stay float32 until the scales of integers are known.
        """
        if self._scales is None:
            return values.astype(self._packed_dtype, copy=False), 0
        return as_integers(values, self._scales)

    def encoder(self) -> EncodeBlock:
        """The task that packs a block's rows, and finds the largest numbers of train rows."""
        return functools.partial(_encode, self)

    def note_encoded(self, found: "_Found") -> None:
        """Add the largest numbers of a block, and the number of clipped values."""
        self.report.clipped_values += found.n_clipped
        if found.largest is not None:
            np.maximum(self._largest, found.largest, out=self._largest)

    def settle(self) -> None:
        """Compute the scales of integers from the largest train numbers."""
        if self.parameters.dtype == "int8" and self._scales is None:
            self._scales = self._largest / np.float32(LARGEST_INTEGER)
            self._scales[self._scales == 0] = 1

    def arrays(self, split: str) -> SplitArrays:  # noqa: ARG002
        """The arrays of a split."""
        scales = None if self.is_fitted else self._scales
        return DenseArrays(self.n_columns, self._packed_dtype, scales)

    def note_written(self, split: str, written: Written) -> None:  # noqa: ARG002
        """Count the values that were clipped."""
        self.report.clipped_values += written.n_clipped

    def save(self, group: OutputGroup) -> None:
        """Store the number of columns and the scales."""
        group.attribute("n_columns", self.n_columns)
        if self._scales is not None:
            group.array("scales", self._scales)

    @property
    def _packed_dtype(self) -> str:
        """The type of numbers in records."""
        becomes_integers = self.parameters.dtype == "int8" and not self.is_fitted
        return "float32" if becomes_integers else str(self.parameters.dtype)


class _Found(NamedTuple):
    """The findings in a block.

    ``largest`` (n_columns,) float32 is the largest size of a train row's number in each column,
    ``None`` where no scale depends on it.
    """

    largest: F32 | None
    n_clipped: int


def _encode(
    vectorizer: DenseVectorizer, rows: Any, destinations: Sequence[Destination]
) -> EncodedBlock:
    stored, n_clipped = vectorizer.stored(rows.values)
    largest = None
    if vectorizer.parameters.dtype == "int8" and not vectorizer.is_fitted:
        largest = np.zeros(vectorizer.n_columns, np.float32)
        for destination in destinations:
            if destination.split == "train":
                _raise_to(largest, rows.values, destination.chosen)
    return EncodedBlock(pack_dense(stored), found=_Found(largest, n_clipped))


def _n_columns(corpus: Corpus) -> int:
    sources = [cast(DenseSource, s) for sources in corpus.sources.values() for s in sources]
    first = sources[0]
    for source in sources:
        if source.n_columns != first.n_columns:
            raise InputError(
                f"{source.path} has {counted(source.n_columns, 'column')} of features, and "
                f"{first.path} {first.n_columns:,}; name the same with --columns"
            )
    return first.n_columns


@kernel
def _raise_to(largest: F32, values: F32, chosen: I64) -> None:
    """Raise each column's largest size to those of the rows that are chosen."""
    for i in range(len(chosen)):
        row = values[chosen[i]]
        for column in range(len(row)):
            largest[column] = max(largest[column], abs(row[column]))
