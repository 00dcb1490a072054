"""The commands: help, exit status, messages, reports, and what they do not load."""

import importlib
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ooc_train.cli import entry
from ooc_train.cli.bars import progress_of, terminal_bars
from ooc_train.cli.command import Command
from ooc_train.errors import InputError, OptionError
from ooc_train.progress import Reading, Silent
from ooc_train.training.options import RunOptions
from ooc_train.version import __version__
from tests.corpora import random_rows, write_rows

COMMANDS = ("convert", "train", "evaluate", "predict", "inspect")
README = Path(__file__).parents[2] / "README.md"


def main_of(command):
    return importlib.import_module(f"ooc_train.cli.{command}").main


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches_with_an_example_and_stands_in_the_readme(command, capsys):
    with pytest.raises(SystemExit) as exit_:
        main_of(command)(["--help"])
    assert exit_.value.code == 0
    text = capsys.readouterr().out
    assert re.search(rf"example:\n  .*ooc-{command} ", text)
    for option in ("--report", "--quiet", "--debug", "--version"):
        assert option in text
    assert f"ooc-{command}" in README.read_text("utf-8")


@pytest.mark.parametrize("command", COMMANDS)
def test_version(command, capsys):
    with pytest.raises(SystemExit) as exit_:
        main_of(command)(["--version"])
    assert exit_.value.code == 0
    assert capsys.readouterr().out == f"ooc-{command} {__version__}\n"


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (["--no-such-option", "a"], "there is no option --no-such-option; --help lists the opt"),
        (["a", "--repport=b"], "there is no option --repport; did you mean --report?"),
        (["--report"], "argument --report: expected one argument; ooc-{} --help shows how it is"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_status_2(command, wrong, message, capsys):
    assert main_of(command)(wrong) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith(f"ooc-{command}: {message.format(command)}")
    assert (shown.out, shown.err.count("\n")) == ("", 1)


def test_a_mistyped_option_is_told_before_what_is_missing_for_it(capsys):
    assert main_of("convert")(["a.csv", "--ouput", "o.h5"]) == 2
    assert capsys.readouterr().err == (
        "ooc-convert: there is no option --ouput; did you mean --output?\n"
    )
    assert main_of("convert")(["a.csv"]) == 2
    assert "-o/--output is missing, the HDF5 file to write; " in capsys.readouterr().err


def test_behind_two_hyphens_files_are_called_like_options(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main_of("convert")(["-o", "o.h5", "--", "--repport"]) == 1
    assert "--repport does not exist" in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS)
def test_ooc_runs_the_commands(command, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["ooc", command, "--version"])
    with pytest.raises(SystemExit):
        entry.ooc()
    assert capsys.readouterr().out == f"ooc-{command} {__version__}\n"


def test_ooc_lists_its_commands(monkeypatch, capsys):
    for arguments in ([], ["--help"]):
        monkeypatch.setattr(sys, "argv", ["ooc", *arguments])
        assert entry.ooc() == 0
        shown = capsys.readouterr().out
        assert all(f"  ooc {command} " in shown for command in COMMANDS)
    monkeypatch.setattr(sys, "argv", ["ooc", "--version"])
    assert (entry.ooc(), capsys.readouterr().out) == (0, f"ooc {__version__}\n")
    monkeypatch.setattr(sys, "argv", ["ooc", "convrt"])
    assert entry.ooc() == 2
    assert capsys.readouterr().err == "ooc: there is no command 'convrt'; did you mean convert?\n"


def test_the_package_runs_as_ooc():
    command = [sys.executable, "-m", "ooc_train", "--version"]
    done = subprocess.run(command, cwd=README.parent, capture_output=True, text=True, check=True)
    assert done.stdout == f"ooc {__version__}\n"


def test_files_stand_anywhere_and_behind_two_hyphens_whatever_their_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.csv", "b.csv", "-c.csv"):
        write_rows(tmp_path / name, random_rows(30))
    options = ["--features", "sequence", "--force", "--quiet", "--report", "r.json"]
    for given, files in (
        (["a.csv", "-o", "o.h5", "b.csv", *options, "./-c.csv"], ["a.csv", "b.csv", "-c.csv"]),
        (["-o", "o.h5", *options, "--", "-c.csv"], ["-c.csv"]),
    ):
        assert main_of("convert")(given) == 0
        assert [file["name"] for file in json.loads(Path("r.json").read_text())["files"]] == files


def test_ctrl_c_during_the_imports_is_one_line(monkeypatch, capsys):
    def interrupted(name):
        raise KeyboardInterrupt

    monkeypatch.setattr(importlib, "import_module", interrupted)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    left = []
    monkeypatch.setattr(entry, "_leave", left.append)
    assert entry.convert() == 130
    assert left == [130]  # or the tests would end here
    assert capsys.readouterr() == ("", "ooc-convert: interrupted before it began\n")


def test_hardly_anything_is_imported_before_ctrl_c_is_caught():
    listing = "import sys, ooc_train.cli.entry; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-S", "-c", listing],
        cwd=README.parent, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert {"enum", "pathlib", "re", "typing"}.isdisjoint(done.stdout.split())


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_begins_at_its_entry(command, monkeypatch, capsys):
    text = (README.parent / "pyproject.toml").read_text("utf-8")
    assert f'ooc-{command} = "ooc_train.cli.entry:{command}"' in text
    monkeypatch.setattr(sys, "argv", [command, "--version"])
    with pytest.raises(SystemExit):
        getattr(entry, command)()
    assert capsys.readouterr().out.startswith(f"ooc-{command} ")


def run_raising(error, *arguments):
    def work(_):
        raise error

    return Command("ooc-test", "", "").run(work, arguments)


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (InputError("data.csv, line 3: bad"), 1, "ooc-test: data.csv, line 3: bad\n"),
        (OptionError("--seed is bad"), 2, "ooc-test: --seed is bad\n"),
        (KeyboardInterrupt(), 130, "ooc-test: interrupted; nothing was left half written\n"),
        (OSError(36, "too long", "é\x1b.csv"), 1, "ooc-test: é\\x1b.csv: File name too long\n"),
        (ZeroDivisionError("oops"), 1, "ooc-test: ZeroDivisionError: oops (run again with"),
    ],
)
def test_errors_become_one_sentence_and_a_status(error, status, message, capsys):
    assert run_raising(error) == status
    captured = capsys.readouterr()
    assert captured.err.startswith(message)
    assert "Traceback" not in captured.err
    assert not captured.out
    with pytest.raises(type(error)):
        run_raising(error, "--debug")


def test_a_report_that_cannot_be_written_is_found_before_the_work(tmp_path, capsys):
    worked = []
    status = Command("ooc-test", "", "").run(
        lambda _: worked.append(1) or {}, ["--report", str(tmp_path / "none" / "r.json")]
    )
    assert status == 1
    assert not worked
    assert "the report, cannot be written" in capsys.readouterr().err


def test_sizes_on_the_command_line(capsys):
    seen = []
    command = Command("ooc-test", "", "", [RunOptions])

    def run(size):
        return command.run(lambda given: seen.append(given.values) or {}, ["--memory", size])

    assert run("512MB") == run("1.5 GiB") == 0
    assert seen == [{"memory_bytes": 512_000_000}, {"memory_bytes": 1_610_612_736}]
    assert run("lots") == 2
    assert (
        "ooc-test: --memory: 'lots' is not a size; write a number and a unit"
        in capsys.readouterr().err
    )


@pytest.fixture
def converted(tmp_path, capsys):
    train = write_rows(tmp_path / "train.csv", random_rows(200))
    test = write_rows(tmp_path / "test.csv", random_rows(50, seed=1))
    output, report = tmp_path / "o.h5", tmp_path / "r.json"
    arguments = [str(train), "--test", str(test), "-o", str(output), "--report", str(report)]
    assert main_of("convert")(arguments) == 0
    return output, json.loads(report.read_text()), capsys.readouterr()


def test_convert_reports_what_scripts_rely_on(converted):
    _, report, captured = converted
    assert (report["rows"], report["test_rows"], report["validation_rows"]) == (180, 50, 20)
    assert (report["rejected_rows"], report["replaced_rows"]) == (0, 0)
    assert report["classes"] == ["1", "2", "3"]
    assert (report["features"], report["n_features"] > 10) == ("ngram", True)
    assert 0 < report["seconds"] < 600
    assert 10**7 < report["peak_anon_bytes"] <= report["peak_rss_bytes"]
    assert "180 train, 20 validation and 50 test rows of 3 classes" in captured.out


def test_quiet_prints_nothing(tmp_path, capsys):
    train = write_rows(tmp_path / "train.csv", random_rows(50))
    assert main_of("convert")([str(train), "-o", str(tmp_path / "o.h5"), "--quiet"]) == 0
    assert main_of("inspect")([str(tmp_path / "o.h5"), "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


def test_inspect_shows_what_is_in_the_file(converted, capsys, tmp_path):
    output, _, _ = converted
    assert main_of("inspect")([str(output), "--report", str(tmp_path / "i.json")]) == 0
    text = capsys.readouterr().out
    report = json.loads((tmp_path / "i.json").read_text())
    assert re.search(r"train +180 ", text)
    assert sum(report["splits"]["test"]["class_counts"]) == 50
    assert report["provenance"]["sources"]["train"][0]["name"] == "train.csv"
    assert str(tmp_path) not in json.dumps(report["provenance"])


HEAVY = ("tensorflow", "keras", "numba", "pandas", "sklearn", "scipy")


def loaded_by(code):
    """Which heavy modules a fresh interpreter has loaded after ``code``."""
    listing = f"import sys; {code}; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", listing], capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()[-1]


def test_import_and_inspect_load_nothing_heavy(converted):
    output, _, _ = converted
    assert loaded_by("import ooc_train") == "[]"
    inspect = f"from ooc_train.cli.inspect import main; main(['{output}'])"
    assert loaded_by(inspect) == "[]"
    # The check can fail: this loads one of them.
    assert "'numba'" in loaded_by("import ooc_train; ooc_train.convert")


def test_the_facade_has_what_it_says():
    import ooc_train

    assert sorted(ooc_train.__all__) == [
        "BudgetError", "EmptyInputError", "FormatError", "InputError", "Interrupted",
        "OocTrainError", "OptionError", "OutputError", "convert", "evaluate", "explore", "inspect",
        "load", "open", "predict", "train", "train_grid", "verify",
    ]  # fmt: skip
    for name in ooc_train.__all__:
        assert callable(getattr(ooc_train, name))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = ooc_train.nothing


@pytest.mark.parametrize("features", ["auto", "sequence"])
def test_every_reading_tells_its_rows(tmp_path, features):
    """Either the bar counts them or they stand beside it."""
    import ooc_train

    class Recorder(Silent):
        def __init__(self):
            self.phases = {}

        def start(self, phase, total, unit):
            self.phases[phase] = self.phase = {"total": total, "unit": unit, "done": 0, "text": ""}

        def advance(self, amount):
            self.phase["done"] += amount

        def show(self, text):
            self.phase["text"] = text

    source = write_rows(tmp_path / "train.csv", random_rows(100))
    recorder = Recorder()
    ooc_train.convert(source, tmp_path / "o.h5", features=features, progress=recorder)
    for phase, seen in recorder.phases.items():
        if phase == "reading":
            assert (seen["unit"], seen["done"]) == ("B", source.stat().st_size)
            assert re.fullmatch(r"100 rows, [\d,]+ rows/s", seen["text"])
        if phase == "writing" or (phase == "transforming" and features == "sequence"):
            assert (seen["unit"], seen["done"], seen["total"]) == ("row", 100, 100)
    assert {"reading", "transforming", "writing"} <= set(recorder.phases)


def test_a_bar_shows_phase_rows_rates_and_time_left(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    bars, clock = terminal_bars(), iter(range(0, 1000, 2))
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    reading = Reading(bars, "reading", 4_000_000)
    bars._bar.start_t = bars._bar.last_print_t = 0  # long ago, so that it is drawn
    bars._bar._time = lambda: 10.0
    reading.advance(1_000_000, 2000)
    shown = capsys.readouterr().err
    assert "reading: 25%" in shown
    assert "00:30 left, 2,000 rows, 1,000 rows/s" in shown
    bars.finish()


def test_bars_appear_only_on_standard_error(capsys):
    bars = terminal_bars()
    bars.start("reading", 10, "row")
    bars.advance(10)
    bars.show("loss 1")
    bars.message("kept")
    bars.finish()
    captured = capsys.readouterr()
    assert not captured.out
    assert "kept" in captured.err


def test_where_there_is_no_terminal_a_line_a_minute_is_printed(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    lines = progress_of(quiet=False)
    lines.start("epoch 2", 1000, "rows")
    for second in range(0, 130, 10):
        now[0] = second
        lines.show(f"step {second}")
        lines.advance(5)
    lines.message("epoch 2: done")
    lines.start("reading", None, "lines")
    now[0] += 60
    lines.advance(6)
    lines.finish()
    assert capsys.readouterr() == (
        "",
        "epoch 2: 4%, 1 rows/s, step 60, 27:34 left\n"
        "epoch 2: 6%, 1 rows/s, step 120, 28:46 left\n"
        "epoch 2: done\n"
        "reading: 0 lines/s\n",
    )


def test_a_log_says_at_once_that_something_is_done(capsys):
    lines = progress_of(quiet=False)
    lines.start("starting", None, "")
    lines.start("compiling", None, "")
    assert capsys.readouterr().err == "starting ...\n"


def test_an_error_stands_on_a_line_of_its_own(capsys, monkeypatch):
    """Ctrl-C, too: the bar is taken away before the message."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)

    def work(given):
        progress_of(quiet=False).start("loading TensorFlow", None, "")
        raise KeyboardInterrupt

    assert Command("ooc-try", "Tries.", "  ooc-try").run(work, []) == 130
    *_, last = capsys.readouterr().err.rstrip("\n").split("\r")
    assert last.startswith("ooc-try: interrupted")
