"""Nothing gets its name that is not what was written: what is lost on the way is found."""

import os
from concurrent.futures import ThreadPoolExecutor

import h5py
import numpy as np
import pytest

from ooc_train.file import integrity, output, schema
from ooc_train.file.checksums import block_length, stored_sums
from ooc_train.file.integrity import check_written
from ooc_train.file.output import OutputFile
from ooc_train.reading.store import open as open_store

HEADER = {"features": "dense", "producer": "tests", "provenance": {}}
ROWS = np.arange(60_000, dtype=np.float32).reshape(-1, 3)


def write(path, compression="none"):
    """A file with an array of each way of writing: rows, a whole array, strings, attributes."""
    with ThreadPoolExecutor(1) as pool, OutputFile(path, compression=compression) as output:
        group = schema.create_dense_split(
            output.hdf5, "train", n_rows=len(ROWS), n_columns=3, dtype="f4", n_classes=2
        )
        with (
            output.appender(group["labels"], pool) as labels,
            output.appender(group["features"], pool) as features,
        ):
            labels.append(np.arange(len(ROWS)) % 2)
            features.append(ROWS[:7_000])
            features.append(ROWS[7_000:])
        classes = output.group("classes")
        classes.strings("labels", ["a", "b"])
        classes.strings("names", ["a", "b"])
        vectorizer = output.group("vectorizer")
        vectorizer.attribute("n_columns", 3)
        vectorizer.attribute("n_documents", len(ROWS))
        vectorizer.attribute("parameters", "{}")
        output.finish(HEADER)
    return path


def lost(monkeypatch, which, n_kept):
    """The call number ``which`` of the writes of rows keeps no more than ``n_kept`` bytes."""
    pwrite, numbers = os.pwrite, iter(range(1000))

    def losing(file, view, position):
        kept = view[:n_kept] if next(numbers) == which else view
        pwrite(file, kept, position)
        return len(view)

    monkeypatch.setattr(os, "pwrite", losing)


@pytest.mark.parametrize("which", range(7))
def test_rows_that_are_lost_are_missed(tmp_path, monkeypatch, which):
    lost(monkeypatch, which, 1)
    with pytest.raises(OSError, match="is not what is read back"):
        write(tmp_path / "o.h5")


def test_rows_that_fill_whole_blocks_have_no_sum_more(tmp_path):
    n_rows = 2 * block_length((2**40, 3), np.dtype("f4"))
    with ThreadPoolExecutor(1) as pool, schema.create_file(str(tmp_path / "o.h5")) as file:
        rows = file.create_dataset("rows", (n_rows, 3), "f4")
        with output.Appender(rows, pool) as appender:
            appender.append(np.zeros((n_rows, 3), "f4"))
        assert len(stored_sums(rows)) == 2


def test_a_short_write_is_continued(tmp_path, monkeypatch):
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, view, at: pwrite(file, view[:5_000], at))
    with open_store(write(tmp_path / "o.h5")) as store:
        assert len(store["train"]) == len(ROWS)


def of_chunk(path):
    with h5py.File(path) as file:
        info = file["train/features"].id.get_chunk_info(1)
        return info.byte_offset + info.size // 2


def of_checksums(path):
    with h5py.File(path) as file:
        return file["checksums/train/features"].id.get_offset() + 3


def of_copy(path):
    with h5py.File(path) as file:
        return file["classes/names/bytes"].id.get_offset()


def of_attribute(path):
    return path.read_bytes().index(b"n_documents") + 3


@pytest.mark.parametrize("place", [of_chunk, of_checksums, of_attribute])
def test_what_hdf5_wrote_is_read_back_in_the_end(tmp_path, monkeypatch, place):
    def damaging(path, read_back):
        with path.open("r+b") as file:
            file.seek(place(path))
            (old,) = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([old ^ 4]))
        check_written(path, read_back)

    monkeypatch.setattr(output, "check_written", damaging)
    with pytest.raises(OSError, match="is not what is read back"):
        write(tmp_path / "o.h5", "zstd")


def test_what_is_copied_is_read_back_in_the_end(tmp_path, monkeypatch):
    """Also where the copy lies at the place of an array of the other file."""
    whole = write(tmp_path / "whole.h5")

    def copied(path):
        with open_store(whole) as store, OutputFile(path) as output:
            for group in ("classes", "vectorizer"):
                output.copy(store.file[group])
            output.finish(HEADER)

    def damaging(path, read_back):
        with path.open("r+b") as file:
            file.seek(of_copy(path))
            file.write(b"c")
        check_written(path, read_back)

    copied(tmp_path / "copy.h5")
    monkeypatch.setattr(output, "check_written", damaging)
    with pytest.raises(OSError, match="is not what is read back"):
        copied(tmp_path / "copy.h5")


def test_an_array_that_is_not_where_it_was_written_is_read_again(tmp_path, monkeypatch):
    """As if HDF5 had lost the header of an array, which says where it lies."""
    seen = []
    monkeypatch.setattr(integrity, "check_array", lambda array: seen.append(array.name))

    def moved(path, read_back):
        check_written(path, read_back | {"train/labels": read_back["train/labels"] + 8})

    monkeypatch.setattr(output, "check_written", moved)
    write(tmp_path / "o.h5")
    assert seen == ["train/labels"]


def test_rows_beyond_the_end_are_not_written(tmp_path):
    with (
        pytest.raises(ValueError, match="has 2 rows, and 3 were written"),
        OutputFile(tmp_path / "o.h5") as output,
        output.appender(schema.create_dataset(output.hdf5, "a", (2,), "f4")) as rows,
    ):
        rows.append(np.zeros(3))
