"""The reader: what it returns, and what it refuses."""

import json
import os
import subprocess
import sys

import h5py
import numpy as np
import pytest

from ooc_train.errors import FormatError, InputError, OptionError
from ooc_train.kinds import KINDS, Kind
from ooc_train.reading.store import open as open_store
from tests.files import Toy, reseal, write_dense, write_sequences, write_toy

TOY = Toy(n_classes=3)


@pytest.fixture
def path(tmp_path):
    return write_toy(tmp_path / "toy.h5", toy=TOY, train=50, validation=10, test=20)


def test_header(path):
    with open_store(path) as store:
        assert store.path == path
        assert store.features == "ngram"
        assert store.class_labels == ["1", "2", "3"]
        assert store.class_names == ["class 1", "class 2", "class 3"]
        assert (store.n_classes, store.n_columns) == (3, 60)
        assert store.provenance == {"source": "toy"}
        assert list(store) == list(store.splits) == ["train", "validation", "test"]
        assert [len(store[name]) for name in store] == [50, 10, 20]
        assert len(store) == 3


def test_a_file_that_another_program_has_open_for_writing_is_not_damaged(path):
    with (
        h5py.File(path, "r+"),
        pytest.raises(
            InputError, match=r"toy\.h5 is open for writing in another program.*close it"
        ),
    ):
        open_store(path)
    with open_store(path) as store:  # where it was closed, nothing is wrong
        assert len(store["train"]) == 50


def test_reading_needs_no_lock(path):
    fcntl = pytest.importorskip("fcntl")
    with path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with open_store(path) as store:
            assert "train" in store.file


def test_rows_and_labels_are_those_written(path):
    labels, indptr, indices, values = TOY.rows(50, np.random.default_rng([0, 0]))
    with open_store(path) as store:
        split = store["train"]
        assert (split.n_rows, split.n_entries) == (50, len(values))
        rows = split.read(7, 31)
        entries = slice(indptr[7], indptr[31])
        np.testing.assert_array_equal(rows.indptr, indptr[7:32] - indptr[7])
        np.testing.assert_array_equal(rows.indices, indices[entries])
        np.testing.assert_array_equal(rows.values, values[entries])
        assert (rows.n_columns, rows.values.dtype, rows.indptr.dtype) == (60, "f4", "i8")
        np.testing.assert_array_equal(split.read_labels(7, 31), labels[7:31])
        assert split.read_labels(7, 31).dtype == np.int64


def test_several_slices_at_once(path):
    with open_store(path) as store:
        split = store["train"]
        rows, labels = split.read_slices([(40, 50), (3, 3), (0, 5)])
        np.testing.assert_array_equal(
            rows.to_dense(), np.vstack([split.read(40, 50).to_dense(), split.read(0, 5).to_dense()])
        )
        np.testing.assert_array_equal(
            labels, np.concatenate([split.read_labels(40, 50), split.read_labels(0, 5)])
        )


def test_no_rows(path):
    with open_store(path) as store:
        assert store["train"].read(50, 50).to_dense().shape == (0, 60)
        assert store["train"].read_labels(50, 50).shape == (0,)


@pytest.mark.parametrize(("start", "stop"), [(-1, 3), (5, 4), (0, 51)])
def test_rows_that_there_are_not(path, start, stop):
    with open_store(path) as store, pytest.raises(IndexError, match="has rows 0 to 50"):
        store["train"].read(start, stop)


def test_the_file_is_closed_afterwards(path):
    with open_store(path) as store:
        pass
    assert not store.is_open
    with h5py.File(path, "r+"):
        pass


def test_a_refused_file_is_closed(path):
    with h5py.File(path, "r+") as file:
        del file["classes"]
    with pytest.raises(FormatError) as caught, open_store(path):
        pass
    with h5py.File(path, "r+"):
        pass
    del caught  # which kept alive what had opened the file


def test_svmlight_rows_are_said_to_be_sparse(tmp_path):
    path = write_toy(tmp_path / "rows.h5", train=30, features="sparse")
    with open_store(path) as store:
        split = store["train"]
        assert (store.features, store.layout) == ("sparse", "sparse")
        assert (split.features, split.layout, split.n_columns) == ("sparse", "sparse", 60)
        assert split.read(0, 5).layout == "sparse"
        with pytest.raises(
            OptionError, match=r"'train' has sparse rows, which are given as sparse"
        ):
            split.to_tf_dataset(8, form="ragged")


@pytest.mark.parametrize(
    ("like", "make"),
    [("ngram", write_toy), ("sequence", write_sequences), ("dense", write_dense)],
)
def test_a_kind_in_the_table_is_readable_by_its_layout(tmp_path, monkeypatch, like, make):
    path = make(tmp_path / "rows.h5", train=30)
    with open_store(path) as store:
        expected = store["train"].read(0, 30).to_dense()
    with h5py.File(path, "r+") as file:
        file.attrs["features"] = "own"
        reseal(file)
    with pytest.raises(FormatError, match="has 'own' features, and this ooc-train reads ngram or"):
        open_store(path)
    layout, arrays = KINDS[like].layout, KINDS[like].arrays
    monkeypatch.setitem(KINDS, "own", Kind(layout, "text", "mlp", "own:Vectorizer", arrays))
    with open_store(path) as store:
        assert (store.features, store["train"].layout) == ("own", layout)
        np.testing.assert_array_equal(store["train"].read(0, 30).to_dense(), expected)


def test_class_counts_are_those_of_all_rows(path, monkeypatch):
    monkeypatch.setattr("ooc_train.reading.split.LABELS_AT_ONCE", 7)
    with open_store(path) as store:
        labels = store["train"].read_labels(0, 50)
        counts = store["train"].class_counts()
    assert counts.tolist() == np.bincount(labels, minlength=3).tolist()


def test_unknown_split(path):
    with (
        open_store(path) as store,
        pytest.raises(InputError, match="no split 'dev'; it has: train, validation, test"),
    ):
        store["dev"]


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"there is no file .*no\.h5; make one with ooc-convert"):
        open_store(tmp_path / "no.h5")


def test_folder(tmp_path):
    with pytest.raises(InputError, match="is a folder, where a file made by ooc-convert is expec"):
        open_store(tmp_path)
    (tmp_path / "settings.json").touch()
    with pytest.raises(InputError, match="is a run folder, where a file made by ooc-convert is"):
        open_store(tmp_path)


@pytest.mark.parametrize("content", [b"", b"1,a text\n"])
def test_no_hdf5_file(tmp_path, content):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(FormatError, match=r"a\.csv is not an HDF5 file; make one from it with"):
        open_store(tmp_path / "a.csv")


def test_foreign_hdf5_file(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["train"] = 1
    with pytest.raises(FormatError, match=r"a\.h5 was not written by ooc-convert"):
        open_store(tmp_path / "a.h5")


def test_truncated_file(path):
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(
        FormatError,
        match=r"toy\.h5 is damaged: it is truncated: .* bytes are left; convert the source",
    ):
        open_store(path)


ATTRIBUTES = [
    ("format_version", 3, "has format version 3, and this ooc-train reads 2; use the release that"),
    ("complete", 0, "was never finished; convert the source again"),
    (
        "features",
        "images",
        "has 'images' features, and this ooc-train reads ngram or sequence or dense or sparse; use",
    ),
    ("provenance", "{", "is damaged: .*; convert the source again"),
]


@pytest.mark.parametrize(("name", "value", "message"), ATTRIBUTES)
def test_other_headers(path, name, value, message):
    with h5py.File(path, "r+") as file:
        file.attrs[name] = value
        reseal(file)
    with pytest.raises(FormatError, match=rf"toy\.h5 {message}"):
        open_store(path)


@pytest.mark.parametrize("name", ["complete", "provenance", "format_version"])
def test_missing_attributes(path, name):
    with h5py.File(path, "r+") as file:
        del file.attrs[name]
    with pytest.raises(FormatError, match=r"toy\.h5"):
        open_store(path)


@pytest.mark.parametrize(
    "name", ["vectorizer", "classes", "classes/names", "train", "test/values", "train/labels"]
)
def test_missing_objects(path, name):
    with h5py.File(path, "r+") as file:
        del file[name]
    with pytest.raises(FormatError, match=r"toy\.h5.*convert the source again"):
        open_store(path)


def replace(path, name, change):
    with h5py.File(path, "r+") as file:
        array = file[name][...]
        del file[name]
        file[name] = change(array)
        reseal(file)


ARRAYS = [
    ("train/indptr", lambda a: np.concatenate([[1], a[1:]]), "indptr runs from 1 to"),
    ("train/indptr", lambda a: a - (a == a[-1]), r"indptr runs from 0 to \d+, not 0 to"),
    ("train/indptr", lambda a: a[:-1], r"train/indptr has the shape \(50,\), not \(51,\)"),
    ("train/labels", lambda a: a[:-1], r"train/indptr has the shape \(51,\), not \(50,\)"),
    ("train/values", lambda a: a[:-1], "train/values has the shape"),
    ("train/values", lambda a: a.astype("i4"), "train/values has the type int32"),
    ("train/indices", lambda a: a.astype("f4"), "train/indices has the type float32"),
    ("train/labels", lambda a: a[:, None], r"train/labels has the shape \(50, 1\), not \(50,\)"),
]


@pytest.mark.parametrize(("name", "change", "message"), ARRAYS)
def test_arrays_that_do_not_fit(path, name, change, message):
    replace(path, name, change)
    with pytest.raises(FormatError, match=rf"toy\.h5(: split 'train')? is damaged: .*{message}"):
        open_store(path)


CONTENTS = [
    ("train/indptr", lambda a: np.concatenate([a[:4], [a[-1]], a[5:]]), "indptr does not ascend"),
    ("train/indptr", lambda a: np.concatenate([a[:4], [-1], a[5:]]), "indptr does not ascend"),
    ("train/indices", lambda a: np.full_like(a, 60), "have a column too high"),
    ("train/labels", lambda a: np.full_like(a, 3), "have a label of no class"),
]


@pytest.mark.parametrize(("name", "change", "message"), CONTENTS)
def test_contents_out_of_range(path, name, change, message):
    replace(path, name, change)
    with open_store(path) as store, pytest.raises(FormatError, match=message):
        list(store["train"].batches(3))


def test_neither_tensorflow_nor_numba_is_imported():
    code = "import sys, json, ooc_train.reading.store; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    loaded = json.loads(done.stdout)
    assert "h5py" in loaded
    assert not {"tensorflow", "keras", "numba", "scipy"} & set(loaded)


REPLACING = """
import itertools, os, sys
first, second, name = sys.argv[1:]
for number in itertools.count(1):
    os.link((first, second)[number % 2], name + ".new")
    os.replace(name + ".new", name)
"""


def test_a_reader_has_one_file_while_others_take_its_name(tmp_path):
    """Two files, alike but for the places of their arrays, that get the same name in turns."""
    rows = {"first": 1000, "second": 100}
    for name, n_rows in rows.items():
        write_toy(tmp_path / name, train=n_rows)
    path = tmp_path / "rows.h5"
    os.link(tmp_path / "first", path)
    arguments = [str(tmp_path / "first"), str(tmp_path / "second"), str(path)]
    with subprocess.Popen([sys.executable, "-c", REPLACING, *arguments]) as process:
        try:
            seen = set()
            for _ in range(300):
                with open_store(path) as store:
                    train = store["train"]
                    seen.add((len(train), len(train.read_labels(0, len(train)))))
        finally:
            process.kill()
    assert seen == {(1000, 1000), (100, 100)}


@pytest.mark.parametrize("is_deleted", [True, False])
def test_hdf5_opens_no_other_file_than_the_one_that_is_read(tmp_path, is_deleted):
    path = write_toy(tmp_path / "old", train=1000)
    with open_store(path) as store:
        write_toy(tmp_path / "new", train=100).replace(path)
        if is_deleted:
            path.unlink()
        with pytest.raises(InputError, match="old was replaced while it was read"):
            store.file  # noqa: B018 - opened by its name
        assert len(store["train"].read_labels(0, 1000)) == 1000
