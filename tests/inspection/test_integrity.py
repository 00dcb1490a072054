"""Whatever is not what was written is found: a flipped bit, a cut tail, a swapped block."""

import re

import h5py
import numpy as np
import pytest

from ooc_train.errors import FormatError, OocTrainError
from ooc_train.file.checksums import GROUP, is_sums, summary
from ooc_train.file.layouts import ChunkedArray, FlatArray, open_array
from ooc_train.file.objects import StoredGroup
from ooc_train.file.output import OutputFile
from ooc_train.file.structure import arrays_of, objects_of
from ooc_train.inspection import verify
from ooc_train.reading.store import open as open_store
from tests.files import SequenceToy, Toy, repack, write_dense, write_sequences, write_toy

KINDS = {
    "ngram": lambda path: write_toy(path, toy=Toy(), train=300, validation=20),
    "sequence": lambda path: write_sequences(path, toy=SequenceToy(), train=300, validation=20),
    "dense": lambda path: write_dense(path, train=300, validation=20),
}
BLOCK_ROWS = 65_536 // 4


@pytest.fixture(scope="module", params=KINDS)
def path(request, tmp_path_factory):
    return KINDS[request.param](tmp_path_factory.mktemp(request.param) / "rows.h5")


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """Rows of four numbers: three blocks and a bit in ``train/features``."""
    path = tmp_path_factory.mktemp("large") / "rows.h5"
    return write_dense(path, n_columns=4, train=14_000)


def offsets(path):
    """For the array at each path: where it lies in the file, and how many bytes."""
    found = {}

    def note(name, item):
        if isinstance(item, h5py.Dataset) and item.size:
            found[name] = item.id.get_offset(), item.size * item.dtype.itemsize

    with h5py.File(path) as file:
        file.visititems(note)
    return found


def flip(path, position, bit=0):
    content = bytearray(path.read_bytes())
    content[position] ^= 1 << bit
    path.write_bytes(content)


def copy(path, folder):
    target = folder / "copy.h5"
    target.write_bytes(path.read_bytes())
    return target


def is_found(path):
    """Whether anything is said to be wrong with a file."""
    try:
        return bool(verify.verify(path)["damaged"])
    except OocTrainError:
        return True


def test_a_whole_file_is_whole(path):
    report = verify.verify(path)
    with h5py.File(path) as file:
        sums = []
        file[GROUP].visititems(
            lambda _, item: sums.append(item.shape[0]) if isinstance(item, h5py.Dataset) else None
        )
    assert report["damaged"] == []
    assert (report["arrays"], report["blocks"]) == (len(sums), sum(sums))
    assert report["bytes"] == sum(
        size for name, (_, size) in offsets(path).items() if GROUP not in name
    )


def test_a_flipped_bit_in_any_array_is_found_and_named(path, tmp_path):
    random = np.random.default_rng(0)
    for name, (offset, size) in offsets(path).items():
        for place in {0, size - 1, int(random.integers(size))}:
            damaged = copy(path, tmp_path)
            flip(damaged, offset + place, int(random.integers(8)))
            # The ends of indptr are looked at when the file is opened: here its only block.
            if name.endswith("indptr") or name.startswith((GROUP, "classes")):
                with pytest.raises(FormatError, match=r"copy\.h5.* is damaged: .*convert the"):
                    verify.verify(damaged)
                continue
            (found,) = verify.verify(damaged)["damaged"]
            split, _, array = name.partition("/")
            assert (found["split"] or "vectorizer") == split
            assert found["array"] == (name if split == "vectorizer" else array)
            assert found["text"].endswith("the checksum differs")


def test_a_flipped_bit_in_the_names_and_attributes_is_found(path, tmp_path):
    """What is neither an array nor HDF5's own structure: the words of the header."""
    content = path.read_bytes()
    for word in (b"ooc-train", b"shuffled", b"provenance", b"labels", b"vectorizer", b"parameters"):
        damaged = copy(path, tmp_path)
        flip(damaged, content.index(word) + len(word) // 2)
        assert is_found(damaged), word


def all_of(path):
    """Every attribute and every number of a file, as the reader has them."""
    with open_store(path) as store:
        objects = objects_of(store.handle.root)
        arrays = [
            open_array(name, store.handle)
            for name in arrays_of(store.handle.root)
            if not is_sums(name)
        ]
        attributes = {
            name: dict(item.attributes)
            for name, item in objects.items()
            if isinstance(item, StoredGroup)
        }
        return attributes, {each.name: each.read(0, len(each)).tobytes() for each in arrays}


@pytest.mark.slow
def test_a_flipped_bit_in_hdf5s_own_structures_is_found_or_does_nothing(path, tmp_path):
    """Most of these bytes are room that HDF5 left unused."""
    content, random = all_of(path), np.random.default_rng(0)
    spans = offsets(path).values()
    places = [
        place
        for place in range(path.stat().st_size)
        if not any(start <= place < start + size for start, size in spans)
    ]
    n_found = 0
    for place in random.choice(places, 200).tolist():
        damaged = copy(path, tmp_path)
        flip(damaged, place, int(random.integers(8)))
        if is_found(damaged):
            n_found += 1
        else:
            assert all_of(damaged) == content
    assert n_found > 10


@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.99])
def test_a_cut_tail_is_found(path, tmp_path, share):
    damaged = copy(path, tmp_path)
    content = damaged.read_bytes()
    damaged.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(FormatError, match=r"copy\.h5 is (damaged: it is truncated|not an HDF5)"):
        open_store(damaged)


@pytest.mark.parametrize("layout", ["none", "zstd"])
def test_swapped_blocks_are_found(large, tmp_path, layout):
    damaged = repack(large, tmp_path / "copy.h5", layout)
    with h5py.File(damaged, "r+") as file:
        features = file["train/features"]
        n = 65_536 // 16
        if layout == "none":
            first, second = features[:n], features[n : 2 * n]
            features[:n], features[n : 2 * n] = second, first
        else:
            chunks = [features.id.read_direct_chunk((i * n, 0))[1] for i in (0, 1)]
            for i, chunk in enumerate(reversed(chunks)):
                features.id.write_direct_chunk((i * n, 0), chunk)
    (found,) = verify.verify(damaged)["damaged"]
    assert (found["split"], found["array"]) == ("train", "features")
    assert (found["first_row"], found["last_row"]) == (0, 2 * n - 1)


@pytest.mark.parametrize("layout", ["none", "lz4", "zstd"])
@pytest.mark.parametrize("seed", [None, 0])
def test_reading_finds_it_the_first_time(large, tmp_path, layout, seed):
    """Also in rows that belong to no slice of the block's first reader; and it says where."""
    path = repack(large, tmp_path / "copy.h5", layout)
    with h5py.File(path) as file:
        features = file["train/features"]
        if layout == "none":
            position = features.id.get_offset() + 10_000 * 16 + 3
        else:
            info = features.id.get_chunk_info(2)
            position = info.byte_offset + info.size // 2
    flip(path, position)
    with open_store(path) as store:
        kinds = {type(array) for array in store["train"].arrays.values()}
        assert kinds == {FlatArray if layout == "none" else ChunkedArray}
        message = r"split 'train' is damaged: .* in array 'train/features', rows 8192 to 12287"
        with pytest.raises(FormatError, match=message):
            list(store["train"].batches(64, seed=seed))
    if layout == "none":
        with open_store(path, verify=False) as store:
            assert len(list(store["train"].batches(64, seed=seed))) == len(
                store["train"].batches(64, seed=seed)
            )


def test_a_block_is_checked_once(large, monkeypatch):
    calls = []
    original = verify.BlockArray._check
    monkeypatch.setattr(
        "ooc_train.file.arrays.BlockArray._check",
        lambda *args: calls.append(args[1]) or original(*args),
    )
    with open_store(large) as store:
        calls.clear()
        split = store["train"]
        for epoch in range(3):
            list(split.batches(64, seed=0, epoch=epoch))
        n_blocks = sum(array.n_blocks for array in split.arrays.values())
        assert len(calls) == n_blocks


def test_missing_checksums_are_an_error(path, tmp_path):
    damaged = copy(path, tmp_path)
    with h5py.File(damaged, "r+") as file:
        del file[f"{GROUP}/train/labels"]
        file[GROUP].attrs["summary"] = summary(file)
    for checks in (True, False):
        with pytest.raises(FormatError, match="the checksums of train/labels are missing"):
            open_store(damaged, verify=checks)


def test_the_text_of_a_damage():
    damage = verify.Damage("train", "values", 1000, 2999, "the checksum differs")
    assert re.fullmatch(
        "split 'train', array 'values', rows 1,000 to 2,999: the checksum differs", str(damage)
    )


def test_only_arrays_whose_checksums_were_computed_from_memory_are_sealed(tmp_path):
    header = {"features": "dense", "producer": "tests", "provenance": {}}
    with OutputFile(tmp_path / "rows.h5") as output:
        output.group("vectorizer").array("scales", np.ones(3, np.float32))
        output.hdf5["vectorizer/written_past_it"] = np.ones(3)
        with pytest.raises(KeyError, match="vectorizer/written_past_it"):
            output.finish(header)
