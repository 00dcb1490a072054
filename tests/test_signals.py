"""Signals that ask to end: the work stops once, and is cleaned up undisturbed."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from ooc_train.cli import convert
from ooc_train.errors import Interrupted
from ooc_train.signals import STOPPING, ended_by_signals
from tests.corpora import random_rows, write_rows

INTERRUPTED_EXIT = """
import os, signal, sys
from pathlib import Path
from ooc_train.signals import ended_by_signals
from ooc_train.work_folder import WorkFolder

class Folder(WorkFolder):
    def __exit__(self, *error):
        os.kill(os.getpid(), signal.SIGTERM)

with ended_by_signals(), Folder(Path(sys.argv[1])) as folder:
    (folder / "file").touch()
"""


FORKED = """
import os, sys
from pathlib import Path
from ooc_train.work_folder import WorkFolder

with WorkFolder(Path(sys.argv[1])) as folder:
    child = os.fork()
    if not child:
        sys.exit()
    os.waitpid(child, 0)
    assert folder.is_dir()
"""


@pytest.fixture(autouse=True)
def _none_is_ignored():
    """Whoever runs the tests may ignore signals, as nohup does."""
    before = {each: signal.signal(each, signal.default_int_handler) for each in STOPPING}
    yield
    for each, handler in before.items():
        signal.signal(each, handler)


def test_an_error_that_a_library_makes_of_an_interruption_is_that():
    def library():
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except Interrupted as error:
            raise TypeError("a parameter is of another type") from error

    with pytest.raises(Interrupted), ended_by_signals():
        library()
    with pytest.raises(TypeError, match="without"), ended_by_signals():
        raise TypeError("without a signal")


class Fragile:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)


def test_an_interruption_that_python_ignores_is_raised_again(capsys):
    def work():
        Fragile()
        time.sleep(10)

    before = sys.unraisablehook
    with pytest.raises(Interrupted) as found, ended_by_signals():
        work()
    assert found.value.signal_number == signal.SIGTERM
    assert sys.unraisablehook is before
    assert capsys.readouterr().err == ""


class Breaking:
    def __del__(self):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except Interrupted as error:
            raise SystemError("a result with an exception set") from error


def test_an_error_of_an_interruption_that_is_ignored_is_not_told(capsys):
    with ended_by_signals():
        Breaking()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("number", STOPPING)
def test_a_signal_ends_a_command_that_leaves_nothing(tmp_path, monkeypatch, capsys, number):
    """And those that follow do not disturb its cleaning up."""
    source = write_rows(tmp_path / "train.csv", random_rows(30))
    before = [signal.getsignal(each) for each in STOPPING]
    exits = []

    def asked(output, *_):
        try:
            os.kill(os.getpid(), number)
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            for each in STOPPING:
                os.kill(os.getpid(), each)
            exits.append(True)

    monkeypatch.setattr("ooc_train.conversion.convert.write_features", asked)
    status = convert.main([str(source), "-o", str(tmp_path / "o.h5"), "--features", "ngram"])
    assert (status, exits) == (128 + number, [True])
    assert capsys.readouterr().err.endswith("interrupted; nothing was left half written\n")
    assert [path.name for path in tmp_path.iterdir()] == [source.name]
    assert [signal.getsignal(each) for each in STOPPING] == before


def test_what_a_signal_keeps_from_being_deleted_is_deleted_in_the_end(tmp_path):
    done = subprocess.run([sys.executable, "-c", INTERRUPTED_EXIT, str(tmp_path)], check=False)
    assert done.returncode == 1
    assert not any(tmp_path.iterdir())


def test_a_forked_process_deletes_nothing_of_its_parent(tmp_path):
    subprocess.run([sys.executable, "-c", FORKED, str(tmp_path)], check=True)


def test_ignored_signals_stay_ignored():
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with ended_by_signals():
            os.kill(os.getpid(), signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)


def test_threads_leave_signals_alone():
    def look():
        with ended_by_signals():
            found.append(signal.getsignal(signal.SIGTERM))

    found = []
    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [signal.getsignal(signal.SIGTERM)]


def test_the_number_of_the_signal_is_told():
    with pytest.raises(Interrupted) as raised, ended_by_signals():
        os.kill(os.getpid(), signal.SIGHUP)
    assert raised.value.signal_number == signal.SIGHUP
