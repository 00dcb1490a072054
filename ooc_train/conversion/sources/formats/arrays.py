"""The arrays of ``.npy`` and ``.npz`` files, whose rows are numbers.

An ``.npz`` file has arrays ``features`` and ``labels``, or ``x`` and ``y``, in small or capital
letters; others can be named.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from ooc_train.conversion.sources.columns import Chosen, ColumnFile, Table
from ooc_train.conversion.sources.files.input_file import InputFile
from ooc_train.conversion.sources.files.npy import ArrayStream, HeldArray, open_npy, open_npz
from ooc_train.conversion.sources.files.ranges import Range, RangeEnd
from ooc_train.conversion.sources.label_files import Take, taking
from ooc_train.conversion.sources.layout import LayoutOptions
from ooc_train.conversion.sources.rows import SpelledLabels
from ooc_train.dtypes import F32, AnyArray
from ooc_train.errors import InputError, OptionError

_PAIRS = (("features", "labels"), ("x", "y"), ("X", "Y"), ("X", "y"))
_VALUE_BYTES = 4


@dataclass(frozen=True, kw_only=True)
class ArrayFile(ColumnFile):
    """A file with an array of features, (n_rows, ``width``), and perhaps one of labels.

    ``names`` are those of the two arrays.
    """

    width: int

    unit = "row"
    is_table = False

    @property
    def usual_label(self) -> str | None:
        """The second array, if there is one."""
        return self.names[1] if len(self.names) > 1 else None

    def widths(self, columns: Sequence[int]) -> tuple[int, ...]:
        """The columns of the array of features."""
        return (self.width,) * len(columns)

    def check(self, chosen: Chosen) -> None:
        """Refuse labels that do not fit the features, by their shape."""
        with self._opened(chosen):
            pass

    def layout(self, chosen: Chosen) -> dict[str, Any]:
        """The layout as a converted file's provenance has it; an ``.npy`` file has no names."""
        return super().layout(chosen) | ({"columns": []} if self.format == "npy" else {})

    @property
    def is_divisible(self) -> bool:
        """Whether rows can be read alone: not those in an archive, which has sums of all."""
        return self.format == "npy" and self.file.is_seekable

    @property
    def borders(self) -> Sequence[int]:
        """All rows."""
        return range((self.n_rows or 0) + 1)

    def read_range(
        self, chosen: Chosen, block_bytes: int, part: Range
    ) -> Iterator[tuple[Table | RangeEnd, int]]:
        """The rows in a range, and where they are.

        Memory: a block, and once more where the array is of another type or order.
        """
        stop = min(part.stop, self.n_rows or 0)
        n_at_once = max(1, block_bytes // (self.width * max(_VALUE_BYTES, self.value_bytes)))
        with self._opened(chosen) as (features, labels):
            features.skip(part.start)
            for first in range(part.start, stop, n_at_once):
                last = min(first + n_at_once, stop)
                values = _as_values(features.take(last - first))
                spelled = labels(last - first) if labels else SpelledLabels.none(last - first)
                progress = self.byte_at(last) - self.byte_at(first)
                yield Table(np.arange(first + 1, last + 1), spelled, [values]), progress
        yield RangeEnd(part.start, stop, stop + 1), 0

    @contextmanager
    def _opened(self, chosen: Chosen) -> Iterator[tuple[ArrayStream | HeldArray, Take | None]]:
        with ExitStack() as stack:
            if self.format == "npy":
                yield stack.enter_context(open_npy(self.file)), None
                return
            archive = stack.enter_context(open_npz(self.file))
            features, *others = [self.names[column] for column in chosen.used]
            labels = None
            if others:
                where = f"{self.file.path}: array {others[0]!r}"
                found = stack.enter_context(archive.open(others[0]))
                labels = taking(found, where, self.n_rows or 0)
            yield stack.enter_context(archive.open(features)), labels


def open_npy_file(file: InputFile, options: LayoutOptions) -> ArrayFile:
    """Look at the one array of a file."""
    if options.text or options.label:
        raise OptionError(
            f"{file.path} is one array, without names; leave out --columns and --label, and give "
            f"a file of labels with --labels"
        )
    if options.labels is None and options.needs_label:
        raise OptionError(f"{file.path} holds no labels; give a file of them with --labels")
    with open_npy(file) as features:
        return _array_file(file, "npy", ("features",), features)


def open_npz_file(file: InputFile, options: LayoutOptions) -> ArrayFile:
    """Look at two arrays of a file, or at one where it needs no labels."""
    needs_label = options.needs_label and not options.labels
    with open_npz(file) as archive:
        features, labels = _usual_pair(archive.names)
        features = options.text[0] if options.text else features
        names = [features, options.label or labels] if needs_label else [features]
        if len(options.text) > 1 or not set(names) <= set(archive.names):
            listing = ", ".join(map(repr, archive.names))
            if {"indptr", "indices", "data", "format"} <= set(archive.names):
                raise InputError(
                    f"{file.path} is a sparse matrix of SciPy; write it and its labels as "
                    f"svmlight, such as with sklearn.datasets.dump_svmlight_file"
                )
            raise InputError(
                f"{file.path} has no arrays features and labels, or x and y, but {listing}; name "
                f"them with --columns and --label"
            )
        found = tuple(name for name in names if name is not None)
        with archive.open(found[0]) as array:
            return _array_file(file, "npz", found, array)


def _usual_pair(names: Sequence[str]) -> tuple[str | None, str | None]:
    for features, labels in _PAIRS:
        if features in names:
            return features, labels
    return None, None


def _array_file(
    file: InputFile, kind: str, names: tuple[str, ...], array: ArrayStream | HeldArray
) -> ArrayFile:
    if len(array.shape) != 2 or array.dtype.kind not in "fiub" or not array.shape[1]:
        raise InputError(
            f"{file.path} has features of the shape {array.shape} and type {array.dtype}; rows of "
            f"numbers, one behind another, are expected"
        )
    if not array.shape[0]:
        raise InputError(f"{file.path} is empty; it holds no rows")
    return ArrayFile(
        file=file,
        format=kind,
        names=names,
        n_rows=array.shape[0],
        width=array.shape[1],
        value_bytes=array.dtype.itemsize,
    )


def _as_values(array: AnyArray) -> F32:
    with np.errstate(over="ignore", invalid="ignore"):  # NaN and infinity are found afterwards
        return np.ascontiguousarray(array, np.float32)
