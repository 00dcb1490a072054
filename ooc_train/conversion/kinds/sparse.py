"""Sparse features: the entries of svmlight rows, stored as they are."""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from ooc_train.conversion.kinds.numbers import NumberNeeds
from ooc_train.conversion.report import SparseReport
from ooc_train.conversion.sources.rows import Block
from ooc_train.conversion.storage.layouts.arrays import SplitArrays
from ooc_train.conversion.storage.layouts.sparse import ENTRY_ITEMS, SparseArrays
from ooc_train.conversion.storage.row_classes import TrainClasses
from ooc_train.conversion.storage.writing import Written
from ooc_train.conversion.vectorizer import Encoded, Parameters, ReadBlock, Vectorizer
from ooc_train.errors import InputError
from ooc_train.file.group import FileGroup
from ooc_train.file.output import OutputGroup
from ooc_train.reading.rows import SparseRows

_BLOCK_MULTIPLE = 8
_MAX_BLOCK_BYTES = 2**24
_NO_COLUMN = np.iinfo(np.int32).max


@dataclass(frozen=True)
class SparseParameters(Parameters):
    """Whether the source numbers its columns from 0; ``None``: if any row has a column 0."""

    zero_based: bool | None = None

    @property
    def needs(self) -> NumberNeeds:
        """The memory and disk that rows of these parameters need."""
        return NumberNeeds(_BLOCK_MULTIPLE, _MAX_BLOCK_BYTES)


class _Columns(NamedTuple):
    """The columns of a block: how many entries, the first of all, and the last of train rows."""

    n_entries: int
    first: int
    last: int


class SparseVectorizer(Vectorizer):
    """Numbers columns from 0, and leaves out those beyond the last of the train rows."""

    Parameters = SparseParameters
    report: SparseReport

    def __init__(self, parameters: SparseParameters) -> None:
        super().__init__(parameters)
        self.report = SparseReport()
        self.n_columns = 0
        self._first, self._last = _NO_COLUMN, -1
        self._n_written = 0

    @classmethod
    def load(cls, parameters: SparseParameters, group: FileGroup) -> "SparseVectorizer":
        """The vectorizer that `save` stored in ``group``."""
        vectorizer = cls(parameters)
        vectorizer.report.n_features = vectorizer.n_columns = group.attributes["n_columns"]
        return vectorizer

    @property
    def reads(self) -> bool:
        """Always: the number of columns must be known before rows are encoded."""
        return True

    def reader(self) -> ReadBlock:
        """The task that finds the columns of a block."""
        return _columns_of

    def note_read(self, found: _Columns) -> int:
        """Add the columns of a block.  Raises ``InputError`` for a column below the first."""
        self.report.entries += found.n_entries
        self._first, self._last = min(self._first, found.first), max(self._last, found.last)
        if self._first < self._offset:
            raise InputError(
                "a row has a column 0, and columns were said to begin with 1; leave out "
                "--no-zero-based"
            )
        return 0

    def learn(self, train: TrainClasses) -> None:  # noqa: ARG002
        """Fix the first column and the number of columns."""
        if self.parameters.zero_based is None:
            self.parameters = replace(self.parameters, zero_based=self._first == 0)
        self.n_columns = self._last + 1 - self._offset
        if self.n_columns < 1:
            raise InputError("no train row has a column that is not zero; check the files")
        self.report.n_features = self.n_columns

    def expected_items(self, n_rows: int, n_text_bytes: int) -> int:  # noqa: ARG002
        """How many items the records of all rows have at most."""
        return ENTRY_ITEMS * self.report.entries

    def encode(self, rows: Any) -> Encoded:
        """The rows with columns from 0; columns that are not known are left out."""
        columns, indptr, values = rows.columns - np.int32(self._offset), rows.offsets, rows.values
        n_empty = int((np.diff(indptr) == 0).sum())
        known = (columns >= 0) & (columns < self.n_columns)
        if not known.all():
            indptr = np.concatenate([[0], np.cumsum(known)])[indptr]
            columns, values = columns[known], values[known]
        return Encoded(SparseRows(indptr, columns, values, self.n_columns), n_empty=n_empty)

    def arrays(self, split: str) -> SplitArrays:  # noqa: ARG002
        """The arrays of a split."""
        return SparseArrays(self.n_columns)

    def note_written(self, split: str, written: Written) -> None:  # noqa: ARG002
        """Count the entries that were left out."""
        self._n_written += written.n_entries
        self.report.ignored_entries = self.report.entries - self._n_written

    def save(self, group: OutputGroup) -> None:
        """Store the number of columns."""
        group.attribute("n_columns", self.n_columns)

    @property
    def _offset(self) -> int:
        """The number of the first column in the source: 0 or 1."""
        return 1 if self.parameters.zero_based is False else 0


def _columns_of(block: Block) -> _Columns:
    columns = block.rows.columns
    if not len(columns):
        return _Columns(0, _NO_COLUMN, -1)
    last = int(columns.max()) if block.split == "train" else -1
    return _Columns(len(columns), int(columns.min()), last)
