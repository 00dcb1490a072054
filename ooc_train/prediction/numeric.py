"""Rows of numbers to predict: those of a file, or of arrays, as a model takes them."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ooc_train.conversion.sources.files.input_file import InputFile
from ooc_train.conversion.sources.files.rejects import Reject
from ooc_train.conversion.sources.find import find_source
from ooc_train.conversion.sources.formats.table import FORMATS, format_of
from ooc_train.conversion.sources.layout import LayoutOptions
from ooc_train.conversion.sources.rows import DenseNumbers, SparseNumbers, SpelledLabels
from ooc_train.errors import InputError
from ooc_train.kinds import KINDS


def of_matrix(rows: Any) -> DenseNumbers:
    """Rows of an array, ``(n_rows, n_columns)`` of any numbers."""
    values = np.ascontiguousarray(rows, np.float32)
    if values.ndim != 2 or not np.isfinite(values).all():
        raise InputError(
            f"the rows have the shape {values.shape}, or hold NaN or infinity; give an array of "
            f"finite numbers, (n_rows, n_columns)"
        )
    return DenseNumbers(values, SpelledLabels.none(len(values)), np.arange(1, len(values) + 1))


def of_csr(rows: Any) -> SparseNumbers:
    """Rows of a matrix in SciPy's CSR format, with columns numbered as in the training data."""
    n_rows = len(rows.indptr) - 1
    return SparseNumbers(
        np.asarray(rows.indptr, np.int64),
        np.asarray(rows.indices, np.int32),
        np.asarray(rows.data, np.float32),
        SpelledLabels.none(n_rows),
        np.arange(1, n_rows + 1),
    )


def file_rows(
    features: str,
    path: Path,
    trained: dict[str, Any],
    columns: Sequence[str],
    header: bool,
    block_bytes: int,
) -> Iterator[Any]:
    """The rows of a file of numbers.

    ``trained`` is how the training data was laid out: the same columns are read, unless others are
    named.  Raises ``InputError`` for a row that cannot be read, with its place.
    """
    file = InputFile(path)
    layout = _layout(file, trained, tuple(columns), header)
    layout = replace(layout, needs_label=False)
    source = find_source(file, layout, gives=KINDS[features].source)
    for piece, _ in source.read(block_bytes):
        if isinstance(piece, Reject):
            place = source.place(piece.line)
            raise InputError(f"{place}: {piece.reason}; mend the row or take it out")
        yield piece


def _layout(
    file: InputFile, trained: dict[str, Any], columns: tuple[str, ...], header: bool
) -> LayoutOptions:
    kinds = {format_of(file), trained["format"]}
    are_tables = all("text" in FORMATS[kind].gives for kind in kinds)
    if columns or not (len(kinds) == 1 or are_tables):
        return LayoutOptions(columns, header=header)
    names = tuple(str(column) for column in trained.get("columns", ()))
    return LayoutOptions(names, header=header or trained.get("header", False))
