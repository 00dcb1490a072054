"""A training whose file fails while it is read: an error that says where, and it can be resumed."""

import errno
import itertools
import os

import pytest

from ooc_train.errors import FormatError, InputError
from ooc_train.file import mapping
from ooc_train.file.layouts import FlatArray
from ooc_train.progress import Silent
from ooc_train.reading.windows import MappedPlaces
from ooc_train.training.run.folder import open_run
from ooc_train.training.train import train
from tests.files import Toy, write_toy

OPTIONS = {"epochs": 4, "batch_size": 32, "checkpoint_every": 1}

pytestmark = pytest.mark.skipif(
    not mapping._can_populate(), reason="the kernel has no MADV_POPULATE_READ (Linux 5.14)"
)


class Failing(Silent):
    """Calls something after so many batches."""

    def __init__(self, n_batches, fail):
        self.n_left, self.fail = n_batches, fail

    def advance(self, amount):
        self.n_left -= 1
        if self.n_left == 0:
            self.fail()


@pytest.fixture(autouse=True)
def mapped_windows(monkeypatch):
    """Four windows of 300 rows."""
    monkeypatch.setattr("ooc_train.reading.batches.slice_rows_for", lambda row_bytes: 1)
    monkeypatch.setattr("ooc_train.reading.splits.KERNEL_ENTRIES", 0)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("failing") / "rows.h5"
    return write_toy(path, toy=Toy(mean_entries=40), train=300, validation=60)


def weights(run):
    return [each.tobytes() for each in open_run(run).load_model().get_weights()]


def test_it_resumes_when_the_file_is_whole_again(path, tmp_path, monkeypatch):
    train(path, tmp_path / "whole", **OPTIONS)
    run, content = tmp_path / "run", path.read_bytes()

    ensure, n_calls = MappedPlaces.ensure, itertools.count(1)

    def cut_before(places):
        # By the thread that reads: while rows are copied, a truncation is a signal.
        if next(n_calls) == 15:
            os.truncate(path, len(content) // 4)
        ensure(places)

    monkeypatch.setattr(MappedPlaces, "ensure", cut_before)
    with pytest.raises(FormatError, match=r"rows\.h5: split '(train|validation)' is damaged: the "
                       r"file is truncated in array '.*', rows \d+ to \d+; convert"):  # fmt: skip
        train(path, run, **OPTIONS)
    monkeypatch.setattr(MappedPlaces, "ensure", ensure)
    with path.open("r+b") as file:
        file.write(content)

    original, is_broken = FlatArray.fetch, []

    def fetch(array, start, stop):
        if is_broken:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        original(array, start, stop)

    monkeypatch.setattr(FlatArray, "fetch", fetch)
    failing = Failing(5, lambda: is_broken.append(True))
    with pytest.raises(InputError, match=r"rows\.h5: split 'train': train/indices cannot be read: "
                       r"Input/output error, in rows \d+ to \d+; check the disk"):  # fmt: skip
        train(path, run, resume=True, progress=failing, **OPTIONS)
    is_broken.clear()
    report = train(path, run, resume=True, **OPTIONS)
    assert report["sessions"] == 3
    assert weights(run) == weights(tmp_path / "whole")
