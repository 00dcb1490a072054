"""Memory of training, in a fresh process: it must not grow with the rows, nor with the epochs."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.measure.memory import TreeMonitor
from ooc_train.training.train import train
from tests.files import SequenceToy, Toy, write_dense, write_file, write_sequence_file

pytestmark = pytest.mark.slow

# 85 entries a row: some 500 bytes, so that 132,000 rows take 68 MB and a window of theirs 17 MB.
TOY = Toy(n_columns=2000, mean_entries=90, signal=0.1)
N_ROWS = 33_000
# Ten megabytes as a rule, whatever the rows; now and then a thread's arena adds more than as many.
MOST_GROWTH_BYTES = 35_000_000
MOST_DIFFERENCE_BYTES = 25_000_000
MOST_COMMAND_BYTES = 90_000_000

SCRIPT = """
import json, sys
from ooc_train.memory import measure
from ooc_train.progress import Silent
from ooc_train.reading.batches import Batches
from ooc_train.training import train as fitting
from ooc_train.training.train import train

fitting.draw_page = lambda *arguments: None  # as in all tests
streamed = Batches.from_step

class Sampling(Silent):
    n_steps, tenth_bytes, most_bytes = 0, 0, 0
    def advance(self, amount):
        self.n_steps += 1
        if self.n_steps == 10:
            self.tenth_bytes = measure().anon_bytes
        elif self.n_steps % 20 == 0:
            self.most_bytes = max(self.most_bytes, measure().anon_bytes)

for path, run, how, options in json.load(sys.stdin):
    if how == "in memory":
        # The same steps on the same batches, from all rows at once: what the bound must catch.
        Batches.from_step = lambda self, step: iter(list(streamed(self, step)))
    progress = Sampling()
    report = train(path, run, progress=progress, **options)
    report["growth_bytes"] = progress.most_bytes - progress.tenth_bytes
    print(json.dumps(report))
"""


# Of sequences of 250 words a row: as large.  A network worth its name would take minutes.
SEQUENCES = SequenceToy(n_terms=2000, longest=500, signal=0.1)
BY_LENGTH = {"model": "tests.training.test_bounded_memory:average", "bucket_by_length": True}
KINDS = {"ngram": {}, "sequence": BY_LENGTH}


def average(shape):
    """The smallest model of sequences: for each word a number, and their average."""
    import keras

    return keras.Sequential(
        [
            keras.Input((None,), dtype="int32"),
            keras.layers.Embedding(shape.n_columns, 1),
            keras.layers.GlobalAveragePooling1D(),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )


@pytest.fixture(params=KINDS)
def files(request, tmp_path):
    """A file, one of four times as many rows, and the options of training on them."""
    paths = [tmp_path / "tiny.h5", tmp_path / "little.h5", tmp_path / "much.h5"]
    options = KINDS[request.param]
    for n_rows, path in zip((1000, N_ROWS, 4 * N_ROWS), paths, strict=True):
        times = n_rows // 1000
        if request.param == "ngram":
            rows = repeated(TOY.rows(1000, np.random.default_rng(0)), times)
            write_file(path, {"train": rows}, n_classes=TOY.n_classes, n_columns=TOY.n_columns)
        else:
            rows = repeated(SEQUENCES.rows(1000, np.random.default_rng(0)), times)
            write_sequence_file(path, {"train": rows}, n_classes=2, n_terms=SEQUENCES.n_terms)
    # The first training after an installation compiles its kernels, in memory of its own: also the
    # one that takes rows, for which these would be too few.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ooc_train.reading.splits.KERNEL_ENTRIES", 0)
        train(paths[0], tmp_path / "compiled", epochs=1, **options)
    return *paths[1:], options


def repeated(rows, n_times):
    """The same rows over and over, which is faster than new ones."""
    labels, indptr, *entries = rows
    lengths = np.tile(np.diff(indptr), n_times)
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    return np.tile(labels, n_times), indptr, *(np.tile(array, n_times) for array in entries)


def trained(*trainings):
    """The reports of trainings, in a process of their own, which must say nothing else.

    In one, since TensorFlow's start takes longer than all of them.
    """
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        input=json.dumps(trainings),
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.stderr == ""
    return map(json.loads, done.stdout.splitlines())


def test_memory_grows_neither_with_rows_nor_with_epochs(files, tmp_path):
    *paths, options = files
    little, much = map(str, paths)
    few, many, held = trained(
        (little, str(tmp_path / "few"), "streamed", {"epochs": 2, **options}),
        (much, str(tmp_path / "many"), "streamed", {"epochs": 1, **options}),
        (much, str(tmp_path / "held"), "in memory", {"epochs": 1, **options}),
    )
    for report in (few, many):
        assert report["growth_bytes"] < MOST_GROWTH_BYTES
    assert many["peak_anon_bytes"] - few["peak_anon_bytes"] < MOST_DIFFERENCE_BYTES

    # The bound can fail: the same steps with all rows in memory fail it.
    assert held["peak_anon_bytes"] - few["peak_anon_bytes"] > MOST_DIFFERENCE_BYTES
    losses = [[e["loss"] for e in report["epochs"]] for report in (held, many)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_a_command_keeps_to_90_mb_and_draws_its_page_in_them(tmp_path):
    """On dense rows of 768 columns; a process of matplotlib's beside it would take 20 MB more."""
    pytest.importorskip("matplotlib")
    path = write_dense(tmp_path / "rows.h5", n_columns=768, train=20_000)
    command = [sys.executable, "-m", "ooc_train.cli.train", path, "--epochs", "1", "--quiet"]
    for run in (tmp_path / "compiled", tmp_path / "measured"):
        with (
            subprocess.Popen([*command, "-o", run], cwd=Path(__file__).parents[2]) as process,
            TreeMonitor(process.pid) as monitor,
        ):
            assert process.wait() == 0
        assert (run / "report.html").is_file()
    assert monitor.peaks().anon_bytes < MOST_COMMAND_BYTES
