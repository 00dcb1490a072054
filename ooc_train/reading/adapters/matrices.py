"""Batches as NumPy's and SciPy's matrices."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ooc_train.dtypes import I64, AnyArray
from ooc_train.reading.adapters.forms import checked_form, missing

if TYPE_CHECKING:
    import scipy.sparse

    from ooc_train.reading.splits import Split


def dense_batches(
    split: "Split", batch_size: int, seed: int | None, epoch: int
) -> Iterator[tuple[AnyArray, I64]]:
    """Features ``(n, width)`` and labels of each batch of an epoch."""
    batches = split.batches(batch_size, seed=seed, epoch=epoch)
    return ((rows.to_dense(), labels) for rows, labels in batches)


def csr_batches(
    split: "Split", batch_size: int, seed: int | None, epoch: int
) -> Iterator[tuple["scipy.sparse.csr_matrix", I64]]:
    """Sparse features and labels of each batch of an epoch."""
    checked_form(split, "sparse", ("sparse",))
    try:
        from scipy.sparse import csr_matrix  # noqa: PLC0415 - Keras imports it too, once it is here
    except ImportError as error:
        raise missing("SciPy", "scipy") from error
    batches = split.batches(batch_size, seed=seed, epoch=epoch)

    def matrix(rows: Any) -> "csr_matrix":
        parts = (rows.values, rows.indices, rows.indptr)
        return csr_matrix(parts, (len(rows), rows.n_columns))

    return ((matrix(rows), labels) for rows, labels in batches)
