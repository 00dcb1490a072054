"""AnnData in backed mode: random rows of a CSR matrix on disk, a batch at a time.

The row numbers of a batch are sorted first, which its documentation and h5py's call faster.
"""

from collections.abc import Iterator
from pathlib import Path

from benchmarks.peers import reading, reporting
from benchmarks.peers.reading import Counts, Epoch, Reader

try:
    import anndata
    import h5py
    import numpy as np
    import pandas as pd
    import scipy.sparse
except ImportError as missing:
    reporting.not_installed(missing)


def prepare(source: Path, target: Path) -> None:
    """An .h5ad file of the train rows."""
    with h5py.File(source) as file:
        train = {name: array[:] for name, array in file["train"].items()}
        n_columns = len(file["vectorizer/term_hashes"])
    matrix = scipy.sparse.csr_matrix(
        (train["values"], train["indices"].astype(np.int32), train["indptr"]),
        shape=(len(train["labels"]), n_columns),
    )
    names = pd.RangeIndex(len(train["labels"])).astype(str)
    table = pd.DataFrame({"label": train["labels"]}, index=names)
    anndata.AnnData(matrix, obs=table).write_h5ad(target)


def open_rows(path: Path, variant: str, batch_size: int) -> Epoch:  # noqa: ARG001 - there is one
    """Sparse batches in random order."""
    rows = anndata.read_h5ad(path, backed="r")

    def batches(epoch: int) -> Iterator[Counts]:
        for numbers in reading.shuffled_batches(rows.n_obs, batch_size, epoch):
            batch = rows[np.sort(numbers)].to_memory()
            yield batch.n_obs, batch.X.nnz

    return batches


def main() -> None:
    """Prepare or read the files of the command line."""
    reading.main(
        Reader(
            description=__doc__,
            packages=("anndata", "h5py", "scipy", "numpy"),
            variants=("shuffled",),
            open_rows=open_rows,
            prepare=prepare,
        )
    )


if __name__ == "__main__":
    main()
