"""Dense rows from the arrays of ``.npy`` and ``.npz`` files.

An ``.npz`` file has arrays ``features`` and ``labels``, or ``x`` and ``y``, in small or capital
letters; others can be named.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from ooc_train.conversion.sources.dense_layout import VALUE_BYTES, usable
from ooc_train.conversion.sources.files.input_file import InputFile
from ooc_train.conversion.sources.files.rejects import Place, Reject
from ooc_train.conversion.sources.formats.array_files import ArrayStream, open_npy, open_npz
from ooc_train.conversion.sources.formats.file_source import FileSource
from ooc_train.conversion.sources.label_files import Take, open_labels, taking
from ooc_train.conversion.sources.layout import LayoutOptions
from ooc_train.conversion.sources.rows import DenseNumbers, SpelledLabels
from ooc_train.dtypes import F32, AnyArray
from ooc_train.errors import InputError, OptionError

_PAIRS = (("features", "labels"), ("x", "y"), ("X", "Y"), ("X", "y"))

Opened = tuple[ArrayStream, Take | None]


@dataclass(frozen=True)
class ArraySource(FileSource):
    """The rows of an array, with labels from another."""

    format: str
    names: tuple[str | None, str | None]
    options: LayoutOptions
    limit: float
    shape: tuple[int, int]
    value_bytes: int
    open: Callable[["ArraySource"], AbstractContextManager[Opened]]

    @property
    def text_bytes(self) -> int:
        """The size of the array as it is converted."""
        return math.prod(self.shape) * VALUE_BYTES

    @property
    def n_rows(self) -> int:
        """The rows of the array."""
        return self.shape[0]

    @property
    def n_columns(self) -> int:
        """The columns of the array."""
        return self.shape[1]

    @property
    def layout(self) -> dict[str, Any]:
        """The arrays' names, where they have any."""
        features, label = self.names
        return {"format": self.format, "columns": [features] if features else [], "label": label}

    def place(self, line: int) -> Place:
        """The number of the row."""
        return Place(self.path, line, "row")

    def read(self, block_bytes: int) -> Iterator[tuple[DenseNumbers | Reject, int]]:
        """Blocks of rows of about ``block_bytes``, and rejects; ``lines`` are row numbers.

        Memory: a block, and once more where the array is of another type or order.
        """
        a_row = max(1, self.n_columns * max(VALUE_BYTES, self.value_bytes))
        size = max(1, block_bytes // a_row)
        with self.open(self) as (features, labels):
            for first in range(0, self.n_rows, size):
                values = _as_values(features.take(size))
                n = len(values)
                spelled = labels(n) if labels else SpelledLabels.none(n)
                rows = DenseNumbers(values, spelled, np.arange(first + 1, first + n + 1))
                progress = self.n_bytes * (first + n) // self.n_rows
                progress -= self.n_bytes * first // self.n_rows
                yield from usable(rows, self.limit, progress)


def find_npy(file: InputFile, options: LayoutOptions, limit: float) -> ArraySource:
    """The one array of a file."""
    if options.text or options.label:
        raise OptionError(
            f"{file.path} is one array, without names; leave out --columns and --label, and give "
            f"a file of labels with --labels"
        )
    if options.labels is None and options.needs_label:
        raise OptionError(f"{file.path} holds no labels; give a file of them with --labels")
    with open_npy(file) as features:
        source = _array_source(file, "npy", (None, None), options, limit, features, _open_one)
        if not file.compression:
            n_bytes = features.row_bytes * features.shape[0]
            if file.n_bytes < n_bytes:
                raise InputError(f"{file.path} is cut short; make the file again")
    return source


def find_npz(file: InputFile, options: LayoutOptions, limit: float) -> ArraySource:
    """Two arrays of a file."""
    with open_npz(file) as archive:
        features, labels = _pair(archive.names)
        features = options.text[0] if options.text else features
        labels = options.label or labels
        needed = [features, *([labels] if options.needs_label and not options.labels else [])]
        if len(options.text) > 1 or not set(needed) <= set(archive.names):
            listing = ", ".join(map(repr, archive.names))
            raise InputError(
                f"{file.path} has no arrays features and labels, or x and y, but {listing}; name "
                f"them with --columns and --label"
            )
        names = (features, None if options.labels or not options.needs_label else labels)
        with archive.open(str(features)) as array:
            source = _array_source(file, "npz", names, options, limit, array, _open_pair)
    return source


def _pair(names: Sequence[str]) -> tuple[str | None, str | None]:
    for features, labels in _PAIRS:
        if features in names:
            return features, labels
    return None, None


def _array_source(
    file: InputFile,
    kind: str,
    names: tuple[str | None, str | None],
    options: LayoutOptions,
    limit: float,
    array: ArrayStream,
    open_arrays: Callable[[ArraySource], AbstractContextManager[Opened]],
) -> ArraySource:
    if len(array.shape) != 2 or array.dtype.kind not in "fiub" or not array.shape[1]:
        raise InputError(
            f"{file.path} has features of the shape {array.shape} and type {array.dtype}; rows of "
            f"numbers, one behind another, are expected"
        )
    if not array.shape[0]:
        raise InputError(f"{file.path} is empty; it holds no rows")
    shape = (array.shape[0], array.shape[1])
    source = ArraySource(
        file, kind, names, options, limit, shape, array.dtype.itemsize, open_arrays
    )
    with source.open(source):  # so that labels which do not fit are found now
        return source


@contextmanager
def _open_one(source: ArraySource) -> Iterator[Opened]:
    with ExitStack() as stack:
        yield stack.enter_context(open_npy(source.file)), _labels(source, stack)


@contextmanager
def _open_pair(source: ArraySource) -> Iterator[Opened]:
    features, labels = source.names
    with ExitStack() as stack:
        archive = stack.enter_context(open_npz(source.file))
        array = stack.enter_context(archive.open(str(features)))
        if labels is None:
            yield array, _labels(source, stack)
        else:
            found = stack.enter_context(archive.open(labels))
            yield array, taking(found, f"{source.path}: array {labels!r}", source.n_rows)


def _labels(source: ArraySource, stack: ExitStack) -> Take | None:
    if source.options.labels is None:
        return None
    return stack.enter_context(open_labels(source.options.labels, source.n_rows))


def _as_values(array: AnyArray) -> F32:
    with np.errstate(over="ignore"):  # infinity is found afterwards
        return np.ascontiguousarray(array, np.float32)
