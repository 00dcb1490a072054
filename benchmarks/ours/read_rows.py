"""Rows through this package's own reader, to be measured by `read`."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import numpy as np

from benchmarks.peers import reading
from benchmarks.peers.reading import Counts, Epoch, Reader
from ooc_train.file import layouts
from ooc_train.file.gathering import gather
from ooc_train.file.layouts import FlatArray
from ooc_train.reading import store
from ooc_train.reading.rows import RaggedRows

FILTERS, UNMAPPED = "shuffled-filters", "shuffled-unmapped"
VARIANTS = ("sequential", "shuffled", "sequential-unchecked", FILTERS, UNMAPPED)


def open_rows(path: Path, variant: str, batch_size: int) -> Epoch:
    """Batches in the file's order, or permuted by slices and windows.

    The variant ``FILTERS`` decompresses chunks by HDF5's filters instead of this package's coders,
    and ``UNMAPPED`` reads windows to memory, as where rows cannot be mapped.
    """
    without_coders = mock.patch.object(layouts, "coder_of", return_value=None)
    with without_coders if variant == FILTERS else contextlib.nullcontext():
        rows = store.open(path, verify=not variant.endswith("-unchecked"))["train"]
    if variant == UNMAPPED:
        for array in rows.arrays.values():
            if isinstance(array, FlatArray):
                array.can_fetch = False
    seed = 0 if variant.startswith("shuffled") else None

    def batches(epoch: int) -> Iterator[Counts]:
        for batch in rows.batches(batch_size, seed=seed, epoch=epoch):
            read = batch.rows
            n_entries = read.n_entries if isinstance(read, RaggedRows) else len(read) * read.width
            yield len(read), n_entries

    return batches


def main() -> None:
    """Read the file of the command line, with the kernel loaded, as a training has it."""
    gather(np.zeros(0, np.int64), np.dtype("u1"), np.zeros(1, np.int64))
    packages = ("ooc-train", "h5py", "numpy")
    reading.main(
        Reader(description=__doc__, packages=packages, variants=VARIANTS, open_rows=open_rows)
    )


if __name__ == "__main__":
    main()
