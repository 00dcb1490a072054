"""Checkpoint files and folders, when they are saved, the lock, and requests to stop."""

import contextlib
import itertools
import json
import signal
import struct
import subprocess
import sys
import threading

import numpy as np
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from ooc_train.atomic import PART, replacing
from ooc_train.errors import FormatError, OptionError, OutputError
from ooc_train.training.interruption import stop_requests
from ooc_train.training.run.checkpoints import (
    LAYOUT,
    CheckpointFolder,
    DamagedError,
    read_checkpoint,
    write_checkpoint,
)
from ooc_train.training.run.folder import is_complete
from ooc_train.training.run.interval import Interval
from ooc_train.training.run.lock import locked
from ooc_train.training.run.replacement import delete, remove_replaced
from ooc_train.training.run.saver import Saver
from tests.full_disk import limited_files

ARRAYS = {
    "weights/0": np.arange(12, dtype=np.float32).reshape(3, 4),
    "scalar": np.array(7),
    "none": np.zeros((0, 3), np.float32),
    "flags": np.array([True, False, True]),
    "half": np.arange(5, dtype=np.float16),
    "turned": np.arange(6, dtype=np.float64).reshape(2, 3).T,
    "seed": np.array([1, 2**32 - 1], np.uint32),
}
FACTS = {"standing": {"epoch": 3, "loss_sum": 0.1 + 0.2}, "text": "naïve"}


def files(folder):
    return sorted(path.name for path in folder.iterdir())


# The file


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "step-3.safetensors"
    write_checkpoint(path, ARRAYS, FACTS)
    found = read_checkpoint(path)
    assert found.facts == {"layout": LAYOUT, **FACTS}
    assert found.n_steps == 3
    assert found.arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert found.arrays[name].dtype == array.dtype
        assert found.arrays[name].shape == array.shape
        assert (found.arrays[name] == array).all()
    assert files(tmp_path) == [path.name]


def test_the_layout_is_that_of_safetensors(tmp_path):
    """Read by what its specification says, with nothing of ours."""
    path = tmp_path / "step-3.safetensors"
    write_checkpoint(path, ARRAYS, FACTS)
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    assert list(map(type, header.pop("__metadata__").values())) == [str]
    places = sorted(entry["data_offsets"] for entry in header.values())
    assert places[0][0] == 0
    assert all(one[1] == other[0] for one, other in itertools.pairwise(places))
    assert 8 + length + places[-1][1] == len(content)
    entry = header["turned"]
    start, stop = (8 + length + place for place in entry["data_offsets"])
    assert start % 8 == 0
    values = np.frombuffer(content[start:stop], {"F64": "<f8"}[entry["dtype"]])
    assert values.reshape(entry["shape"]).tolist() == ARRAYS["turned"].tolist()


def test_equal_states_are_equal_files(tmp_path):
    write_checkpoint(tmp_path / "a-1.safetensors", ARRAYS, FACTS)
    turned_round = dict(reversed(ARRAYS.items()))
    write_checkpoint(tmp_path / "b-1.safetensors", turned_round, FACTS)
    one, other = ((tmp_path / f"{name}-1.safetensors").read_bytes() for name in "ab")
    assert one == other


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    path = tmp_path_factory.mktemp("checkpoint") / "step-1.safetensors"
    write_checkpoint(path, ARRAYS, FACTS)
    return path.read_bytes()


@given(st.data())
def test_every_flipped_bit_and_every_cut_is_recognised(tmp_path_factory, content, data):
    path = tmp_path_factory.mktemp("damaged") / "step-1.safetensors"
    bit = data.draw(st.integers(0, 8 * len(content) - 1))
    flipped = bytearray(content)
    flipped[bit // 8] ^= 1 << bit % 8
    for damaged in (flipped, content[: bit // 8], content + b"\0"):
        path.write_bytes(damaged)
        with pytest.raises(FormatError, match=r"step-1.safetensors is damaged"):
            read_checkpoint(path)


def with_checksum(path, header, length=None):
    """A file with a header of any bytes, no arrays, and a checksum that is right."""
    content = struct.pack("<Q", len(header) if length is None else length) + header
    path.write_bytes(content + xxhash.xxh3_128_digest(content))
    return path


def header_of(**entries):
    facts = json.dumps({"layout": LAYOUT})
    return json.dumps({"__metadata__": {"ooc_train": facts}, "checksum": {}, **entries}).encode()


@pytest.mark.parametrize(
    "header",
    [
        b"", b"\xff", b"{", b"[]", b"{}", b"7", b"[" * 99_999, header_of(__metadata__=None),
        header_of(__metadata__={"ooc_train": "[]"}), header_of(__metadata__={"ooc_train": "{}"}),
        header_of(__metadata__={"ooc_train": 7}), header_of(a=None), header_of(a={}),
        header_of(a={"dtype": "F32", "shape": [2**62, 4], "data_offsets": [0, 0]}),
        header_of(a={"dtype": "F32", "shape": [2], "data_offsets": [0, 2**63]}),
        header_of(a={"dtype": "F32", "shape": [-3], "data_offsets": [-8, 0]}),
        header_of(a={"dtype": "F32", "shape": [-1], "data_offsets": [0, 0]}),
        header_of(a={"dtype": "O", "shape": [1], "data_offsets": [0, 0]}),
        header_of(a={"dtype": "BF16", "shape": [1], "data_offsets": [0, 0]}),
    ],
)  # fmt: skip
def test_a_false_header_is_damage_though_the_checksum_is_right(tmp_path, header):
    path = with_checksum(tmp_path / "step-1.safetensors", header)
    with pytest.raises(
        DamagedError, match=r"step-1.safetensors is damaged: its (header|.* header)"
    ):
        read_checkpoint(path)
    assert CheckpointFolder(tmp_path).newest()[0] is None


@pytest.mark.parametrize("length", [0, 1, 2**40, 2**64 - 1])
def test_the_length_of_a_header_is_not_trusted(tmp_path, length):
    path = with_checksum(tmp_path / "step-1.safetensors", header_of(), length)
    with pytest.raises(DamagedError, match="its header is no checkpoint's"):
        read_checkpoint(path)


def test_bfloat16_is_read_before_tensorflow_is_there(tmp_path):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    path = tmp_path / "step-1.safetensors"
    write_checkpoint(path, {"a": np.arange(3).astype(ml_dtypes.bfloat16)}, {})
    code = f"""
import pathlib
from ooc_train.training.run.checkpoints import read_checkpoint
array = read_checkpoint(pathlib.Path({str(path)!r})).arrays["a"]
print(array.dtype, array.astype("f4").tolist())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "bfloat16 [0.0, 1.0, 2.0]\n"


def test_arrays_of_text_are_refused(tmp_path):
    with pytest.raises(KeyError):
        write_checkpoint(tmp_path / "step-1.safetensors", {"a": np.array(["x"])}, {})
    assert files(tmp_path) == []


# The folder


def save(folder, *steps):
    for n_steps in steps:
        folder.save(n_steps, {"a": np.full(1000, n_steps)}, {})


def test_the_last_two_are_kept(tmp_path):
    folder = CheckpointFolder(tmp_path)
    assert (folder.newest(), folder.n_steps()) == ((None, []), None)
    (tmp_path / f"{PART}step-000000007.safetensors").write_bytes(b"of a killed process")
    save(folder, 5, 90, 1000)
    assert files(tmp_path) == ["step-000000090.safetensors", "step-000001000.safetensors"]
    assert folder.n_steps() == 1000
    assert folder.newest()[0].arrays["a"][0] == 1000


def test_the_one_before_a_damaged_one_is_used(tmp_path):
    folder = CheckpointFolder(tmp_path)
    save(folder, 1, 2)
    newest = folder.files()[0]
    newest.write_bytes(newest.read_bytes()[:-1])
    checkpoint, errors = folder.newest()
    assert checkpoint.n_steps == 1
    assert [str(error) for error in errors] == [f"{newest} is damaged: its checksum is another"]
    folder.remove_after(1)
    assert files(tmp_path) == ["step-000000001.safetensors"]


def test_one_that_cannot_be_read_is_damaged(tmp_path):
    path = tmp_path / "step-000000001.safetensors"
    path.mkdir()
    _, (error,) = CheckpointFolder(tmp_path).newest()
    assert str(error) == f"{path} cannot be read: it is no file"


def test_another_layout_is_refused(tmp_path):
    """And no older one is used in its place."""
    folder = CheckpointFolder(tmp_path)
    folder.save(1, {}, {})
    folder.save(2, {}, {"layout": 99})
    with pytest.raises(FormatError, match="step-000000002.* was written by another release, with"):
        folder.newest()


def test_a_write_that_fails_leaves_those_that_were_there(tmp_path):
    folder = CheckpointFolder(tmp_path)
    save(folder, 1, 2)
    with limited_files(5000), pytest.raises(OSError, match="File too large"):
        save(folder, 3)
    assert files(tmp_path) == ["step-000000001.safetensors", "step-000000002.safetensors"]
    assert folder.newest()[0].n_steps == 2


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("old")

    def fail():
        with replacing(path) as part:
            part.write_text("half")
            assert path.read_text() == "old"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert (path.read_text(), files(tmp_path)) == ("old", ["a.json"])
    with replacing(path) as part:
        part.write_text("new")
    assert (path.read_text(), files(tmp_path)) == ("new", ["a.json"])


# When


def test_intervals():
    assert Interval.parse("500") == Interval.parse(500) == Interval(steps=500)
    assert Interval.parse("90s") == Interval(seconds=90)
    assert Interval.parse(" 5m ") == Interval(seconds=300)
    assert Interval.parse("1.5h") == Interval(seconds=5400)


@pytest.mark.parametrize("text", ["", "0", "0s", "-5", "5 minutes", "1.5", "m", "1e3", 0])
def test_what_is_no_interval(text):
    with pytest.raises(OptionError, match="is no interval for checkpoints; write a number of"):
        Interval.parse(text)


class SlowFolder(CheckpointFolder):
    """Writes no checkpoint before it is let; none at all to begin with, if it is to fail."""

    def __init__(self, path, *, fails=False):
        super().__init__(path)
        self.let = threading.Event()
        self.fails = fails

    def save(self, n_steps, arrays, facts):
        self.let.wait()
        if self.fails:
            raise OSError(28, "No space left on device")
        super().save(n_steps, arrays, facts)


def snapshot():
    return {"a": np.zeros(3)}, {"of": "training"}


@pytest.fixture
def warnings():
    return []


def saver_of(folder, every, warnings):
    return Saver(folder, Interval.parse(every), facts=lambda: {"more": 1}, warn=warnings.append)


def test_steps_between_checkpoints(tmp_path, warnings):
    with saver_of(CheckpointFolder(tmp_path), 3, warnings) as saver:
        due = []
        for n_steps in range(1, 10):
            if saver.is_due(n_steps):
                due.append(n_steps)
                saver.save(n_steps, snapshot, wait=True)
    assert due == [3, 6, 9]
    assert saver.n_steps_saved == 9
    facts = CheckpointFolder(tmp_path).newest()[0].facts
    assert facts == {"layout": LAYOUT, "more": 1, "of": "training"}
    # Another session counts from where it begins.
    with saver_of(CheckpointFolder(tmp_path), 3, warnings) as saver:
        assert [saver.is_due(n) for n in (10, 11, 12)] == [False, False, True]
    assert warnings == []


def test_seconds_between_checkpoints(tmp_path, warnings, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    with saver_of(CheckpointFolder(tmp_path), "30s", warnings) as saver:
        due = []
        for now[0] in (0, 29, 30, 31, 59, 60):
            due.append(saver.is_due(1))
            if due[-1]:
                saver.save(1, snapshot, wait=True)
    assert due == [False, False, True, False, False, True]


@pytest.mark.parametrize(("every", "saved"), [("1h", [1, 4, 6]), ("1000", [1, 2, 3, 4, 5, 6])])
def test_ends_of_short_epochs_take_a_hundredth_of_the_time(
    tmp_path, warnings, monkeypatch, every, saved
):
    """Of one second's copying each: after 100 seconds, and put off until then."""
    folder, now, steps = CheckpointFolder(tmp_path), [0.0], []
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    monkeypatch.setattr("time.perf_counter", lambda: now[0])

    def slow_snapshot():
        now[0] += 1
        return snapshot()

    with saver_of(folder, every, warnings) as saver:
        for n_steps, now[0] in enumerate([0, 50, 99, 102, 150], start=1):
            saver.save(n_steps, slow_snapshot)
            saver.settle()
            steps.append(saver.n_steps_saved)
        now[0] = 210
        assert saver.is_due(6) == (every == "1h")
        saver.save(6, slow_snapshot)
        saver.settle()
        steps.append(saver.n_steps_saved)
    assert sorted(set(steps)) == saved


def test_training_does_not_wait_for_a_slow_disk(tmp_path, warnings):
    folder = SlowFolder(tmp_path)
    with saver_of(folder, 1, warnings) as saver:
        saver.save(1, snapshot)
        assert not saver.is_due(2)
        saver.save(2, snapshot)  # put off, and taken when it can be
        assert not saver.is_due(3)
        folder.let.set()
        saver.settle()
        assert files(tmp_path) == ["step-000000001.safetensors"]
        assert saver.is_due(3)
        saver.save(3, snapshot)
    assert folder.n_steps() == saver.n_steps_saved == 3


def test_a_full_disk_is_told_and_tried_again(tmp_path, warnings):
    folder = SlowFolder(tmp_path, fails=True)
    folder.let.set()
    with saver_of(folder, 2, warnings) as saver:
        saver.save(2, snapshot, wait=True)
        assert saver.n_steps_saved is None
        assert "step 2 could not be written to" in warnings[0]
        assert "No space left on device; there is none yet; training continues" in warnings[0]
        assert [saver.is_due(n) for n in (3, 4)] == [False, True]
        folder.fails = False
        saver.save(4, snapshot, wait=True)
        assert saver.n_steps_saved == 4
        folder.fails = True
        saver.save(6, snapshot, wait=True)
    assert "the last is that of step 4" in warnings[1]
    assert len(warnings) == 2
    assert files(tmp_path) == ["step-000000004.safetensors"]


# The lock


HOLDING = """
import sys, time
from pathlib import Path
from ooc_train.training.run.folder import is_complete
from ooc_train.training.run.lock import locked
from ooc_train.training.run.writer import writing
with locked(Path(sys.argv[1]), Path("run")):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_lock_is_held_once_and_not_by_the_dead(tmp_path):
    lock = tmp_path / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDING, str(lock)], stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(OutputError, match="another training is writing to run; wait for"):
            locked(lock, "run").__enter__()
        holder.kill()
        holder.wait()
    with locked(lock, "run"), pytest.raises(OutputError, match="another training"):
        locked(lock, "run").__enter__()
    with locked(lock, "run"):
        pass


def test_a_lock_that_was_deleted_is_not_held_twice(tmp_path, monkeypatch):
    """Deleted by one who held it, after the next had opened it."""
    lock, opened = tmp_path / "lock", []
    original = type(lock).open

    def open_(path, *arguments):
        file = original(path, *arguments)
        if not opened:
            path.unlink()
        opened.append(file)
        return file

    monkeypatch.setattr(type(lock), "open", open_)
    with locked(lock, "run"), pytest.raises(OutputError, match="another training"):
        locked(lock, "run").__enter__()
    assert len(opened) == 3


# A run folder in the making


@pytest.mark.parametrize("n_deleted", range(8))
def test_a_run_whose_deletion_was_broken_off_can_be_deleted_again(tmp_path, monkeypatch, n_deleted):
    run = tmp_path / ".replaced.new"
    (tmp_path / "replaced").mkdir()
    (run / "checkpoints").mkdir(parents=True)
    names = ["model.keras", "vectorizer.h5", "settings.json", "history.csv", "report.json"]
    for name in [*names, "checkpoints/lock", "checkpoints/step-000000001.safetensors"]:
        (run / name).write_text("{}")
    deleted = []
    original = type(run).unlink

    def unlink(path, **how):
        if path.is_file():
            if len(deleted) == n_deleted:
                raise KeyboardInterrupt
            deleted.append(path)
        original(path, **how)

    with monkeypatch.context() as patch, contextlib.suppress(KeyboardInterrupt):
        patch.setattr(type(run), "unlink", unlink)
        delete(run)
    assert len(deleted) == min(n_deleted, 6)
    assert not is_complete(run) or n_deleted == 0
    remove_replaced(tmp_path / "replaced")
    assert files(tmp_path) == ["replaced"]


# Signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_a_request(number):
    before = signal.getsignal(number)
    with stop_requests() as request:
        assert request.signal_number is None
        signal.raise_signal(number)
        assert request.signal_number == number
    assert signal.getsignal(number) == before


TWICE = """
import signal, sys
from ooc_train.training.interruption import stop_requests
with stop_requests():
    signal.raise_signal(signal.SIGINT)
    print("once", flush=True)
    signal.raise_signal(signal.SIGINT)
    print("twice", flush=True)
"""


def test_the_second_signal_ends_at_once():
    done = subprocess.run([sys.executable, "-c", TWICE], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (-signal.SIGINT, b"once\n")


def test_ignored_signals_stay_ignored_and_threads_take_none():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stop_requests() as request:
            signal.raise_signal(signal.SIGINT)
        assert request.signal_number is None
    finally:
        signal.signal(signal.SIGINT, before)
    handlers = []

    def elsewhere():
        with stop_requests():
            handlers.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert handlers == [signal.getsignal(signal.SIGTERM)]
