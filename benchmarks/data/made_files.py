"""Files of any size in the package's format, written without converting that much text."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ooc_train.file import schema
from ooc_train.file.output import Appender, OutputFile

BLOCK_ROWS = 16_384
N_CLASSES = 2


def write_dense_file(path: Path, n_rows: int, n_columns: int) -> None:
    """Write random float32 rows, the same in every block, to a complete file with checksums.

    Memory: one block, and the labels.
    """
    rng = np.random.default_rng(0)
    block = rng.standard_normal((min(BLOCK_ROWS, n_rows), n_columns), np.float32)
    labels = rng.integers(N_CLASSES, size=n_rows)
    with OutputFile(path) as output:
        classes = output.group("classes")
        for name in ("labels", "names"):
            classes.strings(name, [str(k) for k in range(N_CLASSES)])
        train = schema.create_dense_split(
            output.hdf5,
            "train",
            n_rows=n_rows,
            n_columns=n_columns,
            dtype=np.float32,
            n_classes=N_CLASSES,
        )
        with Appender(train["labels"]) as appender:
            appender.append(labels)
        with Appender(train["features"]) as appender:
            for start in range(0, n_rows, BLOCK_ROWS):
                appender.append(block[: n_rows - start])
        vectorizer = output.group("vectorizer")
        vectorizer.attribute("parameters", json.dumps({"dtype": "float32"}))
        vectorizer.attribute("n_documents", n_rows)
        vectorizer.attribute("n_columns", n_columns)
        output.finish(_header("dense", "random numbers"))


def rows_bytes(path: Path) -> int:
    """Bytes of the train rows of a file, without the terms."""
    with h5py.File(path) as file:
        return sum(array.nbytes for array in file["train"].values())


def write_repeated_file(source: Path, target: Path, n_times: int) -> None:
    """Write the n-gram rows of the train split of `source`, `n_times` over, to a complete file.

    Memory: the rows of `source`.
    """
    with h5py.File(source) as old, OutputFile(target) as output:
        for group in ("classes", "vectorizer"):
            output.copy(old[group])
        rows = {name: array[:] for name, array in old["train"].items()}
        n_rows, n_entries = len(rows["labels"]), len(rows["values"])
        train = schema.create_sparse_split(
            output.hdf5,
            "train",
            n_rows=n_rows * n_times,
            n_entries=n_entries * n_times,
            n_columns=len(old["vectorizer/term_hashes"]),
            n_classes=len(old["classes/labels/offsets"]) - 1,
        )
        for name in ("labels", "indices", "values"):
            with Appender(train[name]) as appender:
                for _ in range(n_times):
                    appender.append(rows[name])
        with Appender(train["indptr"]) as appender:
            appender.append(np.zeros(1))
            for k in range(n_times):
                appender.append(rows["indptr"][1:] + k * n_entries)
        output.finish(_header("ngram", "repeated rows"))


def _header(features: str, source: str) -> dict[str, Any]:
    return {"features": features, "producer": "benchmarks", "provenance": {"source": source}}
