"""The folder of a conversion's temporary files: what is in it, and what becomes of it."""

import pickle
import subprocess
import sys

import numpy as np
import pytest

import ooc_train
from ooc_train.conversion.storage.job import Column, DiskArray, JobFolder, append
from ooc_train.work_folder import remove_abandoned
from tests.corpora import random_rows, write_rows
from tests.full_disk import limited_files

KILLED = """
import os, signal, sys
from pathlib import Path
from ooc_train.conversion.storage.job import JobFolder
folder = JobFolder(Path(sys.argv[1]))
(folder.path / "rows").write_bytes(bytes(1000))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_folder_goes_when_the_context_ends(tmp_path):
    with JobFolder(tmp_path) as folder:
        (folder / "rows").write_bytes(b"rows")
        assert folder.parent == tmp_path
    assert list(tmp_path.iterdir()) == []


def test_the_next_conversion_removes_what_a_killed_one_left_and_no_other(tmp_path):
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    (abandoned,) = tmp_path.iterdir()
    source = write_rows(tmp_path / "train.csv", random_rows(50))
    with JobFolder(tmp_path) as living:
        (living / "rows").write_bytes(b"rows")
        (tmp_path / ".ooc-other").mkdir()
        ooc_train.convert(source, tmp_path / "o.h5", features="ngram")
        assert not abandoned.exists()
        assert (living / "rows").read_bytes() == b"rows"
        remove_abandoned(tmp_path)
        assert living.exists()
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [".ooc-other", "o.h5", "train.csv"]


def test_arrays_in_files_come_back_in_any_process(tmp_path):
    items = np.arange(12, dtype=np.uint32).reshape(4, 3)
    array = pickle.loads(pickle.dumps(DiskArray.of(tmp_path / "items", items)))
    assert len(array) == 4
    assert np.array_equal(array.read(), items)
    assert np.array_equal(array.mapped, items)
    assert [path.name for path in tmp_path.iterdir()] == ["items"]


def test_what_is_written_to_a_mapped_array_is_in_its_file(tmp_path):
    zeros = DiskArray.zeros(tmp_path / "zeros", (5, 2), np.float64)
    assert not zeros.mapped.any()
    zeros.mapped[3, 1] = 7
    assert zeros.read()[3, 1] == 7


def test_arrays_of_nothing(tmp_path):
    for array in (
        DiskArray.zeros(tmp_path / "zeros", (0,), np.int32),
        DiskArray.of(tmp_path / "items", np.empty((0, 3))),
        Column(tmp_path / "column", np.int64).array(),
    ):
        assert len(array) == len(array.mapped) == len(array.read()) == 0


def test_a_column_grows_and_has_one_dtype(tmp_path):
    column = Column(tmp_path / "column", np.int64)
    for items in (np.arange(3, dtype=np.int32), np.arange(0), np.array([7])):
        column.append(items)
    assert column.array().read().tolist() == [0, 1, 2, 7]
    assert column.array().mapped.dtype == np.int64


def test_positions_are_where_the_array_before_ended(tmp_path):
    positions = [append(tmp_path / "items", np.zeros(n, np.uint64)) for n in (3, 0, 5)]
    assert positions == [0, 24, 24]


def test_a_full_disk_is_an_error_when_space_is_reserved(tmp_path):
    with limited_files(1000), pytest.raises(OSError, match="File too large"):
        DiskArray.zeros(tmp_path / "zeros", (1000,), np.float64)
