"""A training that is interrupted at any moment and resumed ends as if it never had been."""

import csv
import functools
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from ooc_train.cli.evaluate import main as evaluate_main
from ooc_train.cli.train import main as train_main
from ooc_train.errors import FormatError, InputError, Interrupted, OptionError, OutputError
from ooc_train.progress import Silent
from ooc_train.reading.rows import Batch, DenseRows
from ooc_train.reading.store import open as open_store
from ooc_train.training.models.backend import keras
from ooc_train.training.run.checkpoints import CheckpointFolder, read_checkpoint
from ooc_train.training.run.folder import open_run
from ooc_train.training.run.lock import locked
from ooc_train.training.run.saver import Saver
from ooc_train.training.steps.divergence import divergence
from ooc_train.training.train import train
from tests.files import SequenceToy, Toy, write_dense, write_file, write_sequences, write_toy
from tests.full_disk import limited_files

RATES = ("seconds", "rows_per_second", "input_wait_share")
RUN_FILES = [
    "checkpoints", "history.csv", "model.keras", "report.json", "settings.json", "settings.toml",
    "vectorizer.h5",
]  # fmt: skip
N_TERMS = 60
OWN_MODEL = "tests.training.test_resume:own_model"
STEPS = {"batch_size": 32, "checkpoint_every": 1}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("resume")


@pytest.fixture(scope="module")
def ngrams(folder):
    """10 steps an epoch, and 4 of validation."""
    return write_toy(folder / "ngrams.h5", toy=Toy(), train=300, validation=100)


@pytest.fixture(scope="module")
def unvalidated(folder):
    return write_toy(folder / "unvalidated.h5", toy=Toy(), train=300)


@pytest.fixture(scope="module")
def sequences(folder):
    return write_sequences(
        folder / "sequences.h5", toy=SequenceToy(n_terms=N_TERMS), train=300, validation=100
    )


@pytest.fixture(scope="module")
def numbers(folder):
    return write_dense(folder / "numbers.h5", train=300, validation=100)


@pytest.fixture(scope="module")
def vectors(folder):
    rng = np.random.default_rng(0)
    lines = [f"term{k} " + " ".join(map(str, rng.normal(size=4))) for k in range(N_TERMS)]
    (folder / "vectors.txt").write_text("\n".join(lines) + "\n")
    return folder / "vectors.txt"


def own_model(shape):
    """A model with weights that are not trained, and with randomness of its own."""
    return keras.Sequential(
        [
            keras.Input((shape.n_columns,)),
            keras.layers.BatchNormalization(),
            keras.layers.GaussianDropout(0.2),
            keras.layers.Dense(8, "relu"),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(shape.n_classes, "softmax"),
        ]
    )


class Killed(BaseException):
    """What ends a process as far as this one can tell."""


class Killing(Silent):
    """Lets a training live for so many batches; keeps what it says."""

    def __init__(self, n_batches):
        self.n_left = n_batches
        self.said = []

    def advance(self, amount):
        self.n_left -= 1
        if self.n_left == 0:
            self.strike()

    def strike(self):
        raise Killed

    def message(self, text):
        self.said.append(text)


class Signalling(Killing):
    """Sends this process a signal instead."""

    def __init__(self, n_batches, number):
        super().__init__(n_batches)
        self.number = number

    def strike(self):
        signal.raise_signal(self.number)


def kill(path, run, n_batches, **options):
    """A training that dies; what it has said."""
    progress = Killing(n_batches)
    with pytest.raises(Killed):
        train(path, run, progress=progress, **options)
    return progress.said


def weights(run):
    return open_run(run, trust_code=True).load_model().get_weights()


def history(run):
    """The lines of the history, without what depends on the time."""
    with (run / "history.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    return [{name: text for name, text in line.items() if name not in RATES} for line in lines]


def check_same(one, other):
    for mine, its in zip(weights(one), weights(other), strict=True):
        assert mine.tobytes() == its.tobytes()
    assert history(one) == history(other)
    reports = [json.loads((run / "report.json").read_text()) for run in (one, other)]
    for report in reports:
        assert [{"epoch": str(i), **_texts(e)} for i, e in enumerate(report["epochs"], 1)] == (
            history(one)
        )
    assert reports[0]["best_epoch"] == reports[1]["best_epoch"]
    assert reports[0]["steps"] == reports[1]["steps"]
    assert reports[0]["embeddings"] == reports[1]["embeddings"]


def _texts(figures):
    figures = {name: value for name, value in figures.items() if name not in RATES}
    return {name: "" if value is None else str(value) for name, value in figures.items()}


@pytest.fixture(scope="module")
def plain(folder, ngrams):
    """A run that was never broken off."""
    train(ngrams, folder / "plain", epochs=3, **STEPS)
    return folder / "plain"


# To the same weights


ALL_OPTIONS = {
    "class_weight": {"1": 2.0}, "label_smoothing": 0.1, "weight_decay": 0.1,
    "global_clipnorm": 0.5, "warmup_steps": 4,
}  # fmt: skip
CASES = {
    "mlp": ("ngrams", {"epochs": 3}, [5, 3, 12, 4, 9]),
    "dense": ("numbers", {"epochs": 3}, [5, 3, 12, 4, 9]),
    "dense, options": ("numbers", ALL_OPTIONS | {"epochs": 3, "learning_rate": 0.05,
                       "lr_schedule": "plateau", "monitor": "val_macro_f1"}, [6, 30]),
    "keras": ("ngrams", {"epochs": 2, "optimizer": "adam"}, [6, 11]),
    "options": ("ngrams", ALL_OPTIONS | {"epochs": 3, "lr_schedule": "cosine"}, [6, 11]),
    "keras, options": ("ngrams", ALL_OPTIONS | {"epochs": 3, "optimizer": "adam",
                       "learning_rate": 0.05, "lr_schedule": "plateau",
                       "monitor": "val_macro_f1"}, [6, 30]),
    "own": ("ngrams", {"epochs": 2, "model": OWN_MODEL}, [3, 9, 6]),
    "sepcnn": ("sequences", {"epochs": 2, "embedding_dimension": 4}, [7, 12]),
    "thawed": ("sequences", {"epochs": 3, "bucket_by_length": True, "embedding_dimension": None},
               [15, 8, 6]),
}  # fmt: skip
"""Data, options, and after how many batches, validation's included, each session dies."""


@pytest.mark.parametrize("case", CASES)
@pytest.mark.slow
def test_killed_over_and_over_it_ends_with_the_same_weights(case, folder, request, tmp_path):
    data, options, moments = CASES[case]
    path, run = request.getfixturevalue(data), tmp_path / "killed"
    options = STEPS | options
    if case == "thawed":
        vectors = tmp_path / "vectors.txt"
        vectors.write_bytes(request.getfixturevalue("vectors").read_bytes())
        options |= {"embeddings": vectors}
    train(path, tmp_path / "whole", **options)
    for session, moment in enumerate(moments):
        # The first continues from an epoch's end, for one case that before which words are thawed.
        more = {"checkpoint_every": "1h"} if moment == 15 else {}
        kill(path, run, moment, resume=session > 0, **options | more)
        if case == "thawed" and session == 0:
            assert CheckpointFolder(run / "checkpoints").n_steps() == 10
            vectors.unlink()  # what was taken of it is in the checkpoints
    more = {"memory_bytes": 1_000_000} if case == "mlp" else {}  # which may change
    report = train(path, run, resume=True, **options, **more)
    check_same(run, tmp_path / "whole")
    assert report["sessions"] == len(moments) + 1
    assert report["seconds"] > sum(epoch["seconds"] for epoch in report["epochs"])
    assert sorted(file.name for file in run.iterdir()) == RUN_FILES


COMMAND = """
import sys
from ooc_train.cli.train import main
sys.exit(main(sys.argv[1:]))
"""


def test_killed_by_the_system(unvalidated, tmp_path):
    """The lock and files in the making are what a dead process leaves."""
    run = tmp_path / "run"
    options = {"epochs": 10, **STEPS}
    arguments = [str(unvalidated), "-o", str(run), "--epochs", "10", "--batch-size", "32"]
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND, *arguments, "--checkpoint-every", "1"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=Path(__file__).parents[2],
    ) as process:
        while process.poll() is None and not CheckpointFolder(run / "checkpoints").files():
            time.sleep(0.002)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    report = train(unvalidated, run, resume=True, **options)
    assert report["sessions"] == 2
    train(unvalidated, tmp_path / "whole", **options)
    check_same(run, tmp_path / "whole")


# The checkpoint that it continues from


@pytest.fixture
def no_checkpoint_left_out(monkeypatch):
    """Each that is due is on the disk before the next step, however slow the disk."""
    monkeypatch.setattr(Saver, "save", functools.partialmethod(Saver.save, wait=True))


@pytest.mark.usefixtures("no_checkpoint_left_out")
def test_a_damaged_checkpoint_is_recognised_and_the_one_before_used(plain, ngrams, tmp_path):
    run = tmp_path / "run"
    kill(ngrams, run, 8, epochs=3, **STEPS)
    newest, before = CheckpointFolder(run / "checkpoints").files()
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    progress = Killing(0)
    train(ngrams, run, resume=True, epochs=3, progress=progress, **STEPS)
    assert progress.said[0] == (
        f"{newest} is damaged: its checksum is another; an older checkpoint is used if there is one"
    )
    assert before.stem < newest.stem
    check_same(run, plain)


@pytest.mark.usefixtures("no_checkpoint_left_out")
def test_without_a_whole_checkpoint_it_begins_anew_and_says_so(plain, ngrams, tmp_path):
    run = tmp_path / "run"
    kill(ngrams, run, 8, epochs=3, **STEPS)
    for path in CheckpointFolder(run / "checkpoints").files():
        path.write_bytes(path.read_bytes()[:1000])
    progress = Killing(0)
    report = train(ngrams, run, resume=True, epochs=3, progress=progress, **STEPS)
    assert progress.said[2] == f"{run} has no checkpoint; the training begins anew"
    assert report["sessions"] == 1
    check_same(run, plain)


def test_where_there_is_no_run_resume_begins_one(plain, ngrams, tmp_path):
    train(ngrams, tmp_path / "run", resume=True, epochs=3, **STEPS)
    check_same(tmp_path / "run", plain)


def test_only_the_last_checkpoint_of_a_complete_run_stays(plain):
    (checkpoint,) = CheckpointFolder(plain / "checkpoints").files()
    assert read_checkpoint(checkpoint).facts["standing"]["epoch"] == 3


def test_the_history_grows_as_epochs_end(ngrams, tmp_path):
    kill(ngrams, tmp_path / "run", 30, epochs=3, **STEPS)
    assert [line["epoch"] for line in history(tmp_path / "run")] == ["1", "2"]


# More epochs


@pytest.mark.parametrize("data", ["ngrams", "unvalidated"])
def test_more_epochs_go_on_from_the_end(data, request, tmp_path):
    path = request.getfixturevalue(data)
    train(path, tmp_path / "whole", epochs=3, **STEPS)
    train(path, tmp_path / "run", epochs=1, **STEPS)
    kill(path, tmp_path / "run", 3, epochs=3, resume=True, **STEPS)
    with pytest.raises(FormatError, match="is not complete; wait for it"):
        open_run(tmp_path / "run")
    train(path, tmp_path / "run", resume=True, **STEPS)  # as many as were asked for last
    check_same(tmp_path / "run", tmp_path / "whole")


def test_killed_after_the_last_epoch_it_writes_what_is_missing(unvalidated, tmp_path):
    train(unvalidated, tmp_path / "whole", epochs=2, **STEPS)
    run = shutil.copytree(tmp_path / "whole", tmp_path / "run")
    for name in ("report.json", "model.keras", "history.csv"):
        (run / name).unlink()
    train(unvalidated, run, resume=True, epochs=2, **STEPS)
    check_same(run, tmp_path / "whole")


def test_a_complete_run_is_left_as_it_is(ngrams, plain):
    before = {path: path.stat().st_mtime_ns for path in plain.iterdir()}
    progress = Killing(0)
    report = train(ngrams, plain, resume=True, progress=progress, **STEPS)
    assert report == json.loads((plain / "report.json").read_text())
    assert progress.said == [f"the run {plain} is complete; more --epochs would continue it"]
    assert before == {path: path.stat().st_mtime_ns for path in plain.iterdir()}


def test_a_run_that_stopped_early_is_not_trained_further(folder, tmp_path):
    """Labels without any signal: validation soon suffers."""
    toy = Toy(signal=0, mean_entries=20)
    path = write_toy(tmp_path / "noise.h5", toy=toy, train=200, validation=400)
    options = {"learning_rate": 0.02, **STEPS}
    report = train(path, tmp_path / "run", epochs=500, **options)
    progress = Killing(0)
    again = train(path, tmp_path / "run", resume=True, epochs=600, progress=progress, **options)
    assert again == report
    (said,) = progress.said
    assert said.endswith(f"is complete: it stopped early, after epoch {len(report['epochs'])}")
    # Killed after the last epoch and before the model is written: the best weights are known.
    best = weights(tmp_path / "run")
    (tmp_path / "run" / "report.json").unlink()
    (tmp_path / "run" / "model.keras").unlink()
    again = train(path, tmp_path / "run", resume=True, **options)
    assert (again["steps"], again["best_epoch"]) == (report["steps"], report["best_epoch"])
    for mine, its in zip(weights(tmp_path / "run"), best, strict=True):
        assert (mine == its).all()


# What is refused


def test_force_and_resume(ngrams, tmp_path):
    with pytest.raises(OptionError, match="--force begins anew and --resume continues; leave"):
        train(ngrams, tmp_path / "run", force=True, resume=True)


@pytest.fixture(scope="module")
def broken_off(folder, ngrams):
    """A run that was killed in its first epoch."""
    kill(ngrams, folder / "broken", 5, epochs=3, **STEPS)
    return folder / "broken"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"batch_size": 33}, "--batch-size was 32 and is 33;"),
        ({"learning_rate": 0.1}, r"--learning-rate was 0.001 and is 0.1;"),
        ({"seed": 1}, "--seed was 0 and is 1;"),
        ({"optimizer": "adam"}, "--optimizer was deferred-adam and is adam;"),
        ({"class_weight": "balanced"}, "--class-weight was not given and is balanced;"),
        ({"monitor": "val_accuracy"}, "--monitor was val_loss and is val_accuracy;"),
        ({"layers": 3}, "--layers was not given and is 3;"),
        ({"dropout_rate": 0.5}, "--dropout-rate was not given and is 0.5;"),
        ({"patience": 3}, "--patience was 2 and is 3;"),
        ({"label_smoothing": 0.1}, "--label-smoothing was 0.0 and is 0.1;"),
        ({"weight_decay": 0.1}, "--weight-decay was 0.0 and is 0.1;"),
        ({"global_clipnorm": 1.0}, "--global-clipnorm was not given and is 1.0;"),
        ({"lr_schedule": "plateau"}, "--lr-schedule was constant and is plateau;"),
        ({"warmup_steps": 9}, "--warmup-steps was 0 and is 9;"),
        ({"epochs": 2}, "--epochs was 3 and is 2, not upwards;"),
        ({"model": OWN_MODEL}, f"--model was mlp and is {OWN_MODEL}"),
        ({"seed": 1, "epochs": 1}, "--seed was 0 and is 1; --epochs was 3 and is 1, not upwards;"),
    ],
)
def test_other_options(ngrams, broken_off, changed, message):
    with pytest.raises(OptionError, match=f"began with other options: {message}"):
        train(ngrams, broken_off, resume=True, **(STEPS | changed))
    assert CheckpointFolder(broken_off / "checkpoints").files()


def test_a_run_that_is_older_than_an_option_has_its_default(ngrams, tmp_path):
    kill(ngrams, tmp_path / "run", 5, epochs=1, **STEPS)
    path = tmp_path / "run" / "settings.json"
    settings = json.loads(path.read_text())
    del settings["label_smoothing"]
    path.write_text(json.dumps(settings))
    with pytest.raises(OptionError, match=r"--label-smoothing was 0\.0 and is 0\.1;"):
        train(ngrams, tmp_path / "run", resume=True, label_smoothing=0.1, **STEPS)
    train(ngrams, tmp_path / "run", resume=True, **STEPS)


def test_a_cosine_ends_with_the_epochs_that_it_began_with(ngrams, tmp_path):
    options = {"lr_schedule": "cosine", **STEPS}
    kill(ngrams, tmp_path / "run", 5, epochs=3, **options)
    for epochs in (2, 4):
        with pytest.raises(OptionError, match=f"options: --epochs was 3 and is {epochs}; give"):
            train(ngrams, tmp_path / "run", resume=True, epochs=epochs, **options)
    train(ngrams, tmp_path / "run", resume=True, **options)


def test_other_data(broken_off, tmp_path):
    other = write_toy(tmp_path / "ngrams.h5", toy=Toy(), train=300, validation=100, seed=1)
    with pytest.raises(OptionError, match=r"began with other data than ngrams.h5 holds now; give"):
        train(other, broken_off, resume=True, **STEPS)


def test_the_same_data_under_another_name_will_do(ngrams, folder, tmp_path):
    kill(ngrams, tmp_path / "run", 5, epochs=1, **STEPS)
    (tmp_path / "moved.h5").write_bytes(ngrams.read_bytes())
    train(tmp_path / "moved.h5", tmp_path / "run", resume=True, **STEPS)


def test_another_model_by_the_same_name(ngrams, tmp_path, monkeypatch):
    name = OWN_MODEL
    kill(ngrams, tmp_path / "run", 5, epochs=1, model=name, **STEPS)

    def wider(shape):
        return keras.Sequential([keras.Input((shape.n_columns,)), keras.layers.Dense(2, "softmax")])

    monkeypatch.setattr("tests.training.test_resume.own_model", wider)
    with pytest.raises(OptionError, match="own_model has other weights than when the run began"):
        train(ngrams, tmp_path / "run", resume=True, model=name, **STEPS)


def test_an_unfinished_run_is_not_overwritten_silently(ngrams, plain, tmp_path, capsys):
    run = tmp_path / "run"
    kill(ngrams, run, 5, epochs=3, **STEPS)
    with pytest.raises(OutputError, match="unfinished run; continue it with --resume, or replace"):
        train(ngrams, run, epochs=3, **STEPS)
    assert CheckpointFolder(run / "checkpoints").files()
    assert evaluate_main([str(run), str(ngrams), "--split", "validation"]) == 1
    assert "is not complete; wait for it, or continue it with ooc-train --resume" in (
        capsys.readouterr().err
    )
    (run / "notes").mkdir()
    train(ngrams, run, force=True, epochs=3, **STEPS)
    assert sorted(file.name for file in run.iterdir()) == RUN_FILES
    check_same(run, plain)


def test_two_trainings_in_one_folder(ngrams, tmp_path):
    kill(ngrams, tmp_path / "run", 5, epochs=1, **STEPS)
    with locked(tmp_path / "run" / "checkpoints" / "lock", tmp_path):
        for how in ({"resume": True}, {"force": True}, {}):
            with pytest.raises(OutputError, match="another training is writing to .*run; wait for"):
                train(ngrams, tmp_path / "run", **how, **STEPS)
    train(ngrams, tmp_path / "run", resume=True, **STEPS)


def test_a_killed_beginning_is_no_run(ngrams, tmp_path):
    """Nothing but the folder of the checkpoints, or settings with no checkpoint yet."""
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    (tmp_path / "run" / "checkpoints" / "lock").touch()
    train(ngrams, tmp_path / "run", epochs=1, **STEPS)
    assert open_run(tmp_path / "run").class_labels == ["1", "2"]


def test_elsewhere_is_told(ngrams, tmp_path, monkeypatch):
    kill(ngrams, tmp_path / "run", 5, epochs=1, **STEPS)
    monkeypatch.setattr("ooc_train.training.train.version", lambda package: "99")
    progress = Killing(0)
    train(ngrams, tmp_path / "run", resume=True, progress=progress, **STEPS)
    assert progress.said[0].startswith(
        "continues elsewhere than it began, so that bits may differ:"
    )
    assert progress.said[0].endswith("is 99")


# Signals, full disks, losses that are not finite


@pytest.mark.parametrize(
    ("n_batches", "number", "where"),
    [
        (5, signal.SIGINT, "step 5 of epoch 1"),
        (27, signal.SIGTERM, "step 10 of epoch 2"),  # in the validation
    ],
)
def test_a_signal_saves_and_says_how_to_go_on(plain, ngrams, tmp_path, n_batches, number, where):
    run, every = tmp_path / "run", {"batch_size": 32, "checkpoint_every": "1h"}
    with pytest.raises(Interrupted, match=f"stopped after {where}, and saved; the same") as raised:
        train(ngrams, run, epochs=3, progress=Signalling(n_batches, number), **every)
    assert raised.value.signal_number == number
    train(ngrams, run, resume=True, **every)
    check_same(run, plain)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.slow
def test_the_exit_status_tells_the_signal(ngrams, tmp_path, monkeypatch, capsys, number, status):
    monkeypatch.setattr("ooc_train.cli.train.begun", lambda _, quiet: Signalling(3, number))
    assert train_main([str(ngrams), "-o", str(tmp_path / "run")]) == status
    assert capsys.readouterr().err == (
        "ooc-train: stopped after step 3 of epoch 1, and saved; the same command with --resume "
        "continues from there\n"
    )


class FullDisk(Killing):
    """No file may grow for some batches in the middle of a training."""

    limit = None

    def advance(self, amount):
        time.sleep(0.005)  # steps are faster than the thread that writes checkpoints
        self.n_left -= 1
        if self.n_left == -12:
            self.limit = limited_files(100)
            self.limit.__enter__()
        if self.n_left == -35:
            self.limit.__exit__()


def test_a_full_disk_does_not_end_the_training(plain, ngrams, tmp_path):
    progress = FullDisk(0)
    train(ngrams, tmp_path / "run", epochs=3, progress=progress, **STEPS)
    warned = [text for text in progress.said if "could not be written" in text]
    message = (
        r"the checkpoint of step \d+ could not be written to .*: File too large; the last is that "
        r"of step \d+; training continues, and tries again when the next is due"
    )
    assert [text for text in warned if re.fullmatch(message, text)]
    assert [text for text in warned if text.startswith("the history could not be written to")]
    check_same(tmp_path / "run", plain)


def test_a_disk_that_stays_full_leaves_what_can_be_gone_on_with(plain, ngrams, tmp_path):
    run, limit = tmp_path / "run", limited_files(1000)

    class Filling(Silent):
        n_batches = 0

        def advance(self, amount):
            self.n_batches += 1
            if self.n_batches == 34:
                limit.__enter__()

    try:
        with pytest.raises(
            OutputError, match="cannot be written: .*; free space, and continue with --"
        ):
            train(ngrams, run, epochs=3, progress=Filling(), **STEPS)
    finally:
        limit.__exit__()
    train(ngrams, run, resume=True, **STEPS)
    check_same(run, plain)


def test_a_loss_that_is_not_finite_names_step_rate_rows_and_checkpoint(ngrams, tmp_path):
    """The weights are not finite one step before the loss shows it."""
    with pytest.raises(OptionError, match=r"became (inf|nan) at step \d of epoch 1 ") as raised:
        train(ngrams, tmp_path / "run", epochs=3, learning_rate=1e30, **STEPS)
    message = str(raised.value)
    assert "with learning rate 1e+30, in a batch of split 'train' with rows " in message
    assert "; try a smaller --learning-rate; " in message
    step = int(re.search(r"at step (\d+)", message)[1])
    with open_store(ngrams) as data:
        rows = data["train"].batches(32, seed=0, epoch=0).row_numbers(step - 1)
    assert f"with rows {', '.join(map(str, sorted(rows)))};" in message
    path = message.partition("the last checkpoint with finite weights is ")[2]
    if path:
        trained = read_checkpoint(Path(path)).arrays
        assert all(np.isfinite(a).all() for n, a in trained.items() if n.startswith("trainer/"))
    else:
        assert message.endswith("there is no checkpoint from before")


def test_the_last_checkpoint_with_finite_weights(tmp_path):
    folder, rows = CheckpointFolder(tmp_path), np.arange(2)
    batch = Batch(DenseRows(np.ones((2, 1), "f4")), rows)
    for n_steps, weight in enumerate([1, 1, np.inf], start=1):
        folder.save(n_steps, {"trainer/a": np.full(3, weight), "mean/a": np.array(np.inf)}, {})
    error = divergence("it", batch, rows, "train", learning_rate=1, checkpoints=folder)
    assert str(error).endswith("finite weights is " + str(tmp_path / "step-000000002.safetensors"))
    folder.files()[1].unlink()
    error = divergence("it", batch, rows, "train", learning_rate=1, checkpoints=folder)
    assert str(error).endswith("there is no checkpoint from before")


def test_rows_that_are_not_finite_are_named(tmp_path):
    labels, indptr, indices, values = Toy().rows(300, np.random.default_rng(0))
    bad = [row for row in (17, 203, 250) if indptr[row] < indptr[row + 1]]
    for row in bad:
        values[indptr[row]] = np.nan
    splits = {"train": (labels, indptr, indices, values)}
    path = write_file(tmp_path / "a.h5", splits, n_classes=2, n_columns=60)
    named = f"values of split 'train' are not finite in rows {', '.join(map(str, bad))};"
    with pytest.raises(InputError, match=named):
        train(path, tmp_path / "run", epochs=1, batch_size=300)
    assert not (tmp_path / "run").exists()
