"""Arguments and results of tasks that go to other processes, in files if they are large."""

import errno
import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import numpy as np
import pytest

from ooc_train import parcels
from ooc_train.parcels import Parcel, ParcelExecutor, run_parcel

LARGE = np.arange(100_000)
BEGUN, ENDED = Event(), Event()


def doubled(numbers):
    return 2 * numbers


def failing(error, _):
    raise error


def waiting():
    BEGUN.set()
    return ENDED.wait()


@pytest.fixture
def executor(tmp_path):
    with ThreadPoolExecutor(2) as pool:
        yield ParcelExecutor(pool, tmp_path)


@pytest.mark.parametrize("numbers", [LARGE[:9], LARGE])
def test_a_task_gets_what_it_was_given_and_leaves_no_file(tmp_path, executor, numbers):
    promised = [executor.submit(doubled, numbers) for _ in range(3)]
    for one in promised:
        found = one.result()
        assert np.array_equal(found, 2 * numbers)
        found[0] = 1  # like a result of a thread, it can be written to
    assert not list(tmp_path.iterdir())


def test_little_is_sent_of_what_is_large(tmp_path):
    parcel = Parcel.of(LARGE, tmp_path)
    assert len(pickle.dumps(parcel)) < 1000
    (path,) = tmp_path.iterdir()
    assert path.stat().st_size > LARGE.nbytes
    small = Parcel.of(LARGE[:9], tmp_path)
    assert np.array_equal(small.opened(), LARGE[:9])
    assert list(tmp_path.iterdir()) == [path]


def test_a_task_that_runs_twice_has_two_results(tmp_path):
    task = Parcel.of((doubled, (LARGE,)), tmp_path)
    one, other = run_parcel(task, tmp_path), run_parcel(task, tmp_path)
    one.remove()
    assert np.array_equal(other.opened(), 2 * LARGE)


def test_the_error_of_a_task_is_passed_on(tmp_path, executor):
    with pytest.raises(ValueError, match="a row"):
        executor.submit(failing, ValueError("a row"), LARGE).result()
    assert not list(tmp_path.iterdir())


def test_a_result_that_is_lost_is_an_error(tmp_path, monkeypatch, executor):
    monkeypatch.setattr(parcels, "run_parcel", lambda *_: Parcel(b"", tmp_path / "sent-gone"))
    with pytest.raises(FileNotFoundError, match="sent-gone"):
        executor.submit(doubled, LARGE).result()


def test_a_task_is_cancelled_until_it_begins(tmp_path):
    with ThreadPoolExecutor(1) as pool:
        executor = ParcelExecutor(pool, tmp_path)
        first = executor.submit(waiting)
        BEGUN.wait()
        second = executor.submit(doubled, LARGE)
        assert second.cancel()
        assert second.cancelled()
        assert not first.cancel()
        ENDED.set()
        assert first.result()
    assert not list(tmp_path.iterdir())


def test_a_full_disk_names_the_file(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(OSError, match="No space left") as caught:
        Parcel.of(LARGE, tmp_path)
    assert str(caught.value.filename).startswith(str(tmp_path / "sent-"))


def test_from_which_size_on_there_is_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr(parcels, "_MOST_SENT_BYTES", len(pickle.dumps(LARGE, 5)))
    assert Parcel.of(LARGE, tmp_path).path is None
    assert Parcel.of(np.append(LARGE, 1), tmp_path).path
