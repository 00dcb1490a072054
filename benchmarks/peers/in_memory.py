"""All rows of an HDF5 file loaded into memory, then read or trained on.

Reading permutes the rows and takes batches of 128 of the arrays in memory; training gives them
whole to `fit` of the guide's network, a sparse matrix as it is.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.peers import reading, reporting
from benchmarks.peers.reporting import Phases

try:
    import h5py
    import numpy as np
    import scipy.sparse
except ImportError as missing:
    reporting.not_installed(missing)

PACKAGES = ("h5py", "scipy", "numpy")
BATCH_SIZE = 128


def load(path: Path) -> tuple[Any, Any, int]:
    """Features, dense or CSR, labels and the number of classes."""
    with h5py.File(path) as file:
        train = {name: array[:] for name, array in file["train"].items()}
        n_classes = len(file["classes/labels/offsets"]) - 1
        if "features" in train:
            return train["features"], train["labels"], n_classes
        n_columns = len(file["vectorizer/term_hashes"])
    parts = train["values"], train["indices"].astype(np.int32), train["indptr"]
    shape = len(train["labels"]), n_columns
    return scipy.sparse.csr_matrix(parts, shape=shape), train["labels"], n_classes


def batches(features: Any, labels: Any) -> Iterator[tuple[Any, Any]]:
    """All rows in random order."""
    for rows in reading.shuffled_batches(len(labels), BATCH_SIZE, 0):
        yield features[rows], labels[rows]


def fit(features: Any, labels: Any, n_classes: int, n_epochs: int) -> None:
    """Train the guide's network."""
    from benchmarks.peers import guide_in_memory  # noqa: PLC0415 - reading needs no TensorFlow

    model = guide_in_memory.build(features.shape[1], n_classes)
    model.fit(features, labels, batch_size=BATCH_SIZE, epochs=n_epochs, verbose=0)


def main() -> None:
    """Read or train on the command line's file."""
    parser = reporting.parser(__doc__)
    parser.add_argument("stage", choices=["read", "train"])
    parser.add_argument("data", type=Path)
    parser.add_argument("--epochs", type=int, default=1)
    options = parser.parse_args()
    phases = Phases()
    phases.end("imports")
    features, labels, n_classes = load(options.data)
    phases.end("loading")
    if options.stage == "train":
        fit(features, labels, n_classes, options.epochs)
    else:
        for _ in range(options.epochs):
            for _batch in batches(features, labels):
                pass
    seconds = phases.end("reading" if options.stage == "read" else "training")
    report = {"rows": len(labels), "rows_per_second": len(labels) * options.epochs / seconds}
    reporting.write(options.report, report, phases, PACKAGES)


if __name__ == "__main__":
    main()
