"""Files of labels alone, for rows whose features lie elsewhere: an array, or a label a line.

However many labels are asked for, some megabytes of a file are in memory at a time.
"""

import io
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

import numpy as np

from ooc_train.conversion.sources.files.input_file import Input, InputFile
from ooc_train.conversion.sources.files.npy import ArrayStream, HeldArray, open_npy
from ooc_train.conversion.sources.files.rejects import MAX_LABEL_BYTES
from ooc_train.conversion.sources.rows import SpelledLabels
from ooc_train.counts import counted
from ooc_train.errors import InputError

Take = Callable[[int], SpelledLabels]
"""A function that gives the labels of the next so many rows."""

_MOST_DISTINCT_BYTES = 2**24
_PIECE_BYTES = 2**22
_MOST_LINE_BYTES = 2 * MAX_LABEL_BYTES  # with white space and quotes


def input_of(given: Input) -> InputFile:
    """The file of labels."""
    return given if isinstance(given, InputFile) else InputFile(given)


def has_borders(given: Input) -> bool:
    """Whether labels can be read from any row on: those of an ``.npy`` file on this machine."""
    file = input_of(given)
    return file.is_seekable and ".npy" in file.suffixes


@contextmanager
def open_labels(given: Input, n_rows: int, first_row: int = 0) -> Iterator[Take]:
    """Open the labels of ``n_rows`` rows: an array, an ``.npy`` file, or a file with one a line.

    Where they have `has_borders`, they may be read from ``first_row`` on.

    Raises ``InputError`` if there are more or fewer.
    """
    file = input_of(given)
    path = file.path
    if file.array is not None or ".npy" in file.suffixes:
        with open_npy(file) as labels:
            yield taking(labels, str(path), n_rows, first_row)
        return
    with file.open_text() as (stream, _), io.BufferedReader(stream) as buffered:  # type: ignore[type-var]
        lines = file.readable(_lines(cast(BinaryIO, buffered)))
        n_taken = 0

        def take(n: int) -> SpelledLabels:
            nonlocal n_taken
            distinct = _Distinct(str(path))
            found = [distinct.number(_bare(line)) for line in itertools.islice(lines, n)]
            n_taken += len(found)
            if len(found) < n:
                raise _wrong_number(str(path), f"{n_taken:,}", n_rows)
            if n_taken == n_rows and buffered.read(_PIECE_BYTES).strip():
                raise _wrong_number(str(path), f"more than {n_rows:,}", n_rows)
            return SpelledLabels(distinct.labels, np.array(found, np.int32))

        yield take


def taking(labels: ArrayStream | HeldArray, where: str, n_rows: int, first_row: int = 0) -> Take:
    """A function that gives the labels of ``n_rows`` rows from an array, from ``first_row`` on.

    Raises ``InputError`` for an array of another shape.
    """
    if len(labels.shape) == 2 and labels.shape[1] == 1:
        labels.shape = labels.shape[:1]
    if len(labels.shape) != 1:
        raise InputError(f"{where} has the shape {labels.shape}; labels are one for each row")
    if labels.shape[0] != n_rows:
        raise _wrong_number(where, f"{labels.shape[0]:,}", n_rows)
    if labels.row_bytes > _PIECE_BYTES:
        raise InputError(
            f"{where} has labels of {labels.row_bytes:,} bytes; a label has at most "
            f"{MAX_LABEL_BYTES:,} bytes"
        )
    n_at_once = _PIECE_BYTES // labels.row_bytes
    labels.skip(first_row)
    n_taken = first_row

    def piece(n: int) -> SpelledLabels:
        nonlocal n_taken
        n_taken += n
        return SpelledLabels.of_array(labels.take(n), where, n_taken - n + 1)

    def take(n: int) -> SpelledLabels:
        if n <= n_at_once:
            return piece(n)
        distinct = _Distinct(where)
        numbers = np.empty(n, np.int32)
        for first in range(0, n, n_at_once):
            found = piece(min(n_at_once, n - first))
            places = [distinct.number(label) for label in found.distinct]
            numbers[first : first + n_at_once] = np.array(places, np.int32)[found.numbers]
        return SpelledLabels(distinct.labels, numbers)

    return take


class _Distinct:
    """The different labels of some rows, numbered as they are met.

    Raises ``InputError`` where they take more memory than the classes of any data.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._numbers: dict[bytes, int] = {}
        self._n_bytes = 0

    @property
    def labels(self) -> list[bytes]:
        return list(self._numbers)

    def number(self, label: bytes) -> int:
        number = self._numbers.get(label)
        if number is None:
            number = self._numbers[label] = len(self._numbers)
            self._n_bytes += len(label)
            if self._n_bytes > _MOST_DISTINCT_BYTES:
                raise InputError(
                    f"{self._where} has more than {_MOST_DISTINCT_BYTES:,} bytes of different "
                    f"labels; labels name classes, of which there are few"
                )
        return number


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    """The lines; of one that is too long for a label, as much as shows that."""
    while line := stream.readline(_MOST_LINE_BYTES):
        yield line
        while len(line) == _MOST_LINE_BYTES and not line.endswith(b"\n"):
            line = stream.readline(_MOST_LINE_BYTES)


def _bare(line: bytes) -> bytes:
    """A label without the quotes that CSV may put around it."""
    label = line.strip()
    if len(label) > 1 and label[:1] == label[-1:] == b'"':
        return label[1:-1].replace(b'""', b'"')
    return label


def _wrong_number(where: str, found: str, expected: int) -> InputError:
    return InputError(f"{where} has {found} labels for {counted(expected, 'row')}")
