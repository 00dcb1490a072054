"""Rows that a program has in memory: texts, arrays, matrices, tables, or paths."""

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from ooc_train.conversion.sources.files.rejects import Blank
from ooc_train.conversion.sources.in_hand import rows_of, table_of
from ooc_train.conversion.sources.room import Room
from ooc_train.conversion.sources.rows import DenseNumbers, SourceRows, SparseNumbers, SpelledLabels
from ooc_train.errors import InputError
from ooc_train.kinds import KINDS, MadeOf
from ooc_train.prediction.inputs import (
    BLOCK_BYTES,
    Trained,
    find_inputs,
    list_inputs,
    opened,
    text_blocks,
)
from ooc_train.prediction.options import PredictOptions


def given_rows(run: Trained, rows: Any, room: Callable[[], Room]) -> Iterable[SourceRows]:
    """Blocks of the rows that a program has, as a run takes them.

    These are texts, an array, or a matrix of SciPy in CSR format; paths, as ``pathlib`` has them,
    since a string is a text; or what `rows_of` takes, whose columns are found by the names of the
    training data.

    Memory: half a megabyte of the texts at a time; arrays of other numbers than float32 once more.
    Raises ``InputError`` for anything else.
    """
    gives: MadeOf = KINDS[run.features].source
    options = PredictOptions()
    if _are_paths(rows):
        files = [opened(one, options) for one in list_inputs(rows).inputs]
    else:
        found = table_of(rows) if gives == "dense" else None
        if gives == "text":
            found, rows = rows_of(rows)
        if found is None:
            return _GIVEN[gives](rows)
        files = [found]
    inputs = [find_inputs(run, file, options, carry=False) for file in files]
    pieces = (piece for one in inputs for piece in one.blocks(room()))
    return (piece for piece in pieces if not isinstance(piece, Blank))


def _are_paths(rows: Any) -> bool:
    """Whether it is a path or a list of paths, of which strings are none."""
    many = rows if isinstance(rows, list | tuple) else [rows]
    return bool(many) and all(isinstance(one, os.PathLike) for one in many)


def _encoded(texts: Any) -> Iterator[list[bytes]]:
    """Texts of a program as UTF-8, half a megabyte of them at a time."""
    if isinstance(texts, str | bytes):
        raise InputError("one text is given where a list of texts is expected; write [text]")
    block: list[bytes] = []
    n_bytes = 0
    for number, given in enumerate(texts):
        text = given if isinstance(given, str) or not hasattr(given, "as_py") else given.as_py()
        if not isinstance(text, str):
            raise InputError(
                f"text {number} is {text!r:.50}, a {type(text).__name__} and not a string; give a "
                "list, an array or a column of strings"
            )
        block.append(text.encode("utf-8", "replace"))
        n_bytes += len(block[-1])
        if n_bytes >= BLOCK_BYTES:
            yield block
            block, n_bytes = [], 0
    if block:
        yield block


def _of_array(rows: Any) -> DenseNumbers:
    """The rows of an array of any numbers: ``(n_rows, n_columns)``."""
    try:
        values = np.ascontiguousarray(rows, np.float32)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"rows of numbers cannot be read from a {type(rows).__name__}: {error!s:.100}; give an "
            f"array (n_rows, n_columns), or a table with the columns of the training data"
        ) from error
    if values.ndim != 2 or not np.isfinite(values).all():
        raise InputError(
            f"the rows have the shape {values.shape}, or hold NaN or infinity; give an array of "
            f"finite numbers, (n_rows, n_columns)"
        )
    return DenseNumbers(values, SpelledLabels.none(len(values)), np.arange(1, len(values) + 1))


def _of_csr(rows: Any) -> SparseNumbers:
    """The rows of a matrix in SciPy's CSR format, whose columns are those of the training data."""
    if not hasattr(rows, "indptr"):
        raise InputError(
            f"sparse rows cannot be read from a {type(rows).__name__}; give a matrix of SciPy in "
            f"CSR format"
        )
    n_rows = len(rows.indptr) - 1
    return SparseNumbers(
        np.asarray(rows.indptr, np.int64),
        np.asarray(rows.indices, np.int32),
        np.asarray(rows.data, np.float32),
        SpelledLabels.none(n_rows),
        np.arange(1, n_rows + 1),
    )


_GIVEN: dict[MadeOf, Callable[[Any], Iterable[SourceRows]]] = {
    "text": lambda texts: text_blocks(_encoded(texts)),
    "dense": lambda rows: [_of_array(rows)],
    "sparse": lambda rows: [_of_csr(rows)],
}
