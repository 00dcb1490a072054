"""Commands whose standard streams are closed, full or broken, or whose locale lacks letters."""

import errno
import io
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import ooc_train
from ooc_train.cli import bars
from ooc_train.cli.command import Command
from ooc_train.cli.streams import rows_out, show, tell
from ooc_train.errors import InputError, OutputError
from ooc_train.prediction.inputs import list_inputs
from ooc_train.progress import Silent
from tests.files import without_compiling

CONVERT = f"{sys.executable} -m ooc_train.cli.convert x.npy --labels y.npy -o o.h5"
FULL = "standard output could not be written: No space left on device"
full_device = pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")


@pytest.fixture
def numbers(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(40, dtype=np.float32).reshape(20, 2))
    np.save(tmp_path / "y.npy", np.arange(20) % 2)
    return tmp_path


@full_device
@pytest.mark.parametrize(
    ("redirections", "status", "out", "err"),
    [
        ("<&- 2>&-", 0, "o.h5: 18 train", ""),
        ("<&- >&- 2>&-", 0, "", ""),
        (">/dev/full", 1, "", f"ooc-convert: {FULL}"),
        ("--workers 0 2>/dev/full", 2, "", ""),
    ],
)
def test_no_stream_but_the_output_decides_whether_a_conversion_succeeds(
    numbers, redirections, status, out, err
):
    """In the file is what belongs there: nothing that was printed with the number of a stream."""
    done = subprocess.run(
        ["sh", "-c", f"{CONVERT} --report r.json {redirections}"],
        cwd=numbers,
        env={**os.environ, "PYTHONPATH": str(Path(ooc_train.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    said = without_compiling(done.stderr)
    assert (done.returncode, done.stdout[:14], said[: len(err) or None]) == (status, out, err)
    if status != 2:
        assert ooc_train.verify(numbers / "o.h5")["damaged"] == []
        assert (numbers / "r.json").exists()


class Refusing:
    """A stream that refuses to be written."""

    encoding = "utf-8"

    def __init__(self, number):
        self._error = OSError(number, "refused")

    def write(self, _):
        raise self._error

    def flush(self):
        raise self._error

    def fileno(self):
        raise OSError

    def isatty(self):
        return False


def run(monkeypatch, stream, work, number=errno.ENOSPC):
    monkeypatch.setattr(sys, stream, Refusing(number))
    return Command("ooc-test", "", "").run(work, [])


def test_what_cannot_be_printed_ends_a_command_when_all_is_done(monkeypatch, capsys):
    done = []

    def work(given):
        for line in "ab":
            show(line)
            done.append(line)
        return {}

    assert run(monkeypatch, "stdout", work) == 1
    assert done == ["a", "b"]
    assert capsys.readouterr().err.startswith(f"ooc-test: {FULL}; the files that the command has")
    assert run(monkeypatch, "stdout", work, errno.EPIPE) == 1
    assert capsys.readouterr().err == ""
    monkeypatch.undo()
    assert Command("ooc-test", "", "").run(lambda _: {}, []) == 0  # nothing is remembered


@pytest.mark.parametrize("arguments", ["--help", "--version"])
def test_help_that_cannot_be_printed_is_an_error(monkeypatch, capsys, arguments):
    monkeypatch.setattr(sys, "stdout", Refusing(errno.ENOSPC))
    assert Command("ooc-test", "", "").run(lambda _: {}, [arguments]) == 1
    assert FULL in capsys.readouterr().err


def test_progress_and_warnings_that_cannot_be_printed_change_nothing(monkeypatch):
    assert run(monkeypatch, "stderr", lambda _: tell("epoch 1") or {}) == 0


def test_rows_need_streams_that_are_open(monkeypatch):
    monkeypatch.setattr(sys, "__stdin__", None)
    monkeypatch.setattr(sys, "__stdout__", None)
    with pytest.raises(InputError, match="standard input is closed; name a file"):
        list_inputs("-")
    with pytest.raises(OutputError, match="output is closed; name a file with --output"):
        rows_out()


def test_rows_that_cannot_be_written_are_an_error_at_once(monkeypatch):
    monkeypatch.setattr(sys, "stdout", Refusing(errno.ENOSPC))
    with pytest.raises(OutputError, match=FULL):
        rows_out().write("1,2\n")
    monkeypatch.setattr(sys, "stdout", Refusing(errno.EPIPE))
    with pytest.raises(BrokenPipeError):
        rows_out().write("1,2\n")


@pytest.mark.parametrize(
    ("is_terminal", "seen"), [(True, r"\x1b[31mred\r"), (False, "\x1b[31mred\r")]
)
def test_only_a_terminal_is_shown_escapes_in_rows(monkeypatch, is_terminal, seen):
    stream = io.StringIO(newline="")
    stream.isatty = lambda: is_terminal
    monkeypatch.setattr(sys, "stdout", stream)
    rows_out().write("label\tname\n1\t\x1b[31mred\r\n")
    assert stream.getvalue() == f"label\tname\n1\t{seen}\n"


@pytest.mark.parametrize(
    ("encoding", "expected"), [("ascii", r"gr\xf6\xdfe \u0142"), ("latin-1", r"größe \u0142")]
)
def test_a_locale_without_the_letters_escapes_names_and_not_rows(
    monkeypatch, tmp_path, encoding, expected
):
    path = tmp_path / "out"
    with path.open("w", encoding=encoding) as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        show("größe ł")
        rows_out().write("łódź\n")
    shown, rows = path.read_bytes().splitlines()
    assert shown.decode(encoding) == expected
    assert rows == "łódź".encode()


@pytest.mark.filterwarnings("always:one")
def test_a_warning_is_one_line_with_the_command(capsys):
    work = lambda _: warnings.warn("one\ntwo", stacklevel=1) or {}  # noqa: E731
    assert Command("ooc-test", "", "").run(work, []) == 0
    assert capsys.readouterr().err == "ooc-test: one\\ntwo\n"


FIRST_WORDS = """
import os, sys
from ooc_train.cli import bars

HEAVY = ("numpy", "numba", "h5py", "pyarrow", "tensorflow", "keras", "xxhash", "matplotlib")


class First:
    def start(self, phase, total, unit):
        os.write(1, f"{phase}: {[name for name in HEAVY if name in sys.modules]}\\n".encode())
        os._exit(0)


sys.stderr.isatty = lambda: True
bars.terminal_bars = First
for name, *arguments in eval(sys.argv[1]):
    os.write(1, f"{name} ".encode())
    if os.fork():
        os.wait()
    else:
        main = __import__(f"ooc_train.cli.{name}", fromlist=["main"]).main
        main(arguments)
        os._exit(1)
"""
"""Each command up to its first word in a terminal: which heavy modules are loaded by then."""
CALLS = [
    ("convert", "x.csv", "-o", "x.h5"),
    ("train", "x.h5", "-o", "run"),
    ("train", "x.h5", "-o", "run", "--grid", "layers=1,2"),
    ("evaluate", "run", "x.h5"),
    ("predict", "run", "x.csv"),
    ("inspect", "x.h5"),
    ("inspect", "x.h5", "--verify"),
    ("inspect", "x.csv"),
]


def test_a_command_says_something_before_it_loads_what_takes_time():
    command = [sys.executable, "-c", FIRST_WORDS, repr(CALLS)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    said = [line.partition(" ")[2] for line in done.stdout.splitlines()]
    assert said == ["starting: []" if call[0] == "train" and len(call) == 4 else "loading: []"
                    for call in CALLS]  # fmt: skip


def test_a_terminal_without_a_size_is_told_lines(monkeypatch):
    """Bars would not be seen there."""
    monkeypatch.setattr(bars, "terminal_bars", Silent)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    for columns, expected in ((0, bars.Lines), (80, Silent)):
        size = os.terminal_size((columns, 24))
        monkeypatch.setattr(os, "get_terminal_size", lambda _, size=size: size)
        assert isinstance(bars.progress_of(quiet=False)._inner, expected)
        bars.finish_all()
