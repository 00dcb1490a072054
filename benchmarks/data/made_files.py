"""Files of any size in the package's format, written without converting that much text."""

from pathlib import Path

import h5py
import numpy as np

from ooc_train.file import schema

BLOCK_ROWS = 16_384
N_CLASSES = 2


def write_dense_file(path: Path, n_rows: int, n_columns: int) -> None:
    """Write random float32 rows, the same in every block, to a complete file with checksums.

    Memory: one block.
    """
    rng = np.random.default_rng(0)
    block = rng.standard_normal((min(BLOCK_ROWS, n_rows), n_columns), np.float32)
    labels = rng.integers(N_CLASSES, size=n_rows)
    with schema.create_file(str(path)) as file:
        schema.write_header(
            file, features="dense", producer="benchmarks", provenance={"source": "random numbers"}
        )
        for name in ("labels", "names"):
            schema.write_strings(file, f"classes/{name}", [str(k) for k in range(N_CLASSES)])
        train = schema.create_dense_split(
            file, "train", n_rows=n_rows, n_columns=n_columns, dtype=np.float32, n_classes=N_CLASSES
        )
        train["labels"][:] = labels
        for start in range(0, n_rows, BLOCK_ROWS):
            stop = min(start + BLOCK_ROWS, n_rows)
            train["features"][start:stop] = block[: stop - start]
        schema.create_numeric_vectorizer(
            file, {"dtype": "float32"}, n_documents=n_rows, n_columns=n_columns
        )
        schema.mark_complete(file)


def rows_bytes(path: Path) -> int:
    """Bytes of the train rows of a file, without the terms."""
    with h5py.File(path) as file:
        return sum(array.nbytes for array in file["train"].values())


def write_repeated_file(source: Path, target: Path, n_times: int) -> None:
    """Write the n-gram rows of the train split of `source`, `n_times` over, to a complete file.

    Memory: the rows of `source`.
    """
    with h5py.File(source) as old, schema.create_file(str(target)) as file:
        schema.write_header(
            file, features="ngram", producer="benchmarks", provenance={"source": "repeated rows"}
        )
        for group in ("classes", "vectorizer"):
            old.copy(group, file)
        rows = {name: array[:] for name, array in old["train"].items()}
        n_rows, n_entries = len(rows["labels"]), len(rows["values"])
        train = schema.create_sparse_split(
            file,
            "train",
            n_rows=n_rows * n_times,
            n_entries=n_entries * n_times,
            n_columns=len(old["vectorizer/term_hashes"]),
            n_classes=len(old["classes/labels/offsets"]) - 1,
        )
        for k in range(n_times):
            train["labels"][k * n_rows : (k + 1) * n_rows] = rows["labels"]
            for name in ("indices", "values"):
                train[name][k * n_entries : (k + 1) * n_entries] = rows[name]
            train["indptr"][k * n_rows : (k + 1) * n_rows + 1] = rows["indptr"] + k * n_entries
        schema.mark_complete(file)
