"""Rows as `Predictor.predict` is given them: texts, an array, or a sparse matrix."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from ooc_train.conversion.sources.rows import (
    DenseNumbers,
    SparseNumbers,
    SpelledLabels,
    Texts,
    joined,
)
from ooc_train.errors import InputError
from ooc_train.kinds import MadeOf

BLOCK_BYTES = 2**20


def _text_blocks(texts: Any) -> Iterator[Texts]:
    """Texts as the vectorizers take them, a megabyte of them at a time."""
    if isinstance(texts, str | bytes):
        raise InputError("one text is given where a list of texts is expected; write [text]")
    block: list[bytes] = []
    n_bytes = 0
    for number, text in enumerate(texts):
        if not isinstance(text, str):
            raise InputError(
                f"text {number} is {text!r:.50}, a {type(text).__name__} and not a string; give a "
                "list, an array or a column of strings"
            )
        block.append(text.encode("utf-8", "replace"))
        n_bytes += len(block[-1])
        if n_bytes >= BLOCK_BYTES:
            yield Texts(*joined(block))
            block, n_bytes = [], 0
    if block:
        yield Texts(*joined(block))


def _of_matrix(rows: Any) -> DenseNumbers:
    """Rows of an array, ``(n_rows, n_columns)`` of any numbers."""
    values = np.ascontiguousarray(rows, np.float32)
    if values.ndim != 2 or not np.isfinite(values).all():
        raise InputError(
            f"the rows have the shape {values.shape}, or hold NaN or infinity; give an array of "
            f"finite numbers, (n_rows, n_columns)"
        )
    return DenseNumbers(values, SpelledLabels.none(len(values)), np.arange(1, len(values) + 1))


def _of_csr(rows: Any) -> SparseNumbers:
    """Rows of a matrix in SciPy's CSR format, with columns numbered as in the training data."""
    n_rows = len(rows.indptr) - 1
    return SparseNumbers(
        np.asarray(rows.indptr, np.int64),
        np.asarray(rows.indices, np.int32),
        np.asarray(rows.data, np.float32),
        SpelledLabels.none(n_rows),
        np.arange(1, n_rows + 1),
    )


BLOCKS: dict[MadeOf, Callable[[Any], Iterable[Any]]] = {
    "text": _text_blocks,
    "dense": lambda rows: [_of_matrix(rows)],
    "sparse": lambda rows: [_of_csr(rows)],
}
"""By what a kind's rows are made of: blocks of the rows that `Predictor.predict` is given."""
