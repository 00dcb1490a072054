"""Arrays on disk: the same rows whatever the layout, in any thread, process and order."""

import contextlib
import json
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from h5py._objects import phil
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ooc_train
from ooc_train.cli.convert import main as convert_main
from ooc_train.conversion import vectorizer
from ooc_train.conversion.options import ConvertOptions
from ooc_train.conversion.vectorizer import load_vectorizer
from ooc_train.errors import FormatError, InputError, OptionError
from ooc_train.file import compression, schema
from ooc_train.file.arrays import DamageError
from ooc_train.file.handle import Handle
from ooc_train.file.layouts import ChunkedArray, FlatArray, Hdf5Array, open_array
from ooc_train.file.mapping import FileMap
from ooc_train.file.output import Appender
from ooc_train.reading.store import open as open_store
from tests.corpora import random_rows, write_rows
from tests.files import (
    SequenceToy,
    Toy,
    add_array,
    repack,
    seal,
    write_dense,
    write_sequences,
    write_toy,
)

LAYOUTS = {"none": FlatArray, "lz4": ChunkedArray, "zstd": ChunkedArray, "foreign": Hdf5Array}
SHAPES = [(1,), (8192,), (30_000,), (1000, 7), (70, 768), (3, 40_000)]
DTYPES = ["u1", "u2", "u4", "i8", "f2", "f4"]


def rows_of(shape, dtype, seed=0):
    """Numbers that compress in part."""
    numbers = np.random.default_rng(seed).zipf(1.5, shape) % 250
    return np.cumsum(numbers % 7, axis=0).astype(dtype) if dtype == "i8" else numbers.astype(dtype)


def write(path, rows, layout):
    """A file with the one array ``split/rows``."""
    with schema.create_file(str(path)) as file:
        if layout == "foreign":
            file.create_dataset("split/rows", data=rows, chunks=True, compression="gzip")
        else:
            add_array(file.create_group("split"), "rows", rows, layout)
        seal(file)
    return path


@contextlib.contextmanager
def opened(path, *, verify=True):
    """The array of such a file, as the reader has it."""
    with contextlib.closing(Handle(path, verify=verify)) as handle:
        yield open_array("split/rows", handle)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None
)
@given(
    layout=st.sampled_from(sorted(LAYOUTS)),
    shape=st.sampled_from(SHAPES),
    dtype=st.sampled_from(DTYPES),
    verify=st.booleans(),
    data=st.data(),
)
def test_any_range_of_rows(tmp_path, layout, shape, dtype, verify, data):
    rows = rows_of(shape, dtype)
    path = write(tmp_path / "a.h5", rows, layout)
    with opened(path, verify=verify) as array:
        assert type(array) is LAYOUTS[layout]
        assert (array.shape, array.dtype, len(array)) == (shape, np.dtype(dtype), shape[0])
        for _ in range(5):
            start = data.draw(st.integers(0, len(rows)))
            stop = data.draw(st.integers(start, len(rows)))
            np.testing.assert_array_equal(array.read(start, stop), rows[start:stop])


def test_no_rows(tmp_path):
    for layout in ("none", "zstd"):
        path = write(tmp_path / f"{layout}.h5", np.empty((0, 3), "f4"), layout)
        with opened(path) as array:
            assert array.read(0, 0).shape == (0, 3)


@pytest.mark.parametrize("layout", ["lz4", "zstd"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", ["u2", "f4"])
def test_every_hdf5_library_with_the_filters_can_read_it(tmp_path, layout, shape, dtype):
    import hdf5plugin  # noqa: F401 - it registers the filters

    rows = rows_of(shape, dtype)
    with h5py.File(write(tmp_path / "a.h5", rows, layout)) as file:
        np.testing.assert_array_equal(file["split/rows"][...], rows)


@pytest.mark.parametrize("layout", ["lz4", "zstd"])
def test_what_the_filters_write_is_read(tmp_path, layout):
    import hdf5plugin

    rows = rows_of((30_000,), "f4")
    filters = {"lz4": hdf5plugin.LZ4(nbytes=4096), "zstd": hdf5plugin.Zstd()}[layout]
    with schema.create_file(str(tmp_path / "a.h5")) as file:
        file.create_dataset("split/rows", data=rows, chunks=(16_384,), shuffle=True, **filters)
        seal(file)
    with opened(tmp_path / "a.h5") as array:
        assert isinstance(array, ChunkedArray)
        np.testing.assert_array_equal(array.read(0, len(rows)), rows)


@pytest.mark.parametrize("layout", ["none", "lz4", "zstd"])
def test_the_bytes_do_not_depend_on_the_pieces_that_were_appended(tmp_path, layout):
    """Or on which of two arrays gets its pieces when, or on how many workers compress them."""
    first, second = rows_of((100_000,), "f4"), rows_of((60_000,), "i8")
    written = []
    pools = contextlib.nullcontext(), ThreadPoolExecutor(1), ThreadPoolExecutor(3)
    steps = 10**6, 7777, 7777
    for pool_of, name, step in zip(pools, ("one", "many", "more"), steps, strict=True):
        with pool_of as pool, schema.create_file(str(tmp_path / name)) as file:
            group = file.create_group("split")
            made = [
                schema.create_dataset(group, key, rows.shape, rows.dtype, compression=layout)
                for key, rows in (("a", first), ("b", second))
            ]
            with Appender(made[0], pool) as a, Appender(made[1], pool) as b:
                for start in range(0, len(first), step):
                    a.append(first[start : start + step])
                    b.append(second[start : start + step])
            seal(file)
        written.append((tmp_path / name).read_bytes())
    assert written[0] == written[1] == written[2]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["many", "more", "one"]


@pytest.mark.parametrize("workers", [0, 1])
def test_compressing_starts_no_threads(tmp_path, workers):
    with (
        ThreadPoolExecutor(1) as pool,
        schema.create_file(str(tmp_path / "a.h5")) as file,
    ):
        pool.submit(int).result()  # a pool's threads start with its tasks
        dataset = schema.create_dataset(file, "a", (10**6,), "f4", compression="zstd")
        n_threads = threading.active_count()
        with Appender(dataset, pool if workers else None) as target:
            target.append(rows_of((10**6,), "f4"))
            assert threading.active_count() == n_threads


def test_chunks_are_written_with_the_lock_of_h5py(tmp_path):
    """Which h5py before 3.16 does not take: threads that write files of their own break HDF5."""
    path = write(tmp_path / "a.h5", rows_of((200_000,), "f4"), "lz4")
    free = []

    def is_free():
        return phil.acquire(False) and (phil.release() or True)

    def write_direct_chunk(*_):
        free.append(other.submit(is_free).result())

    with ThreadPoolExecutor(1) as other, h5py.File(path, "r+") as file:
        dataset = file["split/rows"]
        names = ("name", "file", "chunks", "dtype", "ndim")
        watched = SimpleNamespace(**{name: getattr(dataset, name) for name in names})
        watched.id = SimpleNamespace(
            get_create_plist=dataset.id.get_create_plist, write_direct_chunk=write_direct_chunk
        )
        with compression.ChunkWriter(watched) as writer:
            for _ in range(3):
                writer.append(np.ones(watched.chunks, "f4"))
            writer.finish()
    assert free == [False] * 3


def test_a_plugin_without_the_filter_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr("h5py.h5z.filter_avail", lambda number: number == 2)
    with (
        schema.create_file(str(tmp_path / "a.h5")) as file,
        pytest.raises(OptionError, match="--compression lz4 needs HDF5's filter 32004, which the"),
    ):
        schema.create_dataset(file, "a", (10,), "u1", compression="lz4")


@pytest.mark.parametrize("layout", ["lz4", "zstd"])
@pytest.mark.parametrize("n_rows", [100, 10**6])
def test_a_chunk_of_another_size_is_an_error(tmp_path, layout, n_rows):
    """HDF5 itself would return what lies in memory behind a short one."""
    path = write(tmp_path / "a.h5", rows_of((200_000,), "u1"), layout)
    with h5py.File(path, "r+") as file:
        chunk = compression.CODECS[layout].encode(bytes(n_rows))
        file["split/rows"].id.write_direct_chunk((65_536,), chunk)
    with opened(path, verify=False) as array:
        assert len(array.read(0, 65_536)) == 65_536
        with pytest.raises(DamageError, match="a chunk is of another size") as caught:
            array.read(65_000, 66_000)
        assert (caught.value.start, caught.value.stop) == (65_536, 2 * 65_536)


@pytest.mark.parametrize("layout", ["none", "zstd"])
def test_too_few_rows_are_an_error(tmp_path, layout):
    with schema.create_file(str(tmp_path / "a.h5")) as file:
        dataset = schema.create_dataset(file, "a", (10,), "u1", compression=layout)
        with (
            pytest.raises(ValueError, match="/a has 10 rows, and 3 were written"),
            Appender(dataset) as target,
        ):
            target.append(np.arange(3))


def test_compressed_arrays_are_smaller(tmp_path):
    rows = rows_of((200_000,), "i8")
    sizes = {
        layout: write(tmp_path / layout, rows, layout).stat().st_size
        for layout in ("none", "lz4", "zstd")
    }
    assert sizes["zstd"] < sizes["lz4"] < sizes["none"] / 2


KINDS = {
    "ngram": lambda path: write_toy(path, toy=Toy(mean_entries=20), train=3000, test=0),
    "sequence": lambda path: write_sequences(path, toy=SequenceToy(), train=9000, test=0),
    "dense": lambda path: write_dense(path, n_columns=30, train=3000, test=0),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layout", ["lz4", "zstd"])
def test_batches_of_both_layouts_are_the_same(tmp_path, kind, layout):
    path = KINDS[kind](tmp_path / "plain.h5")
    packed = repack(path, tmp_path / "packed.h5", layout)
    with open_store(path) as plain, open_store(packed) as store:
        assert {type(array) for array in store["train"].arrays.values()} == {ChunkedArray}
        for a, b in zip(
            plain["train"].batches(100, seed=1), store["train"].batches(100, seed=1), strict=True
        ):
            np.testing.assert_array_equal(a.rows.to_dense(), b.rows.to_dense())
            np.testing.assert_array_equal(a.labels, b.labels)


def test_without_the_codec_hdf5_decompresses(tmp_path, monkeypatch):
    rows = rows_of((30_000,), "f4")
    path = write(tmp_path / "a.h5", rows, "zstd")
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with opened(path) as array:
        assert isinstance(array, Hdf5Array)
        np.testing.assert_array_equal(array.read(100, 20_000), rows[100:20_000])


def test_with_nothing_that_decompresses(tmp_path, monkeypatch):
    path = repack(write_toy(tmp_path / "a.h5", train=9), tmp_path / "b.h5", "zstd")
    monkeypatch.setitem(sys.modules, "zstandard", None)
    monkeypatch.setitem(sys.modules, "hdf5plugin", None)
    monkeypatch.setattr("h5py.h5z.filter_avail", lambda number: number == 2)
    with pytest.raises(
        OptionError, match=r"b\.h5 is compressed, .* install them: pip install 'hdf5plugin>="
    ):
        open_store(path)


@pytest.mark.parametrize("module", ["zstandard", "hdf5plugin"])
def test_writing_needs_the_packages(monkeypatch, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(OptionError, match="--compression zstd needs packages .*: pip install"):
        ConvertOptions(compression="zstd")
    with pytest.raises(OptionError, match="--compression must be one of none, lz4, zstd, not 'ra"):
        ConvertOptions(compression="rar")


def test_a_file_that_is_cut_short_while_it_is_read(tmp_path):
    for layout in ("none", "zstd"):
        path = write(tmp_path / f"{layout}.h5", rows_of((100_000,), "f4"), layout)
        with opened(path) as array:
            array.read(0, 10)
            with path.open("r+b") as file:
                file.truncate(5000)
            with pytest.raises(DamageError, match="the file is truncated"):
                array.read(0, len(array))


def test_damage_is_found_by_whoever_reads_its_block(tmp_path):
    """However often, and by nobody else."""
    rows = rows_of((300_000,), "u1")
    path = write(tmp_path / "a.h5", rows, "none")
    start, stop = 2 * 65_536, 3 * 65_536  # of the block
    with opened(path) as array, path.open("r+b") as file:
        file.seek(array._offset + start + 9)
        file.write(bytes([rows[start + 9] ^ 1]))
    with opened(path) as array:
        for first, last in [
            (0, start),
            (9, 70_000),
            (stop, 300_000),
            (250_000, 250_001),
            (1, start),
        ]:
            np.testing.assert_array_equal(array.read(first, last), rows[first:last])
        for first, last in [
            (0, 300_000),
            (9, start + 1),
            (stop - 1, stop),
            (stop - 9, 250_000),
        ] * 2:
            with pytest.raises(DamageError, match="the checksum differs") as caught:
                array.read(first, last)
            assert (caught.value.start, caught.value.stop) == (start, stop)


def in_child(split, connection):
    """What a process of its own reads; and its handle may be closed without harm to others."""
    rows, labels = next(iter(split.batches(50, seed=0)))
    connection.send((rows.to_dense(), labels))
    split._file.close()


@pytest.mark.parametrize("layout", ["none", "zstd"])
@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.slow
def test_other_processes_read_the_same(tmp_path, layout, method):
    path = repack(write_toy(tmp_path / "a.h5", train=500), tmp_path / "b.h5", layout)
    context = multiprocessing.get_context(method)
    with open_store(path) as store:
        split = store["train"]
        wanted = next(iter(split.batches(50, seed=0)))
        pipes = [context.Pipe() for _ in range(2)]
        children = [context.Process(target=in_child, args=(split, child)) for _, child in pipes]
        for child in children:
            child.start()
        for parent, _ in pipes:
            dense, labels = parent.recv()
            np.testing.assert_array_equal(dense, wanted.rows.to_dense())
            np.testing.assert_array_equal(labels, wanted.labels)
        for child in children:
            child.join()
            assert child.exitcode == 0
        again = next(iter(split.batches(50, seed=0)))
        np.testing.assert_array_equal(again.labels, wanted.labels)


def test_pickling(tmp_path, monkeypatch):
    path = write_toy(tmp_path / "a.h5", train=500)
    monkeypatch.chdir(tmp_path)
    with open_store("a.h5", verify=False) as store:
        data = pickle.dumps(store["train"])
        monkeypatch.chdir("/")
        split = pickle.loads(data)
        assert (split.where, split._file.verify) == (f"{path}: split 'train'", False)
        np.testing.assert_array_equal(split.read_labels(0, 500), store["train"].read_labels(0, 500))
        split._file.close()


def test_another_file_is_not_taken_for_the_one_that_was_pickled(tmp_path):
    def convert(rows, name):
        source = write_rows(tmp_path / "train.csv", rows)
        ooc_train.convert(source, tmp_path / name, features="ngram", force=True)
        return tmp_path / name

    path = convert(random_rows(40), "a.h5")
    with open_store(path) as store:
        pickled = [
            pickle.dumps(each) for each in (store, store["train"], load_vectorizer(store.handle))
        ]
    for each in pickled:
        getattr(pickle.loads(each), "close", lambda: None)()
    convert(random_rows(41), "b.h5").replace(path)
    vectorizer._reopened.cache_clear()  # as another process
    for each in pickled:
        with pytest.raises(InputError, match=r"a\.h5 was replaced while it was read; start again"):
            pickle.loads(each)


@pytest.mark.parametrize("layout", ["none", "lz4", "zstd"])
def test_threads_read_the_same(tmp_path, layout):
    path = write_toy(tmp_path / "a.h5", toy=Toy(mean_entries=30), train=3000)
    with open_store(repack(path, tmp_path / "b.h5", layout)) as store:
        split = store["train"]
        wanted = split.read(0, 3000).to_dense()

        def read(start):
            return split.read(start, start + 100).to_dense()

        with ThreadPoolExecutor(8) as pool:
            parts = pool.map(read, [*range(0, 3000, 100)] * 5)
            np.testing.assert_array_equal(np.concatenate(list(parts)), np.tile(wanted, (5, 1)))


def test_after_closing(tmp_path):
    with open_store(write_toy(tmp_path / "a.h5", train=5)) as store:
        pass
    with pytest.raises(ValueError, match="the file is closed; read inside its with block"):
        store["train"].read(0, 5)


def test_no_decompressor_is_loaded_for_what_is_not_compressed(tmp_path):
    code = """
import sys, ooc_train
list(ooc_train.open(sys.argv[1])["train"].batches(2))
assert not {"hdf5plugin", "zstandard", "lz4"} & set(sys.modules)
"""
    path = write_toy(tmp_path / "a.h5", train=5)
    subprocess.run([sys.executable, "-c", code, path], check=True)


def test_a_disk_error_is_no_traceback(tmp_path, monkeypatch):
    with open_store(write_toy(tmp_path / "a.h5", train=5)) as store:

        def fail(*args):
            raise OSError(5, "Input/output error")

        monkeypatch.setattr("os.preadv", fail)
        with pytest.raises(InputError, match="split 'train': train/indptr cannot be read: .*Input"):
            store["train"].read(0, 5)


@pytest.mark.slow
def test_a_conversion_with_compression(tmp_path, capsys):
    write_rows(tmp_path / "rows.csv", random_rows(300))
    for layout in ("none", "zstd"):
        command = [tmp_path / "rows.csv", "-o", tmp_path / f"{layout}.h5", "--features", "sequence"]
        report = tmp_path / f"{layout}.json"
        more = ["--compression", layout, "--report", report]
        assert convert_main([str(part) for part in command + more]) == 0
    reports = [json.loads((tmp_path / f"{name}.json").read_text()) for name in ("none", "zstd")]
    assert [report["compression"] for report in reports] == ["none", "zstd"]
    assert reports[0]["saved_bytes"] == 0
    assert reports[1]["saved_bytes"] > 1000
    assert f"zstd saved {reports[1]['saved_bytes'] / 1e6:,.0f} MB" in capsys.readouterr().out
    with open_store(tmp_path / "none.h5") as plain, open_store(tmp_path / "zstd.h5") as packed:
        for split in plain:
            one, other = plain[split].read(0, len(plain[split])), packed[split]
            np.testing.assert_array_equal(one.to_dense(), other.read(0, len(other)).to_dense())
        assert isinstance(packed["train"].arrays["tokens"], ChunkedArray)


@pytest.mark.parametrize("verify", [True, False])
@pytest.mark.parametrize("make", [write_toy, write_dense, write_sequences])
def test_what_a_window_holds_is_expected_before_it_is_read(tmp_path, monkeypatch, make, verify):
    """So that a disk can fetch it while the rows of the window before are used."""
    monkeypatch.setattr("ooc_train.reading.batches.slice_rows_for", lambda row_bytes: 3)
    monkeypatch.setattr("ooc_train.reading.splits.KERNEL_ENTRIES", 0)
    expected, n_read, original, fetch = set(), [], Handle.read_into, FileMap.fetch
    with open_store(make(tmp_path / "a.h5", train=1000), verify=verify) as store:
        train = store["train"]
        for array in train.arrays.values():
            array._checked[:] = bytes(array.n_blocks)  # of what was read to open it
        spans = [(a._offset, a._offset + len(a) * a.row_bytes) for a in train.arrays.values()]

        def expect(_, position, n_bytes):
            expected.update(range(position, position + n_bytes))

        def read_into(handle, target, position):
            if len(target) > 8:  # offsets are looked up one by one, to know what to expect
                assert any(start <= position < stop for start, stop in spans)
                assert expected.issuperset(range(position, position + len(target)))
                n_read.append(len(target))
            return original(handle, target, position)

        def fetched(mapped, start, stop):
            assert expected.issuperset(range(mapped._position + start, mapped._position + stop))
            n_read.append(stop - start)
            return fetch(mapped, start, stop)

        monkeypatch.setattr(FileMap, "fetch", fetched)
        monkeypatch.setattr(Handle, "expect", expect)
        monkeypatch.setattr(Handle, "read_into", read_into)
        assert sum(len(rows) for rows, _ in train.batches(16, seed=0)) == 1000
    assert len(n_read) > (10 if verify else 300)


def test_expecting_harms_nothing(tmp_path, monkeypatch):
    """Neither on a system that cannot, nor where a damaged file says nonsense."""
    path = write_toy(tmp_path / "a.h5", train=100)
    with open_store(path) as store:
        wanted = [batch.rows.to_dense() for batch in store["train"].batches(16, seed=0)]
        array = store["train"].arrays["values"]
        for start, stop in [(-5, 3), (7, 2), (90, 10**15), (-(2**60), 2**60), (10**15, 10**16)]:
            array.expect(start, stop)
        monkeypatch.setattr("ooc_train.file.handle._WILL_NEED", None)
        found = [batch.rows.to_dense() for batch in store["train"].batches(16, seed=0)]
    np.testing.assert_array_equal(np.concatenate(found), np.concatenate(wanted))


@pytest.mark.parametrize("make", [write_toy, write_dense, write_sequences])
def test_a_file_that_is_cut_short_is_said_to_be_damaged(tmp_path, monkeypatch, make):
    """By what reads a window, not by what only asks the disk for it."""
    monkeypatch.setattr("ooc_train.reading.batches.slice_rows_for", lambda row_bytes: 3)
    path = make(tmp_path / "a.h5", train=1000)
    with open_store(path) as store:
        batches = iter(store["train"].batches(16, seed=0))
        next(batches)
        os.truncate(path, 3000)
        with pytest.raises(FormatError, match=r"split 'train' is damaged: .*convert the source"):
            list(batches)
