"""A file of dense rows of any size, as the package's format has it, for measuring its reader."""

import json
from pathlib import Path

import numpy as np

from ooc_train import format as file_format

BLOCK_ROWS = 16_384
N_CLASSES = 2


def write_dense_file(path: Path, n_rows: int, n_columns: int) -> None:
    """Random float32 rows, the same in every block; a file that is complete and has checksums.

    Memory: one block.
    """
    rng = np.random.default_rng(0)
    block = rng.standard_normal((min(BLOCK_ROWS, n_rows), n_columns), np.float32)
    labels = rng.integers(N_CLASSES, size=n_rows)
    with file_format.create_file(str(path)) as file:
        file_format.write_header(
            file, features="dense", producer="benchmarks", provenance={"source": "random numbers"}
        )
        for name in ("labels", "names"):
            file_format.write_strings(file, f"classes/{name}", [str(k) for k in range(N_CLASSES)])
        train = file.create_group("train")
        file_format.write_array(train, "labels", labels.astype(file_format.label_dtype(N_CLASSES)))
        features = file_format.create_dataset(train, "features", (n_rows, n_columns), np.float32)
        for start in range(0, n_rows, BLOCK_ROWS):
            stop = min(start + BLOCK_ROWS, n_rows)
            features[start:stop] = block[: stop - start]
        file.create_group("vectorizer").attrs["parameters"] = json.dumps({})
        file_format.mark_complete(file)
