"""Batches as SciPy's sparse matrices."""

from collections.abc import Iterator
from typing import Any

from scipy.sparse import csr_matrix

from ooc_train.dtypes import I64
from ooc_train.reading.batches import EpochBatches


def csr_batches(batches: EpochBatches) -> Iterator[tuple[csr_matrix, I64]]:
    """Each batch of sparse rows as a CSR matrix ``(n, n_columns)``, and its labels."""
    return ((_matrix(rows), labels) for rows, labels in batches)


def _matrix(rows: Any) -> csr_matrix:
    return csr_matrix((rows.values, rows.indices, rows.indptr), (len(rows), rows.n_columns))
