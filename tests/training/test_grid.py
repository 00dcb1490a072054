"""``ooc-train --grid``: trials, their table, failures, and resuming."""

import csv
import json
import signal
import subprocess
import sys
import threading

import pytest

import ooc_train
from ooc_train.cli.train import main
from ooc_train.errors import Interrupted, OptionError
from ooc_train.training import grid
from ooc_train.training.interruption import StopRequest
from ooc_train.training.run.folder import open_run
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


def test_a_signal_is_passed_on_once_and_ends_the_grid():
    request = StopRequest()
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        threading.Timer(0.3, setattr, (request, "signal_number", signal.SIGTERM)).start()
        with pytest.raises(Interrupted, match="stopped, and the trial saved; the same command"):
            grid._wait(process, request)
    assert process.returncode == -signal.SIGTERM
