"""The bar for dense rows: np.memmap of the same bytes, a slice at a time, copied."""

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
    """Batches in the file's order."""
    with h5py.File(path) as file:
        dataset, labels = file["train/features"], file["train/labels"][:]
        place = {"dtype": dataset.dtype, "shape": dataset.shape, "offset": dataset.id.get_offset()}
    features = np.memmap(path, mode="r", **place)

    def batches(_epoch: int) -> Iterator[Counts]:
        for start in range(0, len(features), batch_size):
            batch = np.array(features[start : start + batch_size])
            yield len(labels[start : start + batch_size]), batch.size

    return batches


def main() -> None:
    """Prepare or read the files of the command line."""
    reading.main(
        Reader(
            description=__doc__,
            packages=("h5py", "numpy"),
            variants=("sequential",),
            open_rows=open_rows,
        )
    )


if __name__ == "__main__":
    main()
