"""A conversion that was interrupted, at any moment, goes on to the same bytes."""

import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import ooc_train
from ooc_train.cli import convert as command
from ooc_train.conversion.kinds.terms.gram_spill import GramSpill
from ooc_train.conversion.resources import MemoryPlan
from ooc_train.conversion.storage.journal import Journal
from ooc_train.conversion.storage.record import Record
from ooc_train.conversion.storage.writing import SplitWriter
from ooc_train.errors import Interrupted, OptionError
from ooc_train.file.output import OutputFile
from tests.conversion.test_executors import CASES, PLAN, case_in, write_numbers
from tests.corpora import random_rows, write_rows


class Killed(BaseException):
    """What is raised in place of a signal that nothing can catch."""


class Messages:
    """A progress that keeps its lines."""

    def __init__(self):
        self.lines = []

    def message(self, text):
        self.lines.append(text)

    def start(self, *_):
        pass

    advance = show = finish = start


class Tasks:
    """Counts the tasks that are done, and ends the conversion before or after one is noted."""

    def __init__(self, monkeypatch):
        self.n, self._end, self._after = 0, None, False
        note = Journal.note

        def counted(journal, step, task, result):
            self.n += not journal.has(step, task)
            if self.n == self._end and not self._after:
                raise Killed
            note(journal, step, task, result)
            if self.n == self._end:
                raise Killed

        monkeypatch.setattr(Journal, "note", counted)

    def end_at(self, number, *, after=False):
        self.n, self._end, self._after = 0, number, after


@pytest.fixture
def small(monkeypatch):
    """Many tasks of few rows, and no trial beforehand."""
    monkeypatch.setattr(MemoryPlan, "divide", lambda *_, **__: PLAN)
    monkeypatch.setattr("ooc_train.conversion.convert.convert_few_rows", lambda *_: None)


@pytest.fixture
def rows(tmp_path):
    return write_rows(tmp_path / "train.csv", random_rows(300))


def left(folder):
    return sorted(path.name for path in folder.glob(".ooc-*"))


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("case", CASES)
def test_after_any_task_the_same_bytes(tmp_path, monkeypatch, rows, case):
    write_numbers(tmp_path)
    source, options = case_in(tmp_path, case)
    tasks = Tasks(monkeypatch)
    ooc_train.convert(source, tmp_path / "whole.h5", **options)
    n_tasks = tasks.n
    assert n_tasks > 2
    drawn = random.Random(case).sample(range(2, n_tasks), min(2, n_tasks - 2))
    for number in (1, *drawn, n_tasks):
        for after in (False, True):
            tasks.end_at(number, after=after)
            with pytest.raises(Killed):
                ooc_train.convert(source, tmp_path / "o.h5", resume=True, **options)
            tasks.end_at(None)
            report = ooc_train.convert(source, tmp_path / "o.h5", resume=True, **options)
            assert report["resumed"]
            assert tasks.n == n_tasks - number + (not after)  # none is done twice
            assert (tmp_path / "o.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()
            assert left(tmp_path) == []
            (tmp_path / "o.h5").unlink()


STEPS = [(GramSpill, "remove"), (SplitWriter, "write"), (OutputFile, "finish")]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(("of", "name"), STEPS)
def test_before_and_after_a_step_the_same_bytes(tmp_path, monkeypatch, rows, of, name):
    ooc_train.convert(rows, tmp_path / "whole.h5", features="ngram")
    step = getattr(of, name)

    def before(*_):
        raise Killed

    def after(*given):
        step(*given)
        raise Killed

    for killed in (before, after, before):  # each goes on from the one before
        with monkeypatch.context() as patch:
            patch.setattr(of, name, killed)
            with pytest.raises(Killed):
                ooc_train.convert(rows, tmp_path / "o.h5", features="ngram", resume=True)
        assert len(left(tmp_path)) == 1
    assert ooc_train.convert(rows, tmp_path / "o.h5", features="ngram", resume=True)["resumed"]
    assert (tmp_path / "o.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()


def ended(tmp_path, monkeypatch, *, at=20, **options):
    """Begin a conversion that is ended at a task."""
    with monkeypatch.context() as patch:
        Tasks(patch).end_at(at)
        with pytest.raises(Killed):
            ooc_train.convert(tmp_path / "train.csv", tmp_path / "o.h5", **options)


@pytest.mark.usefixtures("small")
def test_another_conversion_is_refused_with_what_differs(tmp_path, monkeypatch, rows):
    ended(tmp_path, monkeypatch, resume=True, features="ngram", ngrams=(1, 2))
    again = {"resume": True, "features": "ngram"}
    with pytest.raises(OptionError, match=r"--ngrams was \[1, 2\] and is \[1, 3\]; give"):
        ooc_train.convert(rows, tmp_path / "o.h5", **again, ngrams=(1, 3))
    with pytest.raises(OptionError, match=r"--ngrams was .*--seed was 0 and is 1"):
        ooc_train.convert(rows, tmp_path / "o.h5", **again, seed=1)
    with monkeypatch.context() as patch:
        patch.setattr("ooc_train.conversion.identity.__version__", "0.0.9")
        with pytest.raises(OptionError, match=r'ooc-train was ".*" and is "0.0.9"'):
            ooc_train.convert(rows, tmp_path / "o.h5", **again, ngrams=(1, 2))
    write_rows(rows, random_rows(301))
    with pytest.raises(OptionError, match=r"train.csv has changed; give what it was given, or"):
        ooc_train.convert(rows, tmp_path / "o.h5", **again, ngrams=(1, 2))
    assert len(left(tmp_path)) == 1
    assert not ooc_train.convert(rows, tmp_path / "o.h5", features="ngram")["resumed"]
    assert left(tmp_path) == []


@pytest.mark.usefixtures("small")
def test_who_removes_what_an_interrupted_conversion_left(tmp_path, monkeypatch, rows):
    ended(tmp_path, monkeypatch)
    assert left(tmp_path) == []  # it was not asked to keep anything
    ended(tmp_path, monkeypatch, resume=True)
    ooc_train.convert(rows, tmp_path / "other.h5")
    assert len(left(tmp_path)) == 1  # that of the other output is expected to go on
    ooc_train.convert(rows, tmp_path / "o.h5")
    assert left(tmp_path) == []
    assert not ooc_train.convert(rows, tmp_path / "o.h5", resume=True, force=True)["resumed"]


@pytest.mark.usefixtures("small")
def test_the_machine_has_restarted(tmp_path, monkeypatch, rows):
    ended(tmp_path, monkeypatch, resume=True)
    monkeypatch.setattr("ooc_train.conversion.identity.boot_id", lambda: "another")
    said = Messages()
    report = ooc_train.convert(rows, tmp_path / "o.h5", resume=True, progress=said)
    assert not report["resumed"]
    assert any("beginning anew" in line for line in said.lines)
    assert left(tmp_path) == []


@pytest.mark.usefixtures("small")
def test_a_folder_that_others_may_write_to_is_not_trusted(tmp_path, monkeypatch, rows):
    ended(tmp_path, monkeypatch, resume=True)
    (folder,) = tmp_path.glob(".ooc-*")
    assert Record.read(folder)
    folder.chmod(0o777)
    assert Record.read(folder) is None
    assert not ooc_train.convert(rows, tmp_path / "o.h5", resume=True)["resumed"]


def test_rows_that_cannot_be_read_again(tmp_path):
    with pytest.raises(OptionError, match="--resume takes files, which can be read again"):
        ooc_train.convert(
            np.zeros((4, 2), np.float32), tmp_path / "o.h5", labels=[0, 1, 0, 1], resume=True
        )
    with pytest.raises(OptionError, match="--resume takes files"):
        ooc_train.convert("-", tmp_path / "o.h5", format="csv", resume=True)


@pytest.mark.usefixtures("small")
def test_wrong_input_leaves_nothing_to_go_on_from(tmp_path, rows):
    rows.write_text("1,one\n2,two\n" + "\n".join(f"{i}" for i in range(300)))
    with pytest.raises(ooc_train.errors.InputError):
        ooc_train.convert(rows, tmp_path / "o.h5", resume=True)
    assert left(tmp_path) == []


@pytest.mark.parametrize("resume", [False, True])
def test_an_interruption_says_how_to_go_on(tmp_path, monkeypatch, capsys, rows, resume):
    def interrupted(*_):
        raise Interrupted("interrupted; nothing was left half written", signal.SIGTERM)

    monkeypatch.setattr(Journal, "note", interrupted)
    monkeypatch.setattr("ooc_train.conversion.convert.convert_few_rows", lambda *_: None)
    arguments = [str(rows), "-o", str(tmp_path / "o.h5"), *(["--resume"] if resume else [])]
    assert command.main(arguments) == 128 + signal.SIGTERM
    said = capsys.readouterr().err
    assert ("the same command goes on from here" in said) == resume
    assert len(left(tmp_path)) == resume


def test_a_journal_without_its_end(tmp_path):
    path = tmp_path / "journal"
    journal = Journal(path)
    for number in range(3):
        journal.note(1, number, {"result": number})
    size = path.stat().st_size
    for cut in range(1, 30):
        with path.open("r+b") as file:
            file.truncate(size - cut)
        again = Journal(path)
        assert [again.has(1, number) for number in range(4)] == [True, True, False, False]
        assert again.result(1, 1) == {"result": 1}
        again.note(1, 2, {"result": 2})
        assert Journal(path).result(1, 2) == {"result": 2}
    damaged = bytearray(path.read_bytes())
    damaged[-1] ^= 1
    path.write_bytes(damaged)
    assert not Journal(path).has(1, 2)


KILLED = [sys.executable, "-m", "ooc_train", "convert", "--features", "ngram", "--workers", "1"]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """The command line of a conversion up to its output, what it writes, and its seconds."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    rows = write_rows(folder / "train.csv", random_rows(20_000, n_words=200))
    command = [*KILLED, str(rows), "--quiet", "-o"]
    began = time.monotonic()
    subprocess.run([*command, str(folder / "o.h5")], check=True)
    return command, (folder / "o.h5").read_bytes(), time.monotonic() - began


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.4, 0.6, 0.8])
def test_a_process_that_is_killed(tmp_path, uninterrupted, share):
    command, expected, seconds = uninterrupted
    output = tmp_path / "o.h5"
    with subprocess.Popen([*command, str(output)]) as process:
        time.sleep(share * seconds)
        process.kill()
    if not output.exists():  # it was faster this time
        subprocess.run([*command, str(output), "--resume"], check=True)
    assert output.read_bytes() == expected
    assert left(tmp_path) == []
