"""``ooc-train --grid``: trials, their table, failures, and resuming."""

import csv
import json
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import ooc_train
from ooc_train.cli.train import main
from ooc_train.errors import Interrupted, OptionError
from ooc_train.training import grid, side_by_side
from ooc_train.training.run.folder import open_run
from ooc_train.training.side_by_side import waited
from tests.files import Toy, write_toy

COMMON = ["--epochs", "2", "--batch-size", "32", "--quiet"]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("grid")
    return write_toy(folder / "a.h5", toy=Toy(), train=300, validation=100)


@pytest.fixture
def in_this_process(monkeypatch):
    """Trials without processes of their own; their command lines."""
    ran = []

    def run(arguments):
        ran.append(arguments)
        return main(arguments)

    monkeypatch.setattr(grid, "_run", run)
    return ran


def table(folder):
    with (folder / "grid.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_trials_are_all_combinations():
    values = grid.parse_grid(["layers=1,2", "learning_rate=1e-3,1e-4,1e-3"])
    trials = grid.trials_of(values)
    assert [trial.name for trial in trials] == [
        "layers=1,learning-rate=1e-3",
        "layers=1,learning-rate=1e-4",
        "layers=2,learning-rate=1e-3",
        "layers=2,learning-rate=1e-4",
    ]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["units"], "'units' is no part of a grid; write a name and its values, as"),
        (["units="], "'units=' is no part of a grid"),
        (["memory=1"], "a grid cannot vary 'memory'; it can: model, epochs, batch-size"),
        (["lyers=1"], r"a grid cannot vary 'lyers'.*; did you mean 'layers'\?"),
        (["bucket-by-length=1"], "a grid cannot vary 'bucket-by-length'"),
        (["units=1", "units=2"], "the grid names units twice"),
    ],
)
def test_what_is_no_grid(texts, message):
    with pytest.raises(OptionError, match=message):
        grid.trials_of(grid.parse_grid(texts))


@pytest.mark.usefixtures("in_this_process")
@pytest.mark.slow
def test_each_trial_is_a_run_as_by_itself(path, tmp_path, capsys):
    """The guide's grid of layers and units, and the table of all, the best first."""
    folder, report = tmp_path / "grid", tmp_path / "report.json"
    arguments = [str(path), "-o", str(folder), "--grid", "layers=1,2", "units=8,16"]
    arguments += [*COMMON[:-1], "--report", str(report)]
    assert main(arguments) == 0
    lines = table(folder)
    assert {(line["layers"], line["units"]) for line in lines} == {
        ("1", "8"), ("1", "16"), ("2", "8"), ("2", "16"),
    }  # fmt: skip
    losses = [float(line["val_loss"]) for line in lines]
    assert losses == sorted(losses)
    run = open_run(folder / "layers=2,units=16")
    assert run.load_model().sizes[1:] == (16, 1)
    best = json.loads((run.path / "report.json").read_text())["epochs"][1]
    (line,) = [line for line in lines if (line["layers"], line["units"]) == ("2", "16")]
    assert [float(line[name]) for name in ("val_loss", "val_macro_f1")] == [
        best["val_loss"], best["val_macro_f1"],
    ]  # fmt: skip
    assert [line["status"] for line in lines] == ["done"] * 4
    trials = json.loads(report.read_text())["trials"]
    assert [trial["val_loss"] for trial in trials] == losses
    printed = capsys.readouterr().out.splitlines()[-5:]
    assert printed[0].split() == [
        "layers", "units", "loss", "accuracy", "val_loss", "val_accuracy", "val_macro_f1",
        "best_epoch", "seconds", "status",
    ]  # fmt: skip
    assert [row.split()[:2] for row in printed[1:]] == [
        [line["layers"], line["units"]] for line in lines
    ]
    single = [str(path), "-o", str(tmp_path / "single"), *COMMON, "--layers", "2", "--units", "16"]
    assert main(single) == 0
    for mine, its in zip(
        run.load_model().get_weights(),
        open_run(tmp_path / "single").load_model().get_weights(),
        strict=True,
    ):
        assert mine.tobytes() == its.tobytes()


def test_a_trial_that_fails_does_not_end_the_rest(path, tmp_path, in_this_process, capsys):
    folder, report = tmp_path / "grid", tmp_path / "report.json"
    arguments = [str(path), "-o", str(folder), "--report", str(report)]
    arguments += [*COMMON, "--grid", "learning-rate=1e30,1e-3", "--monitor", "val_accuracy"]
    assert main(arguments) == 1
    assert "1 of 2 trials failed, as said above: learning-rate=1e30; the same command with" in (
        capsys.readouterr().err
    )
    assert [line["status"] for line in table(folder)] == ["done", "failed (2)"]
    assert len(json.loads(report.read_text())["trials"]) == 2
    assert len(in_this_process) == 2
    assert main(arguments) == 1
    assert (
        "has trials of this grid already, such as learning-rate=1e-3; continue them by --resume"
        in (capsys.readouterr().err)
    )
    written = (folder / "learning-rate=1e-3" / "model.keras").stat().st_mtime_ns
    assert main([*arguments, "--resume"]) == 1
    assert (folder / "learning-rate=1e-3" / "model.keras").stat().st_mtime_ns == written
    assert len(table(folder)) == 2


@pytest.mark.parametrize("wrong", ["layers=2,0", "units=two", "lr-patience=1"])
def test_what_is_wrong_with_a_trial_is_said_before_the_first(
    path, tmp_path, in_this_process, wrong
):
    arguments = [str(path), "-o", str(tmp_path / "grid"), "--grid", wrong]
    try:
        status = main(arguments)
    except SystemExit as error:
        status = error.code
    assert status == 2
    assert not in_this_process
    assert not (tmp_path / "grid").exists()


def test_the_librarys_grid_is_that_of_the_command(path, tmp_path, in_this_process):
    """Values and options of Python's types; those that are not the default reach each trial."""
    options = {"epochs": 1, "batch_size": 32, "verify": False, "memory_bytes": 64_000_000}
    options["class_weight"] = {"1": 2.0, "2": 0.5}
    report = ooc_train.train_grid(
        path, tmp_path, {"layers": [1], "learning_rate": [0.01, 0.1]}, **options
    )
    assert [trial["layers"] for trial in report["trials"]] == ["1", "1"]
    assert in_this_process[0] == [
        str(path), "--memory=64000000", "--no-verify", "--epochs=1", "--batch-size=32",
        "--class-weight=1=2.0,2=0.5", "--quiet", "--layers=1", "--learning-rate=0.01",
        "--output", str(tmp_path / "layers=1,learning-rate=0.01"),
    ]  # fmt: skip
    settings = open_run(tmp_path / "layers=1,learning-rate=0.1").settings
    assert settings["learning_rate"] == 0.1
    assert settings["class_weight"] == "1=2.0,2=0.5"


def test_callbacks_are_not_for_trials(path, tmp_path):
    with pytest.raises(OptionError, match="callbacks cannot be passed to them; leave them out"):
        ooc_train.train_grid(path, tmp_path, {"layers": [1]}, callbacks=[object()])


@pytest.mark.slow
def test_trials_in_processes(path, tmp_path):
    """One that is killed by its options, and one that is done."""
    folder = tmp_path / "grid"
    arguments = [str(path), "-o", str(folder), *COMMON, "--grid", "learning-rate=1e-3,1e30"]
    assert main(arguments) == 1
    assert [line["status"] for line in table(folder)] == ["done", "failed (2)"]
    assert open_run(folder / "learning-rate=1e-3").class_labels == ["1", "2"]


def test_a_signal_is_passed_on_once():
    asked = [signal.SIGTERM, None]
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        assert waited(process, lambda: asked.pop(0)) == -signal.SIGTERM
    assert asked == [None]


def test_a_signal_ends_the_grid(monkeypatch):
    def begun(*_, **__):
        threading.Timer(0.3, signal.raise_signal, [signal.SIGTERM]).start()
        return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])

    monkeypatch.setattr(grid, "begin_trial", begun)
    with pytest.raises(Interrupted, match="stopped, and the trial saved; the same command"):
        grid._run([])


# Side by side


def weights(folder):
    return [
        [array.tobytes() for array in open_run(run).load_model().get_weights()]
        for run in sorted(folder.glob("learning-rate=*"))
    ]


@pytest.mark.slow
def test_trials_side_by_side_are_those_one_after_another(
    path, tmp_path, monkeypatch, in_this_process, capsys
):
    """The same weights and table from a scheduler, and of a failed trial what it said."""
    common = [*COMMON, "--memory", "64MB", "--grid", "learning-rate=0.01,1e30,0.001"]
    assert main([str(path), "-o", str(tmp_path / "one"), *common]) == 1
    assert len(in_this_process) == 3
    capsys.readouterr()
    monkeypatch.chdir(tmp_path)  # relative paths are those of the caller
    many = [str(path), "-o", "many", *common, "--scheduler", "processes[2]"]
    assert main(many) == 1
    assert len(in_this_process) == 3
    said = capsys.readouterr().err
    assert "1 of 3 trials failed: learning-rate=1e30 (the loss became nan at" in said
    assert "with --resume tries them again" in said
    assert weights(tmp_path / "many") == weights(tmp_path / "one")
    with_seconds = [table(tmp_path / name) for name in ("one", "many")]
    for line in [line for lines in with_seconds for line in lines]:
        line.pop("seconds")
    assert with_seconds[0] == with_seconds[1]
    settings = json.loads((tmp_path / "many" / "learning-rate=0.01" / "report.json").read_text())
    assert settings["memory_budget_bytes"] == 32_000_000
    assert not list((tmp_path / "many").glob(".ooc-*"))


class Pretended:
    """Trials that are other programs, by the value of their option; their command lines."""

    def __init__(self, monkeypatch, programs):
        self.ran, self._programs = [], programs
        monkeypatch.setattr(side_by_side, "python_command", self.command)

    def command(self, _module, arguments):
        self.ran.append(arguments)
        (name,) = [name for name in self._programs if f"--learning-rate={name}" in arguments]
        return [sys.executable, "-c", self._programs[name]]


def sided(path, folder, **options):
    with ThreadPoolExecutor(2) as pool:
        return ooc_train.train_grid(
            path, folder, {"learning_rate": [1.0, 2.0]}, scheduler=pool, **options
        )


def test_a_signal_stops_all_trials_and_waits_for_them(path, tmp_path, monkeypatch):
    saving = (
        "import pathlib, signal, sys, time\n"
        "def saved(number, frame):\n"
        "    time.sleep(0.3); pathlib.Path({0!r}).write_text(str(number))\n"
        "    sys.exit(3)\n"
        "signal.signal(signal.SIGINT, saved)\n"
        "pathlib.Path({1!r}).touch()\n"
        "time.sleep(60)\n"
    )
    places = {
        name: (tmp_path / f"saved{name}", tmp_path / f"begun{name}") for name in ("1.0", "2.0")
    }
    programs = {
        name: saving.format(str(saved), str(begun)) for name, (saved, begun) in places.items()
    }
    Pretended(monkeypatch, programs)

    def interrupt():
        while not all(begun.exists() for _, begun in places.values()):
            time.sleep(0.05)
        signal.raise_signal(signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(Interrupted, match="stopped, and the trials saved; the same command with"):
        sided(path, tmp_path / "grid")
    thread.join()
    assert [saved.read_text() for saved, _ in places.values()] == ["2", "2"]
    assert not list((tmp_path / "grid").iterdir())


def test_what_trials_say_when_they_fail(path, tmp_path, monkeypatch):
    failing = "import sys; sys.exit('first line\\nooc-train: no room')"
    ran = Pretended(monkeypatch, {"1.0": failing, "2.0": "import os; os.abort()"}).ran
    lines = sided(path, tmp_path / "grid", memory_bytes=64_000_000)["trials"]
    assert [line["status"] for line in lines] == ["failed (1)", "failed (-6)"]
    assert lines[0]["error"] == "no room"
    assert "error" not in lines[1]
    assert all("--memory=64000000" in words and "--resume" not in words for words in ran)


def test_a_task_whose_worker_died_continues_its_run(tmp_path, monkeypatch):
    ran = Pretended(monkeypatch, {"1.0": "", "2.0": ""}).ran
    (tmp_path / "run").mkdir()
    for more in ([], ["--force"], ["--resume"]):
        words = ["--learning-rate=1.0", *more]
        side_by_side.run_trial(words, Path("run"), str(tmp_path), tmp_path)
    assert [words[1:] for words in ran] == [["--resume"], ["--force"], ["--resume"]]
    there = tmp_path / "elsewhere"
    ended = side_by_side.run_trial(["--learning-rate=1.0"], Path("run"), str(there), tmp_path)
    assert ended.status == 1
    assert f"there is no folder {there} on " in ended.error


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--scheduler", "processes[2]"], "--scheduler is for the trials of --grid; leave it out"),
        (["--scheduler", "four", "--grid", "units=1"], "--scheduler is an address such as tcp://"),
    ],
)
def test_schedulers_that_a_training_cannot_have(path, tmp_path, capsys, words, message):
    try:
        status = main([str(path), "-o", str(tmp_path / "grid"), *words])
    except SystemExit as error:
        status = error.code
    assert status == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "grid").exists()
