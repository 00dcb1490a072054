"""A converted file at a URL is read, trained on and described as the same file here."""

import os

import numpy as np
import pytest

import ooc_train
from ooc_train.cli import train as command
from ooc_train.errors import FormatError, InputError
from ooc_train.remote import content, parts
from ooc_train.remote.content import content_of
from ooc_train.remote.parts import RemoteParts, Requests
from ooc_train.remote.url import Url
from ooc_train.training.scores.split_scores import evaluation_batches
from tests.files import Toy, cut, write_dense, write_sequences, write_toy

SECRET = "?X-Signature=hidden42"
WRITE = {"sparse": write_toy, "ragged": write_sequences, "dense": write_dense}


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr(content, "PAUSES", (0.0,) * 4)


@pytest.fixture
def here(tmp_path):
    return write_toy(tmp_path / "toy.h5", toy=Toy(n_columns=200), train=3000, validation=300)


def there(served, path):
    return served.put(f"/{path.name}", path.read_bytes()) + SECRET


def same(one, other):
    rows, labels = one
    others, other_labels = other
    assert np.array_equal(labels, other_labels)
    assert np.array_equal(rows.to_dense(), others.to_dense())


@pytest.mark.parametrize("layout", WRITE)
def test_batches_are_those_of_the_file(served, tmp_path, layout):
    path = WRITE[layout](tmp_path / "toy.h5", train=3000, test=50)
    with ooc_train.open(path) as local, ooc_train.open(there(served, path)) as remote:
        assert remote.fingerprint == local.fingerprint
        assert remote.n_bytes == path.stat().st_size
        assert "hidden42" not in repr(remote) + repr(remote["train"])
        for epoch, seed in ((0, 1), (1, 1), (0, None)):
            for one, other in zip(
                local["train"].batches(100, seed=seed, epoch=epoch),
                remote["train"].batches(100, seed=seed, epoch=epoch),
                strict=True,
            ):
                same(one, other)
        same(local["test"][:7], remote["test"][:7])


@pytest.mark.slow
def test_weights_are_those_of_the_file_here(served, here, tmp_path):
    served.faults = [None] * 8 + [500, "reset", "cut", "short", None, 503]
    for path, run in ((here, "local"), (there(served, here), "remote")):
        ooc_train.train(path, tmp_path / run, epochs=2)
    local, remote = ((tmp_path / run / "model.keras").read_bytes() for run in ("local", "remote"))
    assert local == remote
    assert not served.faults
    scores = [
        ooc_train.evaluate(tmp_path / "remote", path, split="validation")["loss"]
        for path in (here, there(served, here))
    ]
    assert scores[0] == scores[1]


def test_a_run_keeps_no_secrets(served, here, tmp_path):
    arguments = [there(served, here), "-o", str(tmp_path / "run"), "--epochs", "1", "--quiet"]
    assert command.main([*arguments, "--report", str(tmp_path / "report.json")]) == 0
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 5
    assert [path for path in files if b"hidden42" in path.read_bytes()] == []
    # A URL that is signed anew is that of the same file.
    arguments[0] = arguments[0] + "2"
    assert command.main([*arguments, "--resume"]) == 0


def test_a_file_at_a_url_is_described_and_verified(served, here):
    url = there(served, here)
    local, remote = ooc_train.inspect(here), ooc_train.inspect(url)
    assert remote.pop("path") == served.url("/toy.h5")
    local.pop("path")
    assert remote == local
    assert ooc_train.verify(url)["damaged"] == []


def test_damage_is_found_as_here(served, here):
    damaged = bytearray(here.read_bytes())
    with ooc_train.open(here) as store:
        position = store["train"].arrays["values"]._offset
    damaged[position + 5] ^= 255
    url = served.put("/toy.h5", bytes(damaged))
    with (
        ooc_train.open(url) as store,
        pytest.raises(FormatError, match=r"toy.h5.*checksum differs"),
    ):
        list(store["train"].batches(100))
    served.put("/toy.h5", bytes(damaged[:-100]))
    with pytest.raises(FormatError, match="truncated"):
        ooc_train.open(url)
    with pytest.raises(FormatError, match="is not an HDF5 file; make one from it"):
        ooc_train.open(served.put("/rows.csv", b"1,text\n" * 1000))


@pytest.mark.parametrize("slices", [None, [(3, 200), (250, 300)]])
@pytest.mark.parametrize("layout", WRITE)
def test_rows_to_evaluate_are_asked_for_ahead_in_the_same_batches(
    served, tmp_path, monkeypatch, layout, slices
):
    path, expected = WRITE[layout](tmp_path / "toy.h5", train=300), []
    monkeypatch.setattr(RemoteParts, "expect", lambda self, *given: expected.append(given))
    with ooc_train.open(path) as local, ooc_train.open(there(served, path)) as remote:
        each = [
            evaluation_batches(store["train"], 7, pads_as_needed=False, slices=slices)
            for store in (local, remote)
        ]
        for (numbers, one), (others, other) in zip(*each, strict=True):
            assert np.array_equal(numbers, others)
            same(one, other)
    assert len(expected) >= len(slices or [None])


def test_a_file_that_is_replaced_is_refused(served, here, tmp_path):
    url = there(served, here)
    with ooc_train.open(url) as store:
        other = write_toy(tmp_path / "other.h5", toy=Toy(n_columns=200), seed=1, train=3000)
        served.put("/toy.h5", other.read_bytes())
        with pytest.raises(InputError, match="toy.h5 changed while it was read; start again"):
            list(store["train"].batches(100, seed=0))


def test_a_server_must_give_parts(served, here):
    served.has_ranges = False
    with pytest.raises(InputError, match="gives no parts of a file; download it first"):
        ooc_train.open(there(served, here))


def test_rows_at_a_url_are_not_mapped(served, here):
    with (
        ooc_train.open(there(served, here)) as store,
        pytest.raises(
            InputError, match="is at a URL, whose files cannot be mapped; use batches, or download"
        ),
    ):
        store["train"].mapped()


def test_a_window_is_asked_for_ahead_and_once(served, here, monkeypatch):
    """Reading in random order takes few requests, and each byte of the rows about once."""
    monkeypatch.setattr(parts, "_SMALL_BYTES", 512)
    with ooc_train.open(there(served, here)) as store:
        list(store["train"].batches(100, seed=0))  # which checks all blocks
        served.requests.clear()
        n_bytes = sum(len(array) * array.row_bytes for array in store["train"].arrays.values())
        list(store["train"].batches(100, seed=0, epoch=1))
        spans = [wanted.removeprefix("bytes=").split("-") for *_, wanted in served.requests]
        asked = sum(int(last) + 1 - int(first) for first, last in spans)
        assert asked < 1.5 * n_bytes


def test_parts_read_as_the_file_does(served):
    """Whatever was expected, in any order, and with little room."""
    rng = np.random.default_rng(0)
    whole = rng.bytes(500_000)
    found = RemoteParts(content_of(Url.of(served.put("/rows", whole))))
    for _ in range(300):
        start = int(rng.integers(len(whole)))
        n_bytes = int(rng.integers(1, 40_000))
        if rng.random() < 0.5:
            found.expect(start, n_bytes)
            continue
        target = bytearray(n_bytes)
        is_whole = found.read_into(memoryview(target), start)
        assert is_whole == (start + n_bytes <= len(whole))
        if is_whole:
            assert target == whole[start : start + n_bytes]
    found.close()


def test_memory_is_bounded(served, monkeypatch):
    monkeypatch.setattr(parts, "_MOST_BYTES", 100_000)
    monkeypatch.setattr(parts, "_MOST_LEFT_BYTES", 30_000)
    whole = os.urandom(500_000)
    found = RemoteParts(content_of(Url.of(served.put("/rows", whole))))
    for start in range(0, 500_000, 20_000):
        found.expect(start, 20_000)
        assert found._requests._n_bytes == sum(part.n_bytes for part in found._parts.values())
        assert found._requests._n_bytes <= 100_000
    target = bytearray(500_000)
    assert found.read_into(memoryview(target), 0)
    assert target == whole
    assert found._requests._n_bytes <= 100_000
    found.close()


def test_files_that_are_read_together_share_memory_and_threads(served, monkeypatch):
    monkeypatch.setattr(parts, "_MOST_BYTES", 100_000)
    monkeypatch.setattr(parts, "_MOST_LEFT_BYTES", 30_000)
    requests = Requests()
    wholes = [os.urandom(200_000) for _ in range(5)]
    found = [
        RemoteParts(content_of(Url.of(served.put(f"/{k}", whole))), requests)
        for k, whole in enumerate(wholes)
    ]
    for start in range(0, 200_000, 20_000):
        for one, whole in zip(found, wholes, strict=True):
            one.expect(start, 20_000)
            target = bytearray(15_000)
            assert one.read_into(memoryview(target), start)
            assert target == whole[start : start + 15_000]
            held = [part for each in found for part in each._parts.values()]
            assert {*held} == {*requests.asked}
            assert sum(part.n_bytes for part in held) == requests._n_bytes <= 100_000
    pool = requests._pool
    for number, one in enumerate(found, start=1):
        one.close()
        assert all(part.owner in found[number:] for part in requests.asked)
        assert pool._shutdown == (number == len(found))
    assert not requests.asked
    assert not requests.left


# Shards


@pytest.fixture
def index(tmp_path):
    """Three shards, of which one has no train rows, and the file that they were cut from."""
    whole = write_toy(tmp_path / "whole.h5", toy=Toy(n_columns=200), train=900, validation=90)
    return cut(whole, {"train": [400, 400], "validation": [30, 60]})


def there_with_shards(served, index):
    for path in index.parent.iterdir():
        served.put(f"/a b/{path.name}".replace(" ", "%20"), path.read_bytes())
    return served.url(f"/a%20b/{index.name}") + SECRET


@pytest.mark.slow
def test_an_index_is_read_like_the_one_here(served, index, tmp_path):
    address = there_with_shards(served, index)
    with ooc_train.open(index) as local, ooc_train.open(address) as remote:
        assert remote.fingerprint == local.fingerprint
        assert remote.n_bytes == local.n_bytes
        assert len(remote.shards) == len(local.shards) == 3
        for epoch, seed in ((0, 1), (1, 1), (0, None)):
            batches = [
                store["train"].batches(100, seed=seed, epoch=epoch) for store in (local, remote)
            ]
            for one, other in zip(*batches, strict=True):
                same(one, other)
    served.faults = [None] * 20 + [500, "reset", "cut", "short", None, 503]
    for path, run in ((index, "local"), (address, "remote")):
        ooc_train.train(path, tmp_path / run, epochs=2)
    local, remote = ((tmp_path / run / "model.keras").read_bytes() for run in ("local", "remote"))
    assert local == remote
    report = ooc_train.inspect(address)
    assert [shard["rows"] for shard in report["shards"]] == [
        shard["rows"] for shard in ooc_train.inspect(index)["shards"]
    ]
    assert ooc_train.verify(address)["damaged"] == []
    assert "hidden42" not in (tmp_path / "remote" / "report.json").read_text()


def test_a_shard_that_is_missing_or_another(served, index):
    address = there_with_shards(served, index)
    first, second, _ = sorted(name for name in served.files if name.endswith(".h5"))[:3]
    content_there = served.files.pop(second)
    with pytest.raises(
        InputError, match=rf"{second.split('/')[-1]} cannot be read: the server ans"
    ):
        ooc_train.open(address)
    served.files[second] = served.files[first]
    with pytest.raises(InputError, match="is not the one that .* names, but of another conver"):
        ooc_train.open(address)
    served.files[second] = content_there
    ooc_train.open(address).close()


def test_other_files_are_not_taken_for_an_index(served, here):
    served.put("/toy.h5", here.read_bytes())
    with ooc_train.open(served.url("/toy.h5")):
        assert served.requests[0][2] == "bytes=0-0"
        n_requests = len(served.requests)
    served.put("/toy", here.read_bytes())
    with ooc_train.open(served.url("/toy")) as store:
        assert len(store["train"]) == 3000
    assert len(served.requests) == 2 * n_requests + 1
    with pytest.raises(FormatError, match="is not an HDF5 file"):
        ooc_train.open(served.put("/rows.json", b'{"label": 1}'))
