"""Random rows fetched one by one through h5py and stacked to a batch: most people's first try."""

from collections.abc import Iterator
from pathlib import Path

from benchmarks.peers import reading, reporting
from benchmarks.peers.reading import Counts, Epoch, Reader

try:
    import h5py
    import numpy as np
except ImportError as missing:
    reporting.not_installed(missing)


def open_rows(path: Path, variant: str, batch_size: int) -> Epoch:  # noqa: ARG001 - there is one
    """Batches of rows in random order, sparse or dense."""
    group = h5py.File(path, "r")["train"]
    batches = _dense if "features" in group else _sparse
    return lambda epoch: batches(group, batch_size, epoch)


def _sparse(group: h5py.Group, batch_size: int, epoch: int) -> Iterator[Counts]:
    indptr, labels = group["indptr"][:], group["labels"]
    indices, values = group["indices"], group["values"]
    for rows in reading.shuffled_batches(len(labels), batch_size, epoch):
        spans = [slice(indptr[row], indptr[row + 1]) for row in rows]
        batch = (
            np.concatenate([indices[span] for span in spans]),
            np.concatenate([values[span] for span in spans]),
            np.array([labels[row] for row in rows]),
        )
        yield len(batch[2]), len(batch[1])


def _dense(group: h5py.Group, batch_size: int, epoch: int) -> Iterator[Counts]:
    features, labels = group["features"], group["labels"]
    for rows in reading.shuffled_batches(len(labels), batch_size, epoch):
        batch = np.stack([features[row] for row in rows]), np.array([labels[row] for row in rows])
        yield len(batch[1]), batch[0].size


def main() -> None:
    """Prepare or read the files of the command line."""
    reading.main(
        Reader(
            description=__doc__,
            packages=("h5py", "numpy"),
            variants=("shuffled",),
            open_rows=open_rows,
        )
    )


if __name__ == "__main__":
    main()
