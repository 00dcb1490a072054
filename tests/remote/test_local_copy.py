"""What was read from a URL once is kept, and is never other bytes than the server's."""

import errno
import gc
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ooc_train
from ooc_train.errors import InputError
from ooc_train.remote import local_copy
from ooc_train.remote.content import content_of
from ooc_train.remote.local_copy import FOLDER, LocalCopy
from ooc_train.remote.parts import RemoteParts
from ooc_train.remote.url import Url
from tests.files import Toy, write_toy

SIZE = 300_000
WHOLE = np.random.default_rng(0).bytes(SIZE)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER, str(tmp_path / "kept" / "here"))
    return tmp_path / "kept" / "here"


def read(url, start=0, stop=SIZE):
    parts = RemoteParts(content_of(Url.of(url)))
    target = bytearray(stop - start)
    assert parts.read_into(memoryview(target), start)
    parts.close()
    return bytes(target)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 12)), max_size=30))
def test_a_copy_has_the_ranges_that_were_kept_and_no_others(tmp_path_factory, ranges):
    path = tmp_path_factory.mktemp("copy") / "a.bytes"
    content, here = WHOLE[:52], set()
    for _ in range(2):  # the second has them from the disk
        copy = LocalCopy(path, len(content))
        for start, n_bytes in ranges:
            found = copy.read(start, start + n_bytes)
            assert (found is not None) == here.issuperset(range(start, start + n_bytes))
            assert found is None or found == content[start : start + n_bytes]
            copy.keep(start, memoryview(content[start : start + n_bytes]))
            here.update(range(start, start + n_bytes))
            assert copy.n_lacking == len(content) - len(here)
        copy.note()
        del copy


def test_a_second_training_asks_for_little(served, folder, tmp_path):
    path = write_toy(tmp_path / "toy.h5", toy=Toy(n_columns=200), train=3000, validation=300)
    url = served.put("/toy.h5", path.read_bytes())

    def batches(given):
        with ooc_train.open(given) as file:
            return [
                (rows.to_dense(), labels)
                for epoch in range(2)
                for rows, labels in file["train"].batches(100, seed=1, epoch=epoch)
            ]

    expected = batches(path)
    for n_most in (1000, 5):  # the second time the version and the kind of the file
        served.requests.clear()
        for one, other in zip(expected, batches(url + "?X-Signature=hidden"), strict=True):
            assert all(map(np.array_equal, one, other))
        assert len(served.requests) <= n_most
    assert all("hidden" not in file.name for file in folder.iterdir())


def test_what_is_not_noted_is_asked_for_again(served, folder):
    url = served.put("/rows", WHOLE)
    parts = RemoteParts(content_of(Url.of(url)))
    assert parts.read_into(memoryview(bytearray(1000)), 0)
    del parts  # as where the process is killed
    gc.collect()
    (ranges,) = folder.glob("*.ranges")
    assert ranges.read_bytes() == b""
    assert read(url) == WHOLE
    gc.collect()
    ranges.write_bytes(ranges.read_bytes()[:-3])  # and where its machine is
    assert read(url) == WHOLE
    assert len(ranges.read_bytes()) % 16 == 0
    served.requests.clear()
    assert read(url) == WHOLE
    assert len(served.requests) == 1


def test_another_version_takes_the_place_of_the_first(served, folder):
    url, other = served.put("/rows", WHOLE), served.put("/other", WHOLE)
    assert read(url) == read(other) == WHOLE
    served.put("/rows", WHOLE[::-1])
    assert read(url) == WHOLE[::-1]
    assert len([*folder.iterdir()]) == 4


def test_one_process_keeps_a_file(served, folder):
    url = served.put("/rows", WHOLE)
    assert read(url, 0, 100_000) == WHOLE[:100_000]
    (path,) = folder.glob("*.bytes")
    first, second = (LocalCopy(path, len(WHOLE)) for _ in range(2))
    for copy in (first, second):
        copy.keep(150_000, memoryview(WHOLE[150_000:200_000]))
        copy.note()
    assert first.read(150_000, 200_000) == WHOLE[150_000:200_000]
    assert second.read(150_000, 200_000) is None
    assert second.read(0, 100_000) == WHOLE[:100_000]


def test_threads_of_a_process_share_a_copy(served, folder):
    contents = [content_of(Url.of(served.put("/rows", WHOLE))) for _ in range(2)]
    first, second = map(local_copy.local_copy, contents)
    assert first is second


@pytest.mark.parametrize("failing", ["pwrite", "fsync"])
def test_a_disk_that_fails_keeps_no_more(served, folder, monkeypatch, failing):
    def fail(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    url = served.put("/rows", WHOLE)
    with monkeypatch.context() as patch:
        patch.setattr(os, failing, fail)
        with pytest.warns(RuntimeWarning, match=r"no more .* kept in .*here: No space left"):
            assert read(url) == WHOLE
    assert all(not file.read_bytes() for file in folder.glob("*.ranges"))
    assert read(url) == WHOLE


def test_a_folder_that_cannot_keep_the_file_is_refused(served, folder, monkeypatch):
    url = served.put("/rows", WHOLE)
    folder.parent.write_bytes(b"")
    with pytest.raises(InputError, match=r"/rows cannot be kept in .*here: Not a dir.*unset it"):
        read(url)
    folder.parent.unlink()
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(local_copy.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(InputError, match=r"300,000 more bytes in .*here, whose disk has 1,000"):
        read(url)
