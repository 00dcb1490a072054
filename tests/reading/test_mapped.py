"""Rows taken from a memory map: the same as those read to memory, and errors instead of signals."""

import contextlib
import itertools
import os
import re
import subprocess
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import ooc_train
from benchmarks.faults import disks
from benchmarks.measure import page_cache
from ooc_train.errors import FormatError, InputError
from ooc_train.file import mapping
from ooc_train.file.layouts import FlatArray
from ooc_train.reading import windows
from ooc_train.reading.store import open as open_store
from tests.files import (
    SequenceToy,
    Toy,
    repack,
    write_dense,
    write_sequences,
    write_toy,
)

N_ROWS, N_LARGE = 1000, 120_000
KINDS = {
    "sparse": lambda path: write_toy(path, toy=Toy(mean_entries=9), train=N_ROWS),
    "ragged": lambda path: write_sequences(path, toy=SequenceToy(longest=30), train=N_ROWS),
    "dense": lambda path: write_dense(path, n_columns=20, train=N_ROWS),
    "int8": lambda path: write_dense(path, dtype="int8", n_columns=20, train=N_ROWS),
    "float16": lambda path: write_dense(path, dtype="float16", n_columns=20, train=N_ROWS),
}

can_map = pytest.mark.skipif(
    not mapping._can_populate(), reason="the kernel has no MADV_POPULATE_READ (Linux 5.14)"
)


@pytest.fixture(autouse=True)
def small_windows(monkeypatch):
    """Windows of 192 rows, mapped however few entries there are."""
    monkeypatch.setattr("ooc_train.reading.batches.slice_rows_for", lambda row_bytes: 3)
    monkeypatch.setattr("ooc_train.reading.splits.KERNEL_ENTRIES", 0)


@pytest.fixture
def n_mapped(monkeypatch):
    """The windows that were mapped, and are not released."""
    counts = {"mapped": 0, "held": 0}
    release = windows.MappedPlaces.release

    class Counted(windows.MappedPlaces):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            counts["mapped"] += 1
            counts["held"] += 1

        def release(self):
            counts["held"] -= 1
            release(self)

    monkeypatch.setattr("ooc_train.reading.split.MappedPlaces", Counted)
    return counts


def content(batch):
    rows, labels = batch
    parts = [getattr(rows, name, np.empty(0)) for name in ("indptr", "indices", "tokens", "values")]
    return [(each.dtype, each.tobytes()) for each in [*parts, labels]]


def contents(path, read, *, verify=True):
    with open_store(path, verify=verify) as store:
        return [content(batch) for batch in read(store["train"])]


READS = {
    "seed": lambda split: split.batches(50, seed=3, epoch=1),
    "by length": lambda split: split.batches(32, seed=3, by_length=True),
    "a share": lambda split: split.batches(16, seed=1).from_step(5, every=3),
    "large batches": lambda split: split.batches(700, seed=1),
    "tiny batches": lambda split: split.batches(1, seed=1),
}


@can_map
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("read", READS)
def test_the_same_bits_as_without_a_map(tmp_path, monkeypatch, n_mapped, kind, read):
    path = KINDS[kind](tmp_path / "a.h5")
    mapped = contents(path, READS[read])
    assert n_mapped["mapped"] >= 5
    assert n_mapped["held"] == 0
    assert contents(path, READS[read], verify=False) == mapped
    n_mapped["mapped"] = 0
    monkeypatch.setattr(mapping, "_can_populate", lambda: False)
    assert contents(path, READS[read]) == mapped
    assert n_mapped["mapped"] == 0


UNMAPPED = {
    "an old kernel": lambda patch, path: patch.setattr(mapping, "_can_populate", lambda: False),
    "a network": lambda patch, path: patch.setattr(mapping, "_is_of_network", lambda file: True),
    "compressed": lambda patch, path: repack(path, path.with_name("b.h5"), "lz4").replace(path),
    "many small slices": lambda patch, path: patch.setattr(
        "ooc_train.reading.splits.WINDOW_SLICES", 20
    ),
    "no memory for a map": lambda patch, path: patch.setattr("mmap.mmap", refuse),
}


def refuse(*arguments, **named):
    raise OSError(12, "Cannot allocate memory")


@pytest.mark.parametrize("kind", ["sparse", "dense"])
@pytest.mark.parametrize("why", UNMAPPED)
def test_where_rows_are_not_mapped(tmp_path, monkeypatch, n_mapped, kind, why):
    path = KINDS[kind](tmp_path / "a.h5")
    wanted = contents(path, READS["seed"])
    n_mapped["mapped"] = 0
    UNMAPPED[why](monkeypatch, path)
    assert contents(path, READS["seed"]) == wanted
    assert n_mapped["mapped"] <= 1  # the last window may be of fewer slices


def test_the_kernel_is_not_loaded_for_few_rows(tmp_path, monkeypatch, n_mapped):
    monkeypatch.setattr("ooc_train.reading.splits.KERNEL_ENTRIES", 10**6)
    contents(KINDS["sparse"](tmp_path / "a.h5"), READS["seed"])
    assert n_mapped["mapped"] == 0


def test_file_systems_of_networks(tmp_path, monkeypatch):
    """By the numbers of statfs(2): this one is local, a made-up one is not."""
    with (tmp_path / "a").open("wb") as file:
        assert not mapping._is_of_network(file.fileno())
        libc = mapping._libc()

        class Nfs:
            @staticmethod
            def fstatfs(descriptor, found):
                found[:8] = (0x6969).to_bytes(8, sys.byteorder)
                return 0

        monkeypatch.setattr(mapping, "_libc", lambda: Nfs)
        assert mapping._is_of_network(file.fileno())
        monkeypatch.setattr(mapping, "_libc", lambda: libc)
        assert mapping._is_of_network(-1)  # better not, where the system does not tell


@can_map
@pytest.mark.parametrize("kind", ["sparse", "ragged", "dense"])
def test_each_block_is_checked_once_and_damage_is_named(tmp_path, monkeypatch, kind):
    path = KINDS[kind](tmp_path / "a.h5")
    name = {"sparse": "values", "ragged": "tokens", "dense": "features"}[kind]
    checked, original = [], FlatArray._check

    def check(array, first, rows):
        checked.extend((array.name, first + k) for k in range(-(-len(rows) // array.block_length)))
        original(array, first, rows)

    monkeypatch.setattr("ooc_train.file.arrays.BlockArray._check", check)
    with open_store(path) as store:
        array = store["train"].arrays[name]
        place = array._offset + array.row_bytes * (len(array) // 2)
        list(store["train"].batches(50, seed=0))
        list(store["train"].batches(50, seed=1))
    mapped = [each for each in checked if each[0] == array.name]
    assert len(mapped) == len(set(mapped)) == array.n_blocks
    with path.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ 1]))
    with (
        open_store(path) as store,
        pytest.raises(FormatError, match=r"split 'train' is damaged: the checksum differs in array "
                      rf"'train/{name}', rows \d+ to \d+"),
    ):  # fmt: skip
        list(store["train"].batches(50, seed=0))


@can_map
def test_threads_read_the_same_windows(tmp_path):
    """Each lets go of pages that another one uses, and checks what another one checks."""
    path = KINDS["sparse"](tmp_path / "a.h5")
    wanted = contents(path, READS["seed"])
    with open_store(path) as store, ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda _: [*map(content, READS["seed"](store["train"]))], range(12))
        assert all(each == wanted for each in found)


@can_map
@pytest.mark.parametrize("n_rows", [40_000, 40_001, 40_002])
def test_no_more_is_copied_than_a_batch_has(tmp_path, n_rows):
    """Wherever the rows lie: NumPy would copy all numbers that are not at a multiple of 4."""
    path = write_dense(tmp_path / "a.h5", n_columns=50, train=n_rows)
    with open_store(path) as store:
        split = store["train"]
        next(iter(split.batches(16, seed=0)))
        tracemalloc.start()
        try:
            list(itertools.islice(split.batches(16, seed=1), 100))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 3e6 < n_rows * 50 * 4


@can_map
def test_pages_are_fetched_again_for_those_who_take_their_time(tmp_path, monkeypatch):
    """The kernel may have dropped them, and the disk may have failed by then."""
    monkeypatch.setattr("ooc_train.reading.batches.TAKE_BYTES", 0)  # each batch by itself
    path, now = KINDS["dense"](tmp_path / "a.h5"), [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    fetched, original = [], FlatArray.fetch
    monkeypatch.setattr(
        FlatArray, "fetch", lambda *place: fetched.append(place[1:]) or original(*place)
    )
    with open_store(path) as store:
        batches = iter(store["train"].batches(8, seed=0))
        next(batches)
        first = [*fetched]
        next(batches)
        assert fetched == first
        now[0] += 0.2
        next(batches)
        assert fetched == first + first


LARGE = {
    "dense": (write_dense, lambda patch, path: None),
    "dense, not mapped": (write_dense, UNMAPPED["an old kernel"]),
    "dense, compressed": (write_dense, UNMAPPED["compressed"]),
    "sparse": (write_toy, lambda patch, path: None),
}


@pytest.mark.parametrize(("write", "change"), LARGE.values(), ids=LARGE)
def test_used_pages_of_a_file_too_large_for_the_cache_are_dropped(
    tmp_path, monkeypatch, write, change
):
    """So that the kernel need not choose between these and those prefetched for the next window."""
    monkeypatch.setattr("ooc_train.reading.batches.slice_rows_for", lambda row_bytes: 5000)
    path = write(tmp_path / "a.h5", train=N_LARGE)
    change(monkeypatch, path)

    def read(available_bytes):
        if page_cache.drop(path) != page_cache.COLD:
            pytest.skip("the page cache cannot be dropped here")
        monkeypatch.setattr("ooc_train.file.handle.available_bytes", lambda: available_bytes)
        return contents(path, READS["seed"]), page_cache.cached_share(path)

    kept, share_kept = read(path.stat().st_size)
    dropped, share_dropped = read(path.stat().st_size - 1)
    assert kept == dropped
    assert share_kept > 0.9
    assert share_dropped < 0.5  # what slices share, pages and whole blocks, may stay


@can_map
@pytest.mark.parametrize("at_once", [0, 2**27])
def test_with_used_rows_go_the_blocks_that_were_read_to_check_them(tmp_path, monkeypatch, at_once):
    """Or they would fill the cache, window by window.  Mapped pages would stay."""
    monkeypatch.setattr(mapping, "_RELEASED_BYTES", at_once)
    path = write_dense(tmp_path / "a.h5", train=N_LARGE)
    with open_store(path) as store:
        array = store["train"].arrays["features"]
        if page_cache.drop(path) != page_cache.COLD:
            pytest.skip("the page cache cannot be dropped here")
        before, start = page_cache.cached_share(path), array.block_length // 2
        rows = start, start + 3 * array.block_length
        array.fetch(*rows)
        array.release([rows])
        assert page_cache.cached_share(path) > before
        array.forget(*rows)
        assert page_cache.cached_share(path) == before


@pytest.mark.parametrize("cache_bytes", [10**9, 1000])
def test_a_window_is_prefetched_where_there_is_memory_for_two(tmp_path, monkeypatch, cache_bytes):
    """Or each is requested when its turn comes, and what comes is the same."""
    path, events = KINDS["dense"](tmp_path / "a.h5"), []
    wanted = contents(path, READS["seed"])
    for module in ("file.handle", "reading.split"):
        monkeypatch.setattr(f"ooc_train.{module}.available_bytes", lambda: cache_bytes)
    # But not again when its turn comes.
    monkeypatch.setattr("ooc_train.reading.paging.PREFETCHED_SECONDS", 10**9)
    with open_store(path) as store:
        split = store["train"]
        for name in ("expecting", "window"):
            called = getattr(split, name)

            def noted(*arguments, name=name, called=called):
                events.append((name, tuple(arguments[0])))
                return called(*arguments)

            monkeypatch.setattr(split, name, noted)
        found = []
        for batch in READS["seed"](split):
            found.append(content(batch))
            events.append(("batch", ()))
    assert found == wanted
    turns = [event for event in events if event[0] != "batch"]
    windows = [slices for name, slices in turns if name == "window"]
    assert len(windows) >= 5
    assert turns == [(name, one) for one in windows for name in ("expecting", "window")]
    names = "".join(name[0] for name, _ in events)
    assert names.count("ewb") == (0 if cache_bytes > 1000 else len(windows))


CHILD = """
import json, sys
from ooc_train.errors import FormatError, InputError
from ooc_train.file import mapping
from ooc_train.reading import batches, splits
from ooc_train.reading.store import open as open_store
splits.KERNEL_ENTRIES = 0
batches.slice_rows_for = lambda row_bytes: 3
for path in sys.argv[1:]:
    with open_store(path) as store:
        rows = iter(store["train"].batches(64, seed=0))
        next(rows)
        print("read", flush=True)
        sys.stdin.readline()
        try:
            n = sum(len(labels) for _, labels in rows)
            print(n, flush=True)
        except (FormatError, InputError) as error:
            print(type(error).__name__, error, flush=True)
        sys.stdin.readline()
        n = sum(len(labels) for _, labels in store["train"].batches(64, seed=0))
        print(n, flush=True)
"""


@contextlib.contextmanager
def reader(*paths):
    """A process that reads the files, since what goes wrong would end this one, and waits."""
    command = [sys.executable, "-c", CHILD, *map(str, paths)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:

        def tell():
            process.stdin.write("\n")
            line = process.stdout.readline()
            assert line, f"it ended with {process.wait()}"
            return line.strip()

        process.tell = tell
        yield process
    assert process.returncode == 0


@can_map
def test_a_file_that_is_cut_short_is_an_error_and_no_signal(tmp_path):
    """In the midst of a window, whose pages the kernel takes away."""
    wide = {"sparse": Toy(mean_entries=40), "ragged": SequenceToy(longest=99)}
    paths = {
        "sparse": write_toy(tmp_path / "sparse.h5", toy=wide["sparse"], train=3000),
        "ragged": write_sequences(tmp_path / "ragged.h5", toy=wide["ragged"], train=3000),
        "dense": write_dense(tmp_path / "dense.h5", n_columns=30, train=3000),
    }
    names = {"sparse": "(indices|values)", "ragged": "tokens", "dense": "features"}
    with reader(*paths.values()) as process:
        for kind, path in paths.items():
            whole = path.read_bytes()
            with open_store(path) as store:
                arrays = store["train"].arrays.values()
                middle = min(a._offset for a in arrays if len(a) > 3001 or a.row_bytes > 8)
            assert process.stdout.readline() == "read\n"
            os.truncate(path, middle + 9000)
            error = process.tell()
            assert error.startswith("FormatError")
            assert "split 'train' is damaged: the file is truncated in array 'train/" in error
            pattern = rf"{kind}\.h5: split 'train' is damaged: .*'train/{names[kind]}', rows \d+ to"
            assert_matches(pattern, error)
            with path.open("r+b") as file:
                file.write(whole)
            assert process.tell() == "3000"


def assert_matches(pattern, text):
    assert re.search(pattern, text), text


@can_map
@pytest.mark.skipif(
    disks.missing(disks.EXT4) is not None, reason="mounting an image of a disk needs root"
)
def test_a_disk_that_fails_is_an_error_and_no_signal(tmp_path):
    """Its image is cut short, so that what lies behind cannot be read."""
    image, folder = tmp_path / "image", tmp_path / "mounted"
    folder.mkdir()
    with disks.new(disks.EXT4, image, folder):
        path = write_dense(folder / "a.h5", n_columns=500, train=5000)
        with open_store(path) as store:
            first = store["train"].arrays["features"]._offset
        with reader(path) as process:
            assert process.stdout.readline() == "read\n"
            os.sync()
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), first, 10_000_000, os.POSIX_FADV_DONTNEED)
            whole = image.read_bytes()
            os.truncate(image, 6 * 2**20)
            error = process.tell()
            with image.open("r+b") as file:
                file.write(whole)
            assert_matches(
                r"^InputError .*a\.h5: split 'train': train/features cannot be read: Input/output "
                r"error, in rows \d+ to \d+; check the disk, or copy the file to another$",
                error,
            )
            assert process.tell() == "5000"


@can_map
def test_a_closed_file_gives_no_more_of_a_window(tmp_path, monkeypatch):
    monkeypatch.setattr("ooc_train.reading.batches.TAKE_BYTES", 0)  # each batch by itself
    with open_store(KINDS["dense"](tmp_path / "a.h5")) as store:
        batches = iter(store["train"].batches(8, seed=0))
        next(batches)
    with pytest.raises(ValueError, match="the file is closed; read inside its with block"):
        next(batches)


@can_map
def test_rows_that_end_with_the_file_are_told_from_the_zeros_behind(tmp_path):
    """The kernel fills the last page of a file that is cut within it."""
    path = write_dense(tmp_path / "a.h5", n_columns=20, train=N_ROWS)
    with open_store(path) as store:
        array = store["train"].arrays["features"]
        list(store["train"].batches(50, seed=0))
        end = array._offset + len(array) * array.row_bytes
        os.truncate(path, end - 1)
        with pytest.raises(FormatError, match="the file is truncated in array 'train/features'"):
            list(store["train"].batches(50, seed=0))


# ---- Views for loops of one's own.


@pytest.mark.parametrize("kind", KINDS)
def test_views_of_all_rows(tmp_path, kind):
    path = KINDS[kind](tmp_path / "a.h5")
    with ooc_train.open(path) as store:
        views = store["train"].mapped()
        whole, labels = store["train"].read(0, N_ROWS), store["train"].read_labels(0, N_ROWS)
        assert all(array.is_checked(0, len(array)) for array in store["train"].arrays.values())
        scales = store.group("vectorizer").scales() if kind == "int8" else 1
        with store.file as file:
            for name, view in views.items():
                np.testing.assert_array_equal(view, file[f"train/{name}"][...])
                assert view.dtype == file[f"train/{name}"].dtype
    # After closing, too.
    np.testing.assert_array_equal(views["labels"], labels)
    if "features" in views:
        np.testing.assert_array_equal(views["features"] * np.float32(scales), whole.to_dense())
    for view in views.values():
        assert not view.flags.owndata
        with pytest.raises(ValueError, match="read-only"):
            view[0] = 1


def test_views_are_checked_unless_the_file_was_opened_otherwise(tmp_path):
    path = KINDS["dense"](tmp_path / "a.h5")
    with open_store(path, verify=False) as store:
        place = store["train"].arrays["features"]._offset
    with path.open("r+b") as file:
        file.seek(place)
        file.write(b"damage")
    with open_store(path) as store, pytest.raises(FormatError, match="the checksum differs in arr"):
        store["train"].mapped()
    with open_store(path, verify=False) as store:
        assert store["train"].mapped()["features"].shape == (N_ROWS, 20)
    with pytest.raises(ValueError, match="the file is closed"):
        store["train"].mapped()


def test_no_views_of_compressed_rows(tmp_path):
    path = repack(KINDS["dense"](tmp_path / "a.h5"), tmp_path / "b.h5", "zstd")
    with open_store(path) as store, pytest.raises(InputError, match="cannot be mapped; use batche"):
        store["train"].mapped()


LEFT = """
import sys
from ooc_train.reading import splits
from ooc_train.reading.store import open as open_store
splits.KERNEL_ENTRIES = 0
streams = [open_store(path)["train"].stream(8) for path in sys.argv[1:]]
for stream in streams:
    next(stream)
"""


def test_a_stream_that_is_left_says_nothing_at_the_end(tmp_path):
    paths = [KINDS[kind](tmp_path / kind) for kind in ("sparse", "dense")]
    command = [sys.executable, "-X", "dev", "-c", LEFT, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
