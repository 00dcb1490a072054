"""Memory of training, in fresh processes: it must not grow with the rows, nor with the epochs."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.files import Toy, write_file

# 170 entries a row: some 1 kB, so that 60,000 rows take 60 MB and a window of theirs 17 MB.
TOY = Toy(n_columns=2000, mean_entries=180, signal=0.1)
N_ROWS = 15_000
MOST_GROWTH_BYTES = 25_000_000
MOST_DIFFERENCE_BYTES = 25_000_000

SCRIPT = """
import json, sys
from ooc_train.memory import measure
from ooc_train.progress import Silent
from ooc_train.batches import Batches
from ooc_train.training import train

path, run, epochs, in_memory = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] == "memory"

if in_memory:
    # The same steps on the same batches, from all rows at once: what the bound must catch.
    streamed = Batches.__iter__
    Batches.__iter__ = lambda self: iter(list(streamed(self)))

class Sampling(Silent):
    n_steps, tenth_bytes, most_bytes = 0, 0, 0
    def advance(self, amount):
        self.n_steps += 1
        if self.n_steps == 10:
            self.tenth_bytes = measure().anon_bytes
        elif self.n_steps % 20 == 0:
            self.most_bytes = max(self.most_bytes, measure().anon_bytes)

progress = Sampling()
report = train(path, run, epochs=epochs, progress=progress)
report["growth_bytes"] = progress.most_bytes - progress.tenth_bytes
print(json.dumps(report))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("memory")
    for factor in (1, 4):
        rows = repeated(TOY.rows(1000, np.random.default_rng(0)), factor * N_ROWS // 1000)
        path = folder / f"{factor}.h5"
        write_file(path, {"train": rows}, n_classes=TOY.n_classes, n_columns=TOY.n_columns)
    return folder


def repeated(rows, n_times):
    """The same rows over and over, which is faster than new ones."""
    labels, indptr, indices, values = rows
    lengths = np.tile(np.diff(indptr), n_times)
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    return np.tile(labels, n_times), indptr, np.tile(indices, n_times), np.tile(values, n_times)


def training(folder, factor, *, epochs=1, how="streamed"):
    """The report of a training in a process of its own, which must say nothing else."""
    run = folder / f"{factor}{how}{epochs}"
    arguments = [folder / f"{factor}.h5", run, epochs, how]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parent.parent,
    )
    assert done.stderr == ""
    return json.loads(done.stdout)


def test_memory_grows_neither_with_rows_nor_with_epochs(folder):
    few = training(folder, 1, epochs=2)
    many = training(folder, 4)
    for report in (few, many):
        assert report["growth_bytes"] < MOST_GROWTH_BYTES
    assert many["peak_anon_bytes"] - few["peak_anon_bytes"] < MOST_DIFFERENCE_BYTES

    # The bound can fail: the same steps with all rows in memory fail it.
    held = training(folder, 4, how="memory")
    assert held["peak_anon_bytes"] - few["peak_anon_bytes"] > MOST_DIFFERENCE_BYTES
    losses = [[e["loss"] for e in report["epochs"]] for report in (held, many)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
