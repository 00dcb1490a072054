"""Tasks of a conversion run in other processes as in threads, and give the same bytes."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest

import ooc_train
from ooc_train.conversion import convert as module
from ooc_train.conversion.kinds.terms import token_file
from ooc_train.conversion.resources import MemoryPlan
from tests.corpora import random_rows, write_rows

# Blocks, tables and buckets are small, so that there are many tasks, and most words are unlisted.
PLAN = MemoryPlan(
    n_workers=3, block_bytes=3000, table_bytes=4096, bucket_bytes=2000, dictionary_bytes=2000
)


@pytest.fixture(scope="module")
def processes():
    """Two processes that share nothing with this one but the disk."""
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        yield pool


class Lent:
    """A pool in the place of a new one, which counts its tasks and is not ended."""

    def __init__(self, pool):
        self._pool = pool
        self.n_tasks = 0

    def __call__(self, *_):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def submit(self, *task):
        self.n_tasks += 1
        return self._pool.submit(*task)


def write_numbers(folder):
    values = np.random.default_rng(0).normal(size=(400, 5)).astype(np.float32)
    labels = np.arange(400) % 3
    np.savez(folder / "rows.npz", x=values, y=labels)
    np.save(folder / "rows.npy", values)
    np.save(folder / "labels.npy", labels)
    lines = [
        f"{label} " + " ".join(f"{i + 1}:{value:g}" for i, value in enumerate(row) if value > 0)
        for row, label in zip(values, labels, strict=True)
    ]
    (folder / "rows.svm").write_text("\n".join(lines))
    numbers = [f"{k % 3},{k % 7 / 8},{k}" for k in range(900)]
    (folder / "numbers.csv").write_text("\n".join(numbers))


CASES = {
    "ngram": ("train.csv", {"features": "ngram"}),
    "characters": ("train.csv", {"features": "ngram", "analyzer": "char", "score": "chi2"}),
    "sequence": ("train.csv", {"features": "sequence", "top_k": 30}),
    "dense": ("rows.npz", {"dtype": "int8"}),
    "dense CSV": ("numbers.csv", {"features": "dense"}),
    "array": ("rows.npy", {"labels": "labels.npy"}),
    "sparse": ("rows.svm", {}),
}


def case_in(folder, case):
    """The file and the options of a case, whose files are in ``folder``."""
    name, options = CASES[case]
    paths = {option: folder / options[option] for option in ("labels",) if option in options}
    return folder / name, options | paths


@pytest.mark.parametrize("case", CASES)
def test_processes_give_the_bytes_of_threads(tmp_path, monkeypatch, processes, case):
    write_rows(tmp_path / "train.csv", random_rows(300))
    write_numbers(tmp_path)
    source, options = case_in(tmp_path, case)
    labels = {name: path for name, path in options.items() if name == "labels"}
    ooc_train.convert(source, tmp_path / "threads.h5", **options)
    fitted = {"vectorizer": tmp_path / "threads.h5", "validation_fraction": 0, **labels}
    ooc_train.convert(source, tmp_path / "fitted.h5", **fitted)
    monkeypatch.setattr(MemoryPlan, "divide", lambda *_, **__: PLAN)
    monkeypatch.setattr(token_file, "_GROUPS_A_WORKER", 1)  # so that groups have several blocks
    pool = Lent(processes)
    monkeypatch.setattr(module, "ThreadPool", pool)
    report = ooc_train.convert(source, tmp_path / "processes.h5", **options)
    assert (tmp_path / "processes.h5").read_bytes() == (tmp_path / "threads.h5").read_bytes()
    ooc_train.convert(source, tmp_path / "again.h5", **fitted)
    assert (tmp_path / "again.h5").read_bytes() == (tmp_path / "fitted.h5").read_bytes()
    assert report["workers"] == PLAN.n_workers
    assert pool.n_tasks > 40
