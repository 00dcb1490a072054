"""Files of labels alone, for rows whose features lie elsewhere: an array, or a label a line."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import numpy as np

from ooc_train.conversion.sources.files.input_file import InputFile
from ooc_train.conversion.sources.files.npy import ArrayStream, open_npy
from ooc_train.conversion.sources.rows import SpelledLabels
from ooc_train.errors import InputError

Take = Callable[[int], SpelledLabels]
"""A function that gives the labels of the next so many rows."""


@contextmanager
def open_labels(path: Path, n_rows: int) -> Iterator[Take]:
    """Open the labels of ``n_rows`` rows: an ``.npy`` file, or a text file with one a line.

    Raises ``InputError`` if there are more or fewer.
    """
    file = InputFile(path)
    if ".npy" in file.suffixes:
        with open_npy(file) as labels:
            yield taking(labels, str(path), n_rows)
        return
    with file.open() as (stream, _), io.BufferedReader(stream) as buffered:  # type: ignore[type-var]
        lines = file.readable(iter(buffered))
        n_taken = 0

        def take(n: int) -> SpelledLabels:
            nonlocal n_taken
            places: dict[bytes, int] = {}
            found = [places.setdefault(_bare(line), len(places)) for line in islice(lines, n)]
            n_taken += len(found)
            if len(found) < n:
                raise _wrong_number(str(path), n_taken, n_rows)
            if n_taken == n_rows and (more := sum(1 for line in lines if line.strip())):
                raise _wrong_number(str(path), n_taken + more, n_rows)
            return SpelledLabels(list(places), np.array(found, np.int32))

        yield take


def taking(labels: ArrayStream, where: str, n_rows: int) -> Take:
    """A function that gives the labels of ``n_rows`` rows from an array.

    Raises ``InputError`` for an array of another shape.
    """
    if len(labels.shape) == 2 and labels.shape[1] == 1:
        labels.shape = labels.shape[:1]
    if len(labels.shape) != 1:
        raise InputError(f"{where} has the shape {labels.shape}; labels are one for each row")
    if labels.shape[0] != n_rows:
        raise _wrong_number(where, labels.shape[0], n_rows)
    n_taken = 0

    def take(n: int) -> SpelledLabels:
        nonlocal n_taken
        n_taken += n
        return SpelledLabels.of_array(labels.take(n), where, n_taken - n + 1)

    return take


def _bare(line: bytes) -> bytes:
    """A label without the quotes that CSV may put around it."""
    label = line.strip()
    if len(label) > 1 and label[:1] == label[-1:] == b'"':
        return label[1:-1].replace(b'""', b'"')
    return label


def _wrong_number(where: str, found: int, expected: int) -> InputError:
    return InputError(f"{where} has {found:,} labels, and there are {expected:,} rows")
