"""An index is read as the one file that its shards were cut from, bit for bit."""

import itertools
import json
import os
import pickle
import re

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ooc_train
from ooc_train.errors import FormatError, InputError
from ooc_train.file import index as index_file
from ooc_train.file import mapping
from ooc_train.file.handle import Handle
from ooc_train.file.layouts import FlatArray
from ooc_train.inspection.describe import inspect
from ooc_train.inspection.verify import verify
from ooc_train.reading import windows
from tests.files import (
    SequenceToy,
    Toy,
    cut,
    reseal,
    write_dense,
    write_index,
    write_sequences,
    write_toy,
)

N_TRAIN, N_TEST = 400, 37
KINDS = {
    "sparse": lambda path, **n: write_toy(path, toy=Toy(mean_entries=9), **n),
    "ragged": lambda path, **n: write_sequences(path, toy=SequenceToy(longest=30), **n),
    "dense": lambda path, **n: write_dense(path, n_columns=20, **n),
    "int8": lambda path, **n: write_dense(path, dtype="int8", n_columns=20, **n),
    "float16": lambda path, **n: write_dense(path, dtype="float16", n_columns=20, **n),
}


@pytest.fixture(autouse=True)
def small_windows(monkeypatch):
    """Windows of 192 rows, mapped however few entries there are."""
    monkeypatch.setattr("ooc_train.reading.batches.slice_rows_for", lambda row_bytes: 3)
    monkeypatch.setattr("ooc_train.reading.splits.KERNEL_ENTRIES", 0)


@pytest.fixture(scope="module", params=KINDS)
def whole(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / f"{request.param}.h5"
    return KINDS[request.param](path, train=N_TRAIN, test=N_TEST)


def content(batch):
    rows, labels = batch
    parts = [getattr(rows, name, np.empty(0)) for name in ("indptr", "indices", "tokens", "values")]
    return [(each.dtype, each.tobytes()) for each in [*parts, labels]]


def contents(path, *, verify=True):
    """All batches of all splits, in the file's order, in a random one, and by length."""
    with ooc_train.open(path, verify=verify) as store:
        readings = [
            split.batches(size, seed=seed, epoch=2, by_length=by_length)
            for split in store.splits.values()
            for size, seed, by_length in [(50, None, False), (32, 3, False), (16, 3, True)]
        ]
        return [content(batch) for batch in itertools.chain(*readings)]


def some_bounds(n_rows, n_shards):
    inner = st.integers(0, n_rows)
    return st.lists(inner, min_size=n_shards - 1, max_size=n_shards - 1).map(sorted)


@pytest.mark.slow
@settings(max_examples=8)
@given(data=st.data())
def test_any_cut_is_read_like_the_whole(whole, data):
    n_shards = data.draw(st.integers(1, 5))
    bounds = {
        "train": data.draw(some_bounds(N_TRAIN, n_shards)),
        "test": data.draw(some_bounds(N_TEST, n_shards)),
    }
    compression = data.draw(st.sampled_from(["none", "none", "lz4"]))
    index = cut(whole, bounds, compression)
    assert contents(index) == contents(whole)
    with ooc_train.open(whole) as one, ooc_train.open(index) as many:
        for name, split in one.splits.items():
            other = many[name]
            assert other.row_bytes == split.row_bytes
            assert other.n_entries == split.n_entries
            assert other.class_counts().tolist() == split.class_counts().tolist()
            start = data.draw(st.integers(0, len(split)))
            stop = data.draw(st.integers(start, len(split)))
            assert (other.read(start, stop).to_dense() == split.read(start, stop).to_dense()).all()
            assert (other.read_labels(start, stop) == split.read_labels(start, stop)).all()


def test_without_a_map_too(whole, monkeypatch):
    index = cut(whole, {"train": [7, 7, 300], "test": [0, 20, 37]})
    mapped = contents(index)
    monkeypatch.setattr(mapping, "_can_populate", lambda: False)
    assert contents(index) == mapped == contents(whole)


@pytest.mark.skipif(not mapping._can_populate(), reason="the kernel has no MADV_POPULATE_READ")
def test_rows_of_shards_are_mapped(whole, monkeypatch):
    index, mapped = cut(whole, {"train": [150, 290], "test": [5, 9]}), []
    original = windows.MappedPlaces.__init__
    monkeypatch.setattr(
        windows.MappedPlaces, "__init__", lambda *given: mapped.append(1) or original(*given)
    )
    contents(index)
    assert mapped


@pytest.mark.parametrize("is_too_large", [False, True])
def test_used_pages_are_dropped_where_all_shards_do_not_fit(whole, monkeypatch, is_too_large):
    index, dropped = cut(whole, {"train": [200], "test": [10]}), set()
    with ooc_train.open(index) as store:
        room = sum(handle.n_bytes for handle in store.shards) - is_too_large
        monkeypatch.setattr("ooc_train.file.shards.available_bytes", lambda: room)
        monkeypatch.setattr(Handle, "forget", lambda self, *_: dropped.add(self.path.name))
        for _ in store["train"].batches(32, seed=1):
            pass
        names = {handle.path.name for handle in store.shards}
    assert dropped == (names if is_too_large else set())


def test_each_block_is_checked_once(whole, monkeypatch):
    index, checked = cut(whole, {"train": [200], "test": [10]}), []
    original = FlatArray._check

    def check(array, first, rows):
        if array.name.startswith("train/"):
            blocks = range(first, first - (-len(rows) // array.block_length))
            checked.extend((array.handle.path, array.name, block) for block in blocks)
        original(array, first, rows)

    monkeypatch.setattr("ooc_train.file.arrays.BlockArray._check", check)
    with ooc_train.open(index) as store:
        for epoch in range(2):
            for _ in store["train"].batches(32, seed=1, epoch=epoch):
                pass
    assert len(set(checked)) == len(checked) > 0


def test_pickled_and_refused_when_replaced(whole):
    index = cut(whole, {"train": [100], "test": [10]})
    with ooc_train.open(index) as store:
        split = pickle.loads(pickle.dumps(store["train"]))
        again = pickle.loads(pickle.dumps(store))
        assert content(split.read_slices([(90, 120)])) == content(
            store["train"].read_slices([(90, 120)])
        )
        assert again.fingerprint == store.fingerprint
        pickled = pickle.dumps(store["train"])
        with pytest.raises(InputError, match="several files, which cannot be mapped as one"):
            store["train"].mapped()
        with pytest.raises(IndexError):
            store["train"].read(0, N_TRAIN + 1)
    with pytest.raises(ValueError, match="is closed"):
        store["train"].read(0, 1)
    cut(whole, {"train": [101], "test": [10]})
    with pytest.raises(InputError, match="was replaced while it was read"):
        pickle.loads(pickled)


def test_an_index_behind_a_link(whole, tmp_path):
    index = cut(whole, {"train": [100], "test": [10]})
    (tmp_path / "link.json").symlink_to(index)
    assert contents(tmp_path / "link.json") == contents(index)
    for shard in json.loads(index.read_text())["shards"]:  # as some keep data: each file a link
        (tmp_path / shard["file"]).symlink_to(index.with_name(shard["file"]))
    assert contents(tmp_path / "link.json") == contents(index)


def test_inspected_like_the_whole(tmp_path):
    whole = write_toy(tmp_path / "a.h5", train=N_TRAIN, validation=20, test=N_TEST)
    index = cut(whole, {"train": [100], "test": [0], "validation": [20]})
    one, many = inspect(whole), inspect(index)
    assert [shard["rows"] for shard in many["shards"]] == [
        {"train": 100, "validation": 20, "test": 0},
        {"train": N_TRAIN - 100, "validation": 0, "test": N_TEST},
    ]
    for name in ("splits", "classes", "features", "kept_terms", "vectorizer", "provenance"):
        assert many[name] == one[name]
    assert many["bytes"] == sum(
        path.stat().st_size for path in [index, tmp_path / "a-0.h5", tmp_path / "a-1.h5"]
    )


def damage(path, array):
    """Change the last number of an array, behind its checksum's back."""
    with h5py.File(path) as file:
        stored = file[array]
        position = stored.id.get_offset() + stored.size * stored.dtype.itemsize - 1
    with path.open("r+b") as file:
        file.seek(position)
        byte = file.read(1)[0]
        file.seek(position)
        file.write(bytes([byte ^ 1]))


def test_damage_is_named_with_its_shard(tmp_path):
    whole = write_dense(tmp_path / "a.h5", train=N_TRAIN)
    index = cut(whole, {"train": [100, 250]})
    damage(tmp_path / "a-1.h5", "train/features")
    report = verify(index)
    assert report["damaged"][0]["file"] == "a-1.h5"
    assert report["damaged"][0]["text"].startswith("shard a-1.h5: split 'train', array 'features'")
    message = "the checksum differs in shard a-1.h5 in array 'train/features', rows 100 to 249"
    with ooc_train.open(index) as store, pytest.raises(FormatError, match=message):
        store["train"].read(0, N_TRAIN)
    assert verify(cut(whole, {"train": [100, 250]}))["damaged"] == []


@pytest.mark.skipif(not mapping._can_populate(), reason="the kernel has no MADV_POPULATE_READ")
@pytest.mark.parametrize("kind", ["sparse", "dense"])
def test_a_shard_that_is_cut_short_is_named(tmp_path, kind):
    """In the midst of a window, before a batch is copied."""
    index = cut(KINDS[kind](tmp_path / "a.h5", train=N_TRAIN), {"train": [250]})
    with ooc_train.open(index) as store:
        batches = iter(store["train"].batches(16, seed=0))
        next(batches)
        os.truncate(tmp_path / "a-1.h5", 3000)
        with pytest.raises(FormatError, match="the file is truncated in shard a-1.h5 in array"):
            list(batches)


def broken(tmp_path, change):
    index = cut(write_toy(tmp_path / "a.h5", train=60, test=9), {"train": [20], "test": [3]})
    change(index)
    return index


def rewrite(index, change, *, sealed=True):
    content = json.loads(index.read_text())
    change(content)
    if sealed:
        content["fingerprint"] = index_file.fingerprint_of(content)
    index.write_text(json.dumps(content))


def set_in(shard, name, value):
    return lambda index: rewrite(index, lambda it: it["shards"][shard].__setitem__(name, value))


def other_conversion(index):
    write_toy(index.with_name("a-1.h5"), seed=5, train=40, test=6)


def other_vectorizer(index):
    other = write_toy(index.with_name("b.h5"), toy=Toy(n_columns=61), train=9)
    write_index(index, [index.with_name("a-0.h5"), other])


def other_order(index):
    other = index.with_name("a-1.h5")
    with h5py.File(other, "r+") as file:
        file.attrs["order"] = "source"
        reseal(file)
    write_index(index, [index.with_name("a-0.h5"), other])


FAULTS = {
    "a shard is missing": (
        lambda index: index.with_name("a-1.h5").unlink(),
        InputError,
        "names the shard a-1.h5, which is missing",
    ),
    "a shard of another conversion": (other_conversion, InputError, "a-1.h5 is not the one"),
    "a shard with another vectorizer": (other_vectorizer, InputError, "b.h5 is not the one"),
    "a shard in another order": (other_order, FormatError, "a-1.h5 of .* has other features"),
    "shards exchanged": (
        lambda index: rewrite(index, lambda it: it["shards"].reverse(), sealed=False),
        FormatError,
        "it is not what was written",
    ),
    "a folder in a name": (set_in(0, "file", "../a-0.h5"), FormatError, "is no file's name"),
    "a name with NUL": (set_in(0, "file", "a\0"), FormatError, "is no file's name"),
    "a name that is a number": (set_in(0, "file", 7), FormatError, "is no file's name"),
    "the same shard twice": (set_in(0, "file", "a-1.h5"), FormatError, "the same file"),
    "negative rows": (set_in(0, "rows", {"train": -1}), FormatError, "numbers that are none"),
    "rows that are true": (set_in(0, "rows", {"train": True}), FormatError, "that are none"),
    "other rows": (set_in(0, "rows", {"train": 21, "test": 3}), InputError, "a-0.h5 is not"),
    "rows as a list": (set_in(0, "rows", [1]), FormatError, "is damaged"),
    "an unknown split": (set_in(0, "rows", {"train": 1, "dev": 2}), FormatError, "other splits"),
    "no train rows": (set_in(0, "rows", {"test": 2}), FormatError, "other splits"),
    "an unknown field": (set_in(0, "color", "red"), FormatError, "is damaged"),
    "a fingerprint that is none": (set_in(0, "fingerprint", "x"), FormatError, "fingerprint of"),
    "no shards": (
        lambda index: rewrite(index, lambda it: it["shards"].clear()),
        FormatError,
        "there are none",
    ),
    "a newer version": (
        lambda index: rewrite(index, lambda it: it.update(format_version=2)),
        FormatError,
        "version 2, and this ooc-train reads 1",
    ),
    "other JSON": (lambda index: index.write_text('{"a": 1}'), FormatError, "not an HDF5 file"),
    "another format": (
        lambda index: index.write_text('{"by": "ooc-train index", "format": "x"}'),
        FormatError,
        "no index of shards",
    ),
    "half of it": (
        lambda index: index.write_text(index.read_text()[:-40]),
        FormatError,
        "is damaged: it is no JSON object",
    ),
    "deeply nested": (
        lambda index: index.write_text('{"format": "ooc-train index", "a":' + '{"a":' * 10**5),
        FormatError,
        "is damaged: it is no JSON object",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_index_is_refused(tmp_path, fault):
    change, kind, message = FAULTS[fault]
    index = broken(tmp_path, change)
    with pytest.raises(kind, match=message) as raised:
        ooc_train.open(index)
    assert re.search(r"a\.json|a-1\.h5", str(raised.value))
