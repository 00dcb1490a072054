"""Memory while reading does not grow with the file: measured in processes of their own."""

import json
import subprocess
import sys

import numpy as np
import pytest

from ooc_train import memory
from ooc_train.file import checksums, schema
from tests.files import complete, repack, write_head, write_index, write_numeric_vectorizer

pytestmark = pytest.mark.slow

N_ROWS, N_COLUMNS = 130_000, 768  # 400 MB
READ = """
import json, sys
import ooc_train.reading.store
from ooc_train.memory import MemoryMonitor, measure
path, seed = sys.argv[1], json.loads(sys.argv[2])
with MemoryMonitor() as monitor:
    before = measure()
    n = 0
    with ooc_train.reading.store.open(path) as store:
        for rows, labels in store["train"].batches(128, seed=seed):
            n += len(rows)
        is_mapped = seed is not None and getattr(store["train"].arrays["features"], "can_fetch", 0)
    peak = monitor.peak_rss_bytes, monitor.peak_anon_bytes
print(json.dumps([n, peak[0] - before.rss_bytes, peak[1] - before.anon_bytes, is_mapped]))
"""


def write_zeros(path, n_rows, n_columns):
    """A file of dense rows, all zero, that takes hardly any space on disk: its arrays are holes."""
    with schema.create_file(str(path)) as file:
        write_head(file, "dense", 2)
        group = schema.create_dense_split(
            file, "train", n_rows=n_rows, n_columns=n_columns, dtype="f4", n_classes=2
        )
        length = checksums.block_length(group["features"].shape, np.dtype("f4"))
        zeros = np.zeros((length, n_columns), "f4")
        sums = np.full(-(-n_rows // length), checksums.checksums(zeros, length)[0], "<u8")
        sums[-1] = checksums.checksums(zeros[: (n_rows - 1) % length + 1], length)[0]
        file.create_dataset(f"{checksums.GROUP}/train/features", data=sums, track_times=False)
        group["labels"][...] = 0
        write_numeric_vectorizer(file, n_columns)
        complete(file)
    return path


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write_zeros(tmp_path_factory.mktemp("zeros") / "rows.h5", N_ROWS, N_COLUMNS)


@pytest.mark.skipif(not memory.measure().rss_bytes, reason="memory is measured on Linux only")
@pytest.mark.parametrize("seed", [None, 0])
@pytest.mark.parametrize("layout", ["none", "zstd", "shards"])
def test_reading_takes_a_window(path, tmp_path, layout, seed):
    if layout == "shards":
        half = [write_zeros(tmp_path / f"{i}.h5", N_ROWS // 2, N_COLUMNS) for i in range(2)]
        path = write_index(tmp_path / "rows.json", half)
    elif layout != "none":
        path = repack(path, tmp_path / "packed.h5", layout)
    command = [sys.executable, "-c", READ, path, json.dumps(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    n_rows, rss_bytes, anon_bytes, is_mapped = json.loads(done.stdout)
    assert n_rows == N_ROWS
    # Mapped slices count with all of the cached folios that they lie in, of up to 2 MB each.
    assert rss_bytes < (300e6 if is_mapped else 100e6) < N_ROWS * N_COLUMNS * 4
    # A window, whose memory the next one takes over, unless it is mapped; and some batches.
    assert anon_bytes < (15e6 if is_mapped else 45e6)
