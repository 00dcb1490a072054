"""The benchmark suite: its instrument, its harness, and every subcommand at a tiny size."""

import csv
import dataclasses
import functools
import gzip
import importlib
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.sparse

import ooc_train
from benchmarks import (
    __main__,
    capped,
    cgroup,
    convert,
    drawing,
    end_to_end,
    environment,
    everything,
    harness,
    memory,
    page_cache,
    peer_environments,
    plots,
    prebuilt,
    read,
    results,
    resume,
    selftest,
    tables,
    targets,
    will_it_fit,
)
from benchmarks import train as train_benchmark
from benchmarks.cgroup import CapError, memory_cgroup
from benchmarks.drawing import draw_rows
from benchmarks.harness import Run, System
from benchmarks.made_files import write_dense_file, write_repeated_file
from benchmarks.memory import Peaks, Sample
from benchmarks.peers import guide_in_memory, in_memory, keras_fit, reading
from benchmarks.workspace import workspace
from ooc_train.errors import BudgetError, InputError, OptionError
from tests.corpora import random_rows, write_rows
from tests.files import write_sequences, write_toy
from tests.sequences import read_sequences

ROOT = Path(__file__).resolve().parent.parent
linux = pytest.mark.skipif(not memory.CAN_MEASURE, reason=memory.CANNOT_MEASURE)

# Every subcommand at a tiny size.  What convert compiles in its first run takes most of the time.
TINY = {
    "all": ["--peers", "none", "--runs", "1"],
    "accuracy": [
        "--rows", "500", "--train-rows", "300", "--features", "ngram,sequence", "--runs", "1",
        "--variants", "ooc-train --epochs 2",
    ],
    "convert": ["--rows", "1000,2000", "--peer-rows-limit", "1000", "--runs", "1"],
    "end-to-end": [
        "--rows", "1000", "--runs", "1", "--epochs", "2", "--peers", "fasttext",
        "--peer-environments", "PEERS",
    ],
    "fit": ["--quick", "--runs", "1", "--rows", "1000000", "--words", "30"],
    "memory": [
        "--cap", "600MB", "--multiples", "64", "--features", "dense",
        "--peer-environments", "PEERS",
    ],
    "order": ["--rows", "20000"],
    "peers": ["--peer-environments", "PEERS", "--only", "h5py"],
    "read": [
        "--size", "200KB", "--columns", "16", "--rows", "1000", "--runs", "1", "--seconds", "5",
        "--peers", "h5py,anndata", "--peer-environments", "PEERS",
    ],
    "resume": [
        "--data", "TOY.h5", "--kills", "1",
        "--variants", "ooc-train --epochs 3 --batch-size 8 --embedding-dimension 4",
    ],
    "scripts": ["--rows", "1000", "--runs", "1"],
    "selftest": ["--size", "150MB"],
    "train": ["--data", "TOY.h5", "--runs", "1", "--epochs", "1"],
}  # fmt: skip


def script(code):
    """A command for a system that runs a line of Python."""
    return lambda scratch: [sys.executable, "-c", code, str(scratch)]


def made_run(seconds=1.0, outcome=harness.COMPLETED, **changes):
    fields = {
        "outcome": outcome,
        "exit_status": 0,
        "seconds": seconds,
        "cpu_seconds": seconds,
        "others_cpu_seconds": None,
        "memory": Peaks(),
        "page_cache": page_cache.WARM,
        "result_bytes": 0,
        "report": {},
        "message": "",
    }
    return Run(**{**fields, **changes})


def peers_with_h5py(tmp_path_factory):
    """A folder of environments in which only that of h5py is there: this interpreter's."""
    folder = tmp_path_factory.mktemp("peers")
    python = folder / "h5py/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Run each subcommand once in this process: exit status, output, folder."""
    done = {}

    def run(name, capsys):
        if name not in done:
            out = tmp_path_factory.mktemp(name)
            toy = write_sequences(tmp_path_factory.mktemp("toy") / "TOY.h5", train=300)
            places = {"TOY.h5": str(toy), "PEERS": str(peers_with_h5py(tmp_path_factory))}
            arguments = [places.get(word, word) for word in TINY[name]]
            with pytest.MonkeyPatch.context() as patch:
                patch.setitem(peer_environments.GROUPS, "h5py", ("pip",))  # there already
                patch.setattr(everything, "RUNS", (("order", "orders", ("--rows", "9999")),))
                patch.setattr(capped, "TIMES_CAP", dict.fromkeys(capped.TIMES_CAP, 0.001))
                if name != "convert":  # which shows what compiling takes
                    patch.setattr(convert, "ours", already_compiled(convert.ours))
                status = __main__.main([name, "--out", str(out), *arguments])
            done[name] = status, capsys.readouterr().out, out
        return done[name]

    return run


# ---- Every subcommand.


def test_every_subcommand_has_a_tiny_size():
    assert (
        TINY.keys() | {"publish"} == __main__.BENCHMARKS.keys()
    )  # which has no results of its own


@linux
@pytest.mark.parametrize("name", TINY)
def test_subcommands_print_what_they_write(name, tiny, capsys):
    status, output, out = tiny(name, capsys)
    assert status == 0
    assert sorted(path.name for path in out.glob("*.*")) == [f"{name}.json", f"{name}.md"]
    assert output == (out / f"{name}.md").read_text("utf-8")
    text = (out / f"{name}.json").read_text("utf-8")
    assert str(out.parent) not in text  # no paths of this machine
    assert sys.prefix not in text
    record = json.loads(text)
    assert record["benchmark"] == name
    assert record["command"].startswith(f"python -m benchmarks {name} --out {out.name}")
    assert record["environment"]["packages"]["numpy"] == np.__version__


@pytest.mark.parametrize("name", TINY)
def test_subcommands_have_help(name, capsys):
    with pytest.raises(SystemExit) as exit_:
        __main__.main([name, "--help"])
    assert exit_.value.code == 0
    assert "--runs N" in capsys.readouterr().out


def test_the_suite_itself_loads_nothing_heavy():
    heavy = {"tensorflow", "keras", "numba", "pandas", "sklearn"}
    code = f"import sys, benchmarks.__main__; print({heavy!r} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    assert found.stdout == b"set()\n"


# ---- accuracy.


@linux
def test_accuracy_is_that_of_the_commands(tiny, capsys):
    _, output, out = tiny("accuracy", capsys)
    ngrams, sequences = json.loads((out / "accuracy.json").read_text("utf-8"))["results"]
    for result, kind in ((ngrams, "ngram"), (sequences, "sequence")):
        found = result["conversion"]
        assert found["features"] == kind
        sizes = {name: found[name] for name in ("rows", "validation_rows", "test_rows")}
        assert sizes == {"rows": 270, "validation_rows": 30, "test_rows": 500}
        (variant,) = result["variants"].values()
        (trial,) = variant["trials"]
        assert trial["accuracy"] == trial["evaluation"]["report"]["accuracy"]
        assert variant["mean_accuracy"] == trial["accuracy"]
        assert trial["evaluation"]["report"]["rows"] == 500
        n_epochs = len(trial["training"]["report"]["epochs"])
        assert n_epochs == 2
        kept = trial["training"]["report"]["best_epoch"]
        line = f"| `ooc-train --epochs 2` | {trial['accuracy']:.4f} | "
        assert f"{line}{trial['accuracy']:.4f}, epoch {kept} of 2 | " in output
    assert "### 270 train, 30 validation and 500 test rows, " in output


def test_accuracy_of_variants_and_seeds_in_turn(tmp_path, capsys, monkeypatch):
    """With made-up runs: of what is run, with which seeds, and of failures."""
    rows = "".join(f'"{k % 2 + 1}","","word{k % 3} term{k % 5} and text"\n' for k in range(60))
    for name in ("train.csv", "test.csv", "vectors.txt"):
        (tmp_path / name).write_text(rows)
    commands = []

    def run_once(system, folder, *, cold):
        words = system.command(folder)
        commands.append(words)
        if system.name == "train" and "--bad" in words:
            return made_run(outcome=harness.FAILED, message="Traceback\nooc-train: no")
        epochs = [{"rows_per_second": 900}, {"rows_per_second": 1000}]
        shares = {"accuracy": 0.5 + len(commands) / 100}
        return made_run(report={"epochs": epochs, "best_epoch": 1, **shares})

    monkeypatch.setattr(harness, "run_once", run_once)
    vectors = tmp_path / "vectors.txt"
    variants = ["ooc-train", f"ooc-train --embeddings {vectors}", "ooc-train --bad"]
    data = [str(tmp_path / "train.csv"), str(tmp_path / "test.csv")]
    arguments = ["accuracy", "--data", *data, "--variants", *variants, "--runs", "2"]
    assert __main__.main([*arguments, "--out", str(tmp_path / "out")]) == 1
    output = capsys.readouterr().out
    assert (
        "| `ooc-train` | 0.5450 | 0.5200, epoch 1 of 2 | 0.5700, epoch 1 of 2 | 1,000 |" in output
    )
    assert "| `ooc-train --embeddings vectors.txt` | 0.5650 | " in output
    assert (
        "| `ooc-train --bad` | – | failed (ooc-train: no) | failed (ooc-train: no) | – |" in output
    )
    assert str(tmp_path) not in output + (tmp_path / "out" / "accuracy.json").read_text("utf-8")
    trainings = [words for words in commands if "ooc_train.cli.train" in words]
    assert [words[words.index("--seed") + 1] for words in trainings] == ["0"] * 3 + ["1"] * 3
    assert trainings[1][trainings[1].index("--embeddings") + 1] == str(vectors)
    assert len(commands) == 10  # a training that failed is not evaluated


def test_rows_drawn_are_rows_of_the_file(tmp_path):
    rows = [[str(k % 2), 'of "two"\nlines', f"é {k}"] for k in range(50)]
    path = tmp_path / "rows.csv.gz"
    with gzip.open(path, "wt", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    drawn = draw_rows(path, 10, tmp_path / "drawn.csv")
    with drawn.open(encoding="utf-8", newline="") as file:
        found = list(csv.reader(file))
    assert len(found) == 10
    assert found == [row for row in rows if row in found]
    assert found != rows[:10]
    again = draw_rows(path, 10, tmp_path / "again.csv")
    assert again.read_bytes() == drawn.read_bytes()
    with pytest.raises(OptionError, match=r"51 rows cannot be drawn: .*rows\.csv\.gz has 50"):
        draw_rows(path, 51, tmp_path / "none.csv")


def test_drawing_as_a_command(tmp_path, capsys):
    path, drawn = tmp_path / "rows.csv", tmp_path / "drawn.csv"
    path.write_text('"1","a"\n"2","b"\n')
    assert drawing.main([str(path), str(drawn), "--rows", "2"]) == 0
    assert drawn.read_text() == path.read_text()
    assert drawing.main([str(path), str(drawn), "--rows", "3"]) == 1
    assert "drawing: 3 rows cannot be drawn" in capsys.readouterr().err
    assert drawing.main([str(tmp_path / "no.csv"), str(drawn), "--rows", "1"]) == 1
    assert "No such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--data a.csv", "--data takes train.csv and test.csv, not 1 files"),
        ("--data a.csv b.csv", "--data a.csv is not a file"),
        ("--data a.csv b.csv --rows 9", "--rows and --data exclude each other"),
        ("--preset imdb", "--preset needs --data with one path"),
        ("--preset imdb --data a", "--data a is not a folder"),
        ("--preset imdb --data a --train-rows 9", "--train-rows cuts a CSV file, and is not"),
        ("--variants sepcnn", "'sepcnn' does not begin with ooc-train"),
        ("--features words", "'words' is none of: ngram, sequence, auto"),
    ],
)
def test_accuracy_explains_wrong_options(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    try:
        status = __main__.main(["accuracy", *arguments.split()])
    except SystemExit as exit_:
        status = exit_.code
    assert status == 2
    assert message in capsys.readouterr().err


# ---- train.


@linux
def test_train_measures_all_sides(tiny, capsys):
    record = json.loads((tiny("train", capsys)[2] / "train.json").read_text("utf-8"))
    assert list(record["systems"]) == [
        "model.fit, in memory", "ooc-train", "ooc-train --bucket-by-length",
        "ooc-train's steps, prebuilt batches",
    ]  # fmt: skip
    (ours,) = record["systems"]["ooc-train"]["runs"]
    for system in record["systems"].values():
        (run,) = system["runs"]
        speed = run["report"]["epochs"][-1]["rows_per_second"]
        assert system["rows_per_second"]["median"] == speed
        ratio = ours["report"]["epochs"][-1]["rows_per_second"] / speed
        assert system["times_slower"]["median"] == pytest.approx(ratio)
        assert run["report"]["rows"] == 300
        assert 5e7 < system["peak_anon_bytes"] < system["peak_rss_bytes"]


def test_train_on_ngrams_tells_what_is_reached(tmp_path, capsys, monkeypatch):
    """With made-up figures: which systems there are, and who is compared with whom."""
    speeds = {
        train_benchmark.OURS: 60_000, train_benchmark.PREBUILT: 61_000,
        train_benchmark.DENSE_ADAM: 15_000, train_benchmark.GENERATOR: 5_000,
        train_benchmark.SPARSE: 25_000,
    }  # fmt: skip

    def made(system):
        (scratch,) = {word for word in system.command(tmp_path) if word.endswith("report.json")}
        assert scratch == str(tmp_path / "report.json")
        if system.name == train_benchmark.FASTTEXT:
            return made_run(report={"rows": 300, "epoch_seconds": 0.01})
        figures = {"rows_per_second": speeds[system.name], "loss": 0.5}
        if system.name == train_benchmark.OURS:
            figures["input_wait_share"] = 0.02
        return made_run(report={"rows": 300, "epochs": [figures]})

    monkeypatch.setattr(
        harness, "alternate", lambda systems, *_, **__: {s.name: [made(s)] for s in systems}
    )
    data, text = write_toy(tmp_path / "toy.h5", train=300), tmp_path / "toy.csv"
    arguments = ["train", "--data", str(data), "--text", str(text), "--out", str(tmp_path)]
    assert __main__.main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    for line in [
        "| times model.fit, the guide's generator | at least 10 | 12.0 | met |",
        "| times model.fit, sparse tensor in memory | at least 3 | 2.400 | missed |",
        "| times fastText, one epoch | at least 1 | 2.000 | met |",
        "| times ooc-train's steps, prebuilt batches | at least 0.95 | 0.984 | met |",
        "| share of waiting for input | at most 0.03 | 0.020 | met |",
    ]:
        assert line in lines


@pytest.mark.parametrize("form", ["matrix", "generator", "sparse"])
def test_keras_fits_rows_in_every_form(form, tmp_path):
    report = keras_fit.fit(write_toy(tmp_path / "toy.h5", train=300), 2, form)
    assert report["rows"] == 300
    assert report["epochs"][0]["loss"] > report["epochs"][1]["loss"] > 0


def test_prebuilt_batches_are_those_of_training(tmp_path):
    path = write_toy(tmp_path / "toy.h5", train=300)
    with ooc_train.open(path) as store:
        report = prebuilt.measure(store, 2)
    expected = ooc_train.train(path, tmp_path / "run", epochs=2)
    losses = [[epoch["loss"] for epoch in each["epochs"]] for each in (report, expected)]
    assert losses[0] == pytest.approx(losses[1], abs=0.05)


@pytest.mark.parametrize("more", [["--rows", "1000"], []])
def test_train_refuses_what_it_cannot_measure(more, tmp_path, capsys):
    arguments = ["train", "--data", str(tmp_path / "none.h5"), *more]
    assert __main__.main([*arguments, "--out", str(tmp_path)]) == 2
    assert ("exclude each other" if more else "is not a file") in capsys.readouterr().err


# ---- peers.


def test_an_environment_is_made_once_and_again_when_it_needs_something_else(tmp_path, monkeypatch):
    calls, answers = [], {"pip list": '[{"name": "Weka", "version": "3.9"}]'}

    def call(command):
        calls.append(" ".join(command[1:]))
        output = next((text for words, text in answers.items() if words in calls[-1]), "")
        return subprocess.CompletedProcess(command, 0, output, "")

    monkeypatch.setattr(peer_environments, "_call", call)
    monkeypatch.setitem(peer_environments.GROUPS, "h5py", ("weka>=3", "numpy<2"))
    for _ in range(2):
        record = peer_environments._make(tmp_path / "h5py", "h5py")
        assert record["message"] == "weka 3.9, numpy "
    assert calls == [
        f"-m venv --clear {tmp_path}/h5py",
        "-m pip install --quiet weka>=3 numpy<2",
        "-m pip list --format json",
    ]
    monkeypatch.setitem(peer_environments.GROUPS, "h5py", ("weka>=4",))
    peer_environments._make(tmp_path / "h5py", "h5py")
    assert len(calls) == 6


def test_what_pip_could_not_install_is_said_by_every_benchmark(tmp_path, monkeypatch, capsys):
    def call(command):
        error = "ERROR: No matching distribution found for h5py>=99\n\nhint: see above\n"
        return subprocess.CompletedProcess(command, "pip" in command, "", error)

    monkeypatch.setattr(peer_environments, "_call", call)
    places = ["--peer-environments", str(tmp_path), "--out", str(tmp_path / "out")]
    assert __main__.main(["peers", *places, "--only", "h5py"]) == 1
    line = "| h5py | failed | ERROR: No matching distribution found for h5py>=99 |"
    assert line in capsys.readouterr().out
    for group, message in {
        "h5py": "the installation failed: ERROR: No matching distribution found for h5py>=99",
        "anndata": "no environment 'anndata'; python -m benchmarks peers makes it",
    }.items():
        command = peer_environments.peer_command(tmp_path, group, "guide_tokenizer", "a.csv")
        system = System(name="A", command=functools.partial(lambda words, _: words, command))
        run = harness.run_once(system, tmp_path, cold=False)
        assert (run.outcome, run.message) == (harness.NOT_INSTALLED, message)


def test_peers_need_a_folder(tmp_path, capsys):
    assert __main__.main(["peers", "--out", str(tmp_path)]) == 2
    assert "--peer-environments DIR" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        __main__.main(["peers", "--only", "weka"])
    assert "'weka' is none of: anndata, " in capsys.readouterr().err


def test_fasttext_gets_lines_as_its_own_script_writes_them(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fasttext", types.ModuleType("fasttext"))
    from benchmarks.peers import fasttext_supervised

    text = """A "good" film;it's
 <br />Well, (very) GOOD."""
    write_rows(tmp_path / "rows.csv", [["1", text], ["2", "Bad!"]])
    assert fasttext_supervised.write_lines(tmp_path / "rows.csv", tmp_path / "lines") == 2
    assert sorted((tmp_path / "lines").read_text().splitlines()) == [
        "__label__1 a good film it ' s well , ( very ) good .",
        "__label__2 bad !",
    ]


# ---- end-to-end.


@linux
def test_end_to_end_goes_from_csv_to_test_accuracy(tiny, capsys):
    _, output, out = tiny("end-to-end", capsys)
    record = json.loads((out / "end-to-end.json").read_text("utf-8"))
    ours, *others = record["systems"].values()
    (run,) = ours["runs"]
    report = run["report"]
    assert (report["rows"], report["test_rows"], report["features"]) == (1000, 1000, "ngram")
    assert report["phase_seconds"].keys() == {
        "ooc-convert", "ooc-train", "ooc-convert, test rows", "ooc-evaluate",
    }  # fmt: skip
    assert 0.5 < report["accuracy"] < 1
    assert ours["seconds_to_model"]["median"] < ours["seconds"]["median"]
    assert [other["runs"][0]["outcome"] for other in others] == ["not installed"] * 2
    assert "### 1,000 train and 1,000 test rows, " in output


def test_end_to_end_is_compared_with_the_most_accurate_fasttext(tmp_path, capsys, monkeypatch):
    """With made-up runs: of what is run, and of the figures."""
    for name in ("train.csv", "test.csv"):
        (tmp_path / name).write_text('"1","","a"\n')
    commands = {}

    def run_once(system, folder, *, cold):
        commands[system.name] = system.command(folder)
        to_model = {end_to_end.OURS: 5.0, "fastText, 10 epochs": 4.0}.get(system.name, 2.0)
        accuracy = {end_to_end.OURS: 0.91, "fastText, 10 epochs": 0.89}.get(system.name, 0.88)
        report = {"rows": 1, "test_rows": 1, "accuracy": accuracy}
        return made_run(8.0, report={**report, "seconds": 7.0, "seconds_to_model": to_model - 1})

    monkeypatch.setattr(harness, "run_once", run_once)
    arguments = ["--data", str(tmp_path / "train.csv"), str(tmp_path / "test.csv"), "--epochs", "3"]
    assert __main__.main(["end-to-end", "--out", str(tmp_path / "out"), *arguments]) == 0
    output = capsys.readouterr().out
    assert "| ooc-convert, ooc-train | 0.9100 | 5.00 | 1 | 8.00 | " in output
    assert "| fastText, 10 epochs | 0.8900 | 4.00 | 0.80 | 8.00 | " in output
    assert (
        "| test accuracy above that of fastText, 10 epochs | at least 0 | 0.020 | met |" in output
    )
    assert "times those of fastText, 10 epochs | at most 1 | 1.250 | missed |" in output
    for name in ("the guide, in memory", end_to_end.OURS):
        assert commands[name][commands[name].index("--epochs") + 1] == "3"
    assert len(commands) == 1 + sum(map(len, end_to_end.PEERS.values()))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--data a.csv b.csv", "--data a.csv is not a file"),
        ("--data a.csv b.csv --rows 9", "--rows and --data exclude each other"),
        ("--peers weka", "'weka' is not a peer; fasttext, vw, hashing, guide or none"),
    ],
)
def test_end_to_end_explains_wrong_options(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    try:
        status = __main__.main(["end-to-end", *arguments.split()])
    except SystemExit as exit_:
        status = exit_.code
    assert status == 2
    assert message in capsys.readouterr().err


def test_hashing_learns_what_can_be_learned(tmp_path):
    rows = [[str(k % 3), f"{['red', 'green', 'blue'][k % 3]} word{k % 7}"] for k in range(120)]
    write_rows(tmp_path / "train.csv", rows)
    write_rows(tmp_path / "test.csv", rows[:30])
    files = [tmp_path / "train.csv", "--test", tmp_path / "test.csv"]
    report = run_peer(tmp_path, *files, module="sklearn_partial_fit")
    assert (report["rows"], report["test_rows"], report["accuracy"]) == (120, 30, 1.0)
    assert 0 < report["seconds_to_model"] < report["seconds"]


def test_the_guides_network_takes_dense_and_sparse_batches():
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=300)
    features = scipy.sparse.csr_matrix(
        np.eye(4)[2 * labels + rng.integers(2, size=300)], dtype=np.float32
    )
    for sparse in (False, True):
        model = guide_in_memory.build(4, 2)
        guide_in_memory.fit(model, features, labels, 60, sparse=sparse)
        assert guide_in_memory.evaluate(model, features, labels) > 0.9


def test_vowpal_wabbit_gets_numbered_classes_and_words(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "vowpalwabbit", types.ModuleType("vowpalwabbit"))
    from benchmarks.peers import vowpal_wabbit

    path, lines = tmp_path / "rows.csv", tmp_path / "lines"
    write_rows(path, [["b", "It's 3:1 | GOOD"], ["a", "bad"]])
    numbers = vowpal_wabbit.class_numbers(path)
    assert numbers == {"a": -1, "b": 1}
    assert vowpal_wabbit.write_lines(path, lines, numbers) == 2
    assert lines.read_text().splitlines() == ["1 | it s 3 1 good", "-1 | bad"]
    (tmp_path / "predictions").write_text("1\n1\n")
    assert vowpal_wabbit.accuracy(tmp_path / "predictions", lines) == 0.5
    write_rows(path, [[label, "text"] for label in "cab"])
    assert vowpal_wabbit.class_numbers(path) == {"a": 1, "b": 2, "c": 3}


# ---- all.


@linux
def test_all_runs_every_benchmark_and_gathers_targets(tiny, capsys):
    _, output, out = tiny("all", capsys)
    record = json.loads((out / "all.json").read_text("utf-8"))
    (run,) = record["runs"]
    assert (run["benchmark"], run["status"]) == ("order --rows 9999", 0)
    assert "| 9,999 rows" not in output
    assert json.loads((out / "orders" / "order.json").read_text("utf-8"))["rows"] == 9999
    assert "- order --rows 9999: status 0, " in output


def test_all_passes_its_options_on(tmp_path, monkeypatch):
    given = __main__._parser().parse_args(
        ["all", "--quick", "--cold", "--peers", "none", "--peer-environments", str(tmp_path)]
    )
    given.out, given.work = tmp_path / "out", tmp_path
    arguments = everything._arguments("memory", "sub", given)
    places = ["--out", str(tmp_path / "out/sub"), "--work", str(tmp_path)]
    environments = ["--peer-environments", str(tmp_path)]
    more = ["--cold", "--quick", "--features", "dense", "--peers", "none"]
    assert arguments == [*places, "--runs", "1", *environments, *more]
    for name, folder, options in everything.RUNS:
        words = [name, *everything._arguments(name, folder, given), *options]
        __main__._parser().parse_args(words)  # each takes them
    assert {name for name, _, _ in everything.RUNS} <= __main__.BENCHMARKS.keys()


# ---- publish and plots.


def test_readmes_get_what_the_results_say(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(plots, "PLOTS", {})
    readme = tmp_path / "README.md"
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks/README.md").write_text("nothing marked\n")
    marked = "before\n<!-- benchmarks: {} -->\nold\n<!-- benchmarks: end -->\nafter\n"
    names = ["read", "sub/read, table 2", "targets", "absent"]
    readme.write_text("".join(marked.format(name) for name in names))
    table = "| a |\n| --- |"
    markdown = f"## read\n\n`command`\n\n### Rows\n\n{table}\n\ntext\n\n{table.replace('a', 'b')}"
    found = [
        targets.record(targets.Target(text="speed", measured=0.5, at_least=0.8)),
        targets.record(targets.Target(text="memory", measured=None, at_most=60)),
    ]
    record = {"benchmark": "read", "command": "python -m benchmarks read", "targets": found}
    out = tmp_path / "out"
    results.write(out, "read", record, markdown)
    results.write(out / "sub", "read", {**record, "targets": []}, markdown)
    arguments = ["publish", "--out", str(out), "--root", str(tmp_path)]
    for printed in ("README.md\n", ""):  # the second time there is nothing to do
        assert __main__.main(arguments) == 0
        assert capsys.readouterr().out == printed
    whole, second, gathered, absent = readme.read_text().split("before\n")[1:]
    assert "\n`command`\n\n##### Rows\n\n| a |\n" in whole
    assert "## read" not in whole
    assert second.splitlines()[1:6] == ["", "    python -m benchmarks read", "", "| b |", "| --- |"]
    assert "| read | speed | at least 0.8 | 0.500 | missed |" in gathered
    assert "| read | memory | at most 60 | – | not measured |" in gathered
    assert "\nold\n" in absent
    readme.write_text(marked.format("read, table 3"))
    assert __main__.main(arguments) == 1
    assert "read.md has 2 tables, and no table 3" in capsys.readouterr().err


def test_plots_are_drawn_from_results(tmp_path):
    pytest.importorskip("matplotlib")
    timeline = {"seconds": [0.1, 2.0], "anon_bytes": [1e8, 2e8]}

    def case(system, rows, outcome):
        memory = {"anon_bytes": 2e8, "timeline": timeline}
        run = {"cap_bytes": 5e8, "outcome": outcome, "memory": memory}
        return {
            "stage": "read", "features": "dense", "system": system, "rows": rows,
            "input_bytes": rows * 1000, "run": run,
        }  # fmt: skip

    cases = [
        case("ooc-train", 1000, "completed"), case("ooc-train", 4000, "completed"),
        case("in memory", 1000, "killed"),
    ]  # fmt: skip
    spread = {"median": 5.0, "least": 4.0, "most": 6.0}
    speeds = {name: {"rows_per_second": spread} for name in ("ooc-train, shuffled", "h5py")}
    warm = {"title": "rows", "page_cache": {"warm": {**speeds, "other": {"rows_per_second": None}}}}
    system = {"accuracy": spread, "seconds_to_model": spread}
    files = {
        "memory": {"cap_bytes": 5e8, "cases": cases},
        "read": {"results": [warm]},
        "end-to-end": {"title": "rows", "systems": {"ours": system, "dead": {"accuracy": None}}},
    }
    for name, record in files.items():
        results.write(tmp_path, name, record, "")
    drawn = plots.draw(tmp_path, tmp_path / "plots")
    assert [path.stem for path in drawn] == list(plots.PLOTS)
    texts = {path.stem: path.read_text("utf-8") for path in drawn}
    assert all(text.startswith("<?xml") for text in texts.values())
    assert "in memory (read, dense), 0.0 × cap, killed" in texts["memory-over-time"]
    assert ">h5py</text>" in texts["rows-per-second"]
    assert ">dead</text>" not in texts["time-and-accuracy"]
    again = plots.draw(tmp_path, tmp_path / "again")
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in drawn]


def test_plots_without_matplotlib_say_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(InputError, match=r"plots need matplotlib: pip install"):
        plots.draw(tmp_path, tmp_path)


# ---- fit.


@linux
def test_fit_estimates_for_the_rows_said(tiny, capsys):
    _, output, out = tiny("fit", capsys)
    record = json.loads((out / "fit.json").read_text("utf-8"))
    (estimate,) = record["estimates"]
    assert (estimate["n_rows"], estimate["n_words"]) == (1_000_000, 30)
    for name, line in record["model"]["lines"].items():
        expected = line["start"] + line["slope"] * 30_000_000
        assert estimate["estimated"][name] == pytest.approx(expected)
        assert line["slope"] > 0
    assert 5e7 < record["model"]["training_bytes"] < 2e9
    assert "| 1,000,000 | 30 | " in output


def test_a_line_goes_through_its_points_or_through_nothing():
    line = will_it_fit.Line.through([(10, 5.0), (30, 9.0)])
    assert (line.start, line.slope, line.at(100)) == (3.0, 0.2, 23.0)
    steep = will_it_fit.Line.through([(10, 1.0), (30, 9.0)])
    assert (steep.start, steep.at(60)) == (0.0, 18.0)
    falling = will_it_fit.Line.through([(10, 5.0), (30, 3.0)])
    assert (falling.start, falling.at(60)) == (0.0, 6.0)


def test_estimates_are_checked_against_what_was_measured():
    estimated = will_it_fit.Figures(10.0, 5.0, 100.0, 130.0)
    measured = will_it_fit.Figures(12.0, 5.0, 100.0, 100.0)
    case = will_it_fit.Case(1000, 50, 512 * 10**6)
    reached = list(will_it_fit._targets(case, estimated, measured))
    assert [target.outcome for target in reached] == ["met", "met", "met", "missed"]
    text = "estimate for 1,000 rows of 50 words, --memory 512MB: converting seconds, "
    assert reached[0].text == f"{text}share it is off by"
    lines = list(will_it_fit._check_lines([(case, estimated, measured)]))
    assert lines[0][1:] == ["converting seconds", "10.0 s", "12.0 s", "-17%"]


# ---- memory.


@linux
def test_memory_runs_every_command_under_the_cap(tiny, capsys):
    _, output, out = tiny("memory", capsys)
    record = json.loads((out / "memory.json").read_text("utf-8"))
    cases = {(case["stage"], case["system"]): case for case in record["cases"]}
    ours = [("convert", "ooc-convert"), ("read", "ooc-train's reader"), ("train", "ooc-train")]
    assert [key for key in cases if key in ours] == ours
    if record["notes"]:  # no limit can be enforced here
        assert "Measured without the cap of 600 MB: " in output
        return
    for key in ours:
        case = cases[key]
        assert case["run"]["outcome"] == "completed"
        assert case["run"]["cap_bytes"] == 600_000_000
        assert case["input_bytes"] == pytest.approx(600_000, rel=0.2)
        assert case["rows_per_second"] > 0
    free = cases["train", "ooc-train, without the limit"]
    assert free["run"]["cap_bytes"] is None
    peers = [case for key, case in cases.items() if key[1].endswith("in memory")]
    assert [case["run"]["outcome"] for case in peers] == ["not installed"] * 3
    assert [target["outcome"] for target in record["targets"]][:2] == ["met", "met"]


def test_a_way_in_memory_that_died_is_not_run_again(tmp_path, capsys, monkeypatch):
    """With made-up runs: of what is run at which sizes, and what the targets say."""
    commands = []

    def run_once(system, folder, *, cold):
        (path,) = system.inputs
        commands.append((system.name, system.cap_bytes))
        size = path.stat().st_size
        if "in memory" in system.name and size > 300_000:
            return made_run(outcome=harness.KILLED, cap_bytes=system.cap_bytes)
        speed = 85.0 if system.cap_bytes else 100.0
        report = {"epochs": [{"rows_per_second": speed}]}
        return made_run(report=report, cap_bytes=system.cap_bytes)

    monkeypatch.setattr(harness, "run_once", run_once)
    monkeypatch.setattr(harness, "enforceable", lambda cap: (cap, []))
    monkeypatch.setattr(capped, "TIMES_CAP", {"convert": 4, "read": 20, "train": 20})
    arguments = ["--cap", "400KB", "--stages", "train", "--features", "dense"]
    assert __main__.main(["memory", "--out", str(tmp_path / "out"), *arguments]) == 0
    trained = ("ooc-train", 400_000)
    assert commands == [
        ("ooc-train", None),  # compiles
        trained, ("model.fit, in memory", 400_000),
        trained, ("model.fit, in memory", 400_000),
        trained,
        trained, ("ooc-train, without the limit", None),
    ]  # fmt: skip
    output = capsys.readouterr().out
    assert "| train, dense: times the cap of the largest input that completes | at least 20 |" in (
        output
    )
    assert (
        "| train, dense: rows/s under the cap, times those without it | at least 0.9 | 0.850 |"
        in (output)
    )
    lines = [line for line in output.splitlines() if "model.fit, in memory | killed" in line]
    assert len(lines) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_repeated_rows_are_those_of_the_file(tmp_path):
    source = write_toy(tmp_path / "toy.h5", train=50)
    write_repeated_file(source, tmp_path / "made.h5", 3)
    with ooc_train.open(source) as one, ooc_train.open(tmp_path / "made.h5") as three:
        expected, found = (
            one["train"].read(0, 50).to_dense(),
            three["train"].read(0, 150).to_dense(),
        )
        np.testing.assert_array_equal(found, np.tile(expected, (3, 1)))
        labels = np.tile(one["train"].read_labels(0, 50), 3)
        np.testing.assert_array_equal(three["train"].read_labels(0, 150), labels)


def test_dense_rows_are_of_the_size_said(tmp_path):
    write_dense_file(tmp_path / "made.h5", 20_000, 3)
    with ooc_train.open(tmp_path / "made.h5") as data:
        rows = data["train"].read(0, 20_000).to_dense()
    assert rows.shape == (20_000, 3)
    np.testing.assert_array_equal(rows[:3616], rows[16_384:])
    assert len(np.unique(rows[:16_384], axis=0)) == 16_384


@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_the_way_in_memory_holds_all_rows(kind, tmp_path):
    path = tmp_path / "rows.h5"
    if kind == "dense":
        write_dense_file(path, 300, 4)
    else:
        write_toy(path, train=300)
    features, labels, n_classes = in_memory.load(path)
    with ooc_train.open(path) as data:
        rows = data["train"].read(0, 300).to_dense()
    batches = list(in_memory.batches(features, labels))
    assert [len(of_batch) for _, of_batch in batches] == [128, 128, 44]
    stacked = np.concatenate([part if kind == "dense" else part.toarray() for part, _ in batches])
    np.testing.assert_array_equal(np.sort(stacked, axis=0), np.sort(rows, axis=0))
    in_memory.fit(features, labels, n_classes, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--multiples 0", "'0' is not a number from 1 to 64, or several"),
        ("--stages cook", "'cook' is none of: convert, read, train"),
        ("--features words", "'words' is none of: dense, ngram"),
    ],
)
def test_memory_explains_wrong_options(arguments, message, capsys):
    with pytest.raises(SystemExit):
        __main__.main(["memory", *arguments.split()])
    assert message in capsys.readouterr().err


# ---- read.


@linux
def test_read_measures_both_kinds_of_rows_warm_and_cold(tiny, capsys):
    _, output, out = tiny("read", capsys)
    record = json.loads((out / "read.json").read_text("utf-8"))
    dense, ngram = record["results"]
    assert (dense["rows"], ngram["rows"]) == (200_000 // 64, 1000)
    assert list(dense["page_cache"]) == list(ngram["page_cache"]) == ["warm", "cold"]
    ours = ["ooc-train, sequential", "ooc-train, shuffled", "ooc-train, sequential, --no-verify"]
    h5py_name = "h5py, random rows one by one"
    assert list(dense["page_cache"]["warm"]) == [read.MEMMAP, *ours, h5py_name]
    assert list(ngram["page_cache"]["cold"]) == [*ours, h5py_name, "AnnData, backed"]
    for result in (dense, ngram):
        for systems in result["page_cache"].values():
            absent = systems.pop("AnnData, backed", None)
            assert absent is None or absent["runs"][0]["outcome"] == "not installed"
            epochs = [
                epoch
                for system in systems.values()
                for run in system["runs"]
                for epoch in run["report"]["epochs"]
            ]
            assert {epoch["rows"] for epoch in epochs} == {result["rows"]}
            assert len({epoch["entries"] for epoch in epochs}) == 1  # all read the same
            h5py_epoch = systems[h5py_name]["runs"][0]["report"]["epochs"][0]
            our_epoch = systems[read.SHUFFLED]["runs"][0]["report"]["epochs"][0]
            assert systems[h5py_name]["times_as_fast_as_this"]["median"] == pytest.approx(
                h5py_epoch["seconds"] / our_epoch["seconds"]
            )
    assert "no environment 'anndata'; python -m benchmarks peers makes it" in output
    measured = {target["text"]: target["outcome"] for target in record["targets"]}
    assert measured["n-gram rows, ooc-train, shuffled, warm page cache: times AnnData, backed"] == (
        "not measured"
    )
    assert "| n-gram rows, ooc-train, shuffled, cold page cache: times h5py, " in output


def test_rows_that_differ_are_noted():
    def made(n_rows, n_entries):
        epochs = [{"rows": n_rows, "entries": n_entries, "seconds": 1.0}]
        return [made_run(report={"epochs": epochs, "baseline": {}})]

    runs = {"A": made(10, 50), "B": made(10, 49), "C": made(7, 30)}  # C was broken off
    rows = read.Rows("ngram", "title", 10, "A", {"warm": runs})
    assert read._disagreements(rows) == [
        "Not the same rows: 10 with 50 entries in an epoch of A.",
        "Not the same rows: 10 with 49 entries in an epoch of B.",
    ]
    assert (
        read._disagreements(read.Rows("ngram", "title", 10, "A", {"warm": {"A": runs["A"]}})) == []
    )


def test_memory_is_counted_from_the_imports_on():
    report = {"epochs": [], "baseline": {"rss_bytes": 30, "anon_bytes": 20}}
    runs = [made_run(memory=Peaks(rss_bytes=rss, anon_bytes=25), report=report) for rss in (70, 50)]
    assert read.above_baseline(runs, "rss_bytes") == 40
    assert read.above_baseline(runs, "anon_bytes") == 5
    unmeasured = made_run(report={"epochs": [], "baseline": {}})
    assert read.above_baseline([unmeasured], "rss_bytes") is None


@pytest.mark.parametrize("module", ["h5py_rows", "tfrecord_rows"])
def test_peers_read_all_rows_once(module, tmp_path):
    peer = importlib.import_module(f"benchmarks.peers.{module}")
    source = write_toy(tmp_path / "toy.h5", train=300)
    with h5py.File(source) as file:
        n_entries = len(file["train/values"])
    if module == "tfrecord_rows":
        peer.prepare(source, tmp_path / "made")
        source = tmp_path / "made"
    batches = list(peer.open_rows(source, "shuffled", 128)(0))
    assert [n_rows for n_rows, _ in batches] == [128, 128, 44]
    assert sum(n for _, n in batches) == n_entries


def test_an_epoch_is_broken_off_after_its_time():
    def batches():
        while True:
            time.sleep(0.01)
            yield 5, 7

    epoch = reading._timed(batches(), 0.1)
    assert 0.1 < epoch["seconds"] < 5
    assert epoch["rows"] == 5 * epoch["batches"]
    assert epoch["entries"] == 7 * epoch["batches"]


def test_read_explains_wrong_options(tmp_path, capsys):
    arguments = ["read", "--out", str(tmp_path), "--features", "dense"]
    assert __main__.main([*arguments, "--size", "1KB", "--columns", "768"]) == 2
    assert "--size 1000 is less than a row of 768 columns" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        __main__.main([*arguments, "--peers", "weka"])
    assert "'weka' is not a peer; h5py, datasets, tfrecord, anndata or none" in (
        capsys.readouterr().err
    )


# ---- resume.

FORGETFUL = """
import argparse, csv, io, json, sys, time, zipfile
from pathlib import Path
import h5py

parser = argparse.ArgumentParser()
parser.add_argument("-o", type=Path)
parser.add_argument("--report", type=Path)
parser.add_argument("--forgets", action="store_true")
given, _ = parser.parse_known_args()
given.o.mkdir(exist_ok=True)
state = given.o / "state"
done = json.loads(state.read_text()) if "--resume" in sys.argv else []
(given.o / "settings.json").write_text("{}")
weight = 0 if given.forgets else sum(done)
for step in range(len(done), 60):
    time.sleep(0.01)
    done.append(step)
    weight += step
    (given.o / "part").write_text(json.dumps(done))
    (given.o / "part").replace(state)
content = io.BytesIO()
with h5py.File(content, "w") as file:
    file["a/b"] = weight
with zipfile.ZipFile(given.o / "model.keras", "w") as archive:
    archive.writestr("model.weights.h5", content.getvalue())
(given.o / "history.csv").write_text(f"epoch,seconds,loss\\n1,{time.time()},{len(done)}\\n")
report = {
    "epochs": [{"seconds": 0.6}], "sessions": 2, "steps": len(done), "checkpoint_seconds": 0.25
}
for path in (given.o / "report.json", given.report):
    if path:
        path.write_text(json.dumps(report))
"""
"""A training that saves every step; the weights of killed ones are wrong if it forgets them."""


@linux
def test_resume_tells_trainings_that_end_in_another_way(tmp_path, monkeypatch, capsys):
    fake = tmp_path / "fake.py"
    fake.write_text(FORGETFUL)
    (tmp_path / "data.h5").touch()
    monkeypatch.setattr(resume, "TRAIN", [sys.executable, str(fake)])
    variants = ["--variants", "ooc-train", "ooc-train --forgets"]
    arguments = ["--data", str(tmp_path / "data.h5"), "--kills", "2", "--runs", "2", "--cost"]
    assert __main__.main(["resume", "--out", str(tmp_path / "out"), *arguments, *variants]) == 1
    output = capsys.readouterr().out
    assert "| ooc-train | 2 | 2 | 60 | the same | the same |" in output
    assert "| ooc-train --forgets | 2 | 2 | 60 | DIFFERENT | the same |" in output
    assert "| ooc-train | every 1s | 0.60 | 1.00 | 0.250 |" in output
    assert "| ooc-train | none | 0.60 | – | 0.250 |" in output


def test_resume_explains_wrong_options(tmp_path, capsys):
    out = ["resume", "--out", str(tmp_path)]
    assert __main__.main([*out, "--variants", "--epochs 2"]) == 2
    assert __main__.main([*out, "--data", str(tmp_path / "none.h5")]) == 2
    error = capsys.readouterr().err
    assert "--variants have to begin with ooc-train" in error
    assert "none.h5 is not a file" in error


# ---- Targets.


@pytest.mark.parametrize(
    ("bounds", "measured", "outcome"),
    [
        ({"at_least": 0.8}, 0.8, "met"),
        ({"at_least": 0.8}, 0.79, "missed"),
        ({"at_most": 60}, 60.5, "missed"),
        ({"at_most": 60}, 59.0, "met"),
        ({"at_most": 60}, None, "not measured"),
    ],
)
def test_targets(bounds, measured, outcome):
    assert targets.Target(text="speed", measured=measured, **bounds).outcome == outcome


# ---- convert.


@linux
def test_convert_measures_both_sides(tiny, capsys):
    record = json.loads((tiny("convert", capsys)[2] / "convert.json").read_text("utf-8"))
    small, large = record["results"]
    ours, peer = small["systems"].values()
    assert list(small["systems"]) == ["ooc-convert", "scikit-learn, in memory"]
    assert small["rows"] == ours["runs"][0]["report"]["rows"] == 1000
    assert peer["runs"][0]["report"]["rows"] == 1000
    assert small["notes"] == []  # the same number of features on both sides
    for system in (ours, peer):
        (run,) = system["runs"]
        assert run["outcome"] == "completed"
        assert run["page_cache"] == "warm"
        assert run["seconds"] > run["report"]["seconds"] > 0
        assert run["result_bytes"] > 100_000
        assert 5e7 < system["peak_anon_bytes"] < system["peak_rss_bytes"] < 1e9
        assert max(run["memory"]["timeline"]["anon_bytes"]) == system["peak_anon_bytes"]
    ratio = peer["runs"][0]["seconds"] / ours["runs"][0]["seconds"]
    assert peer["times_ours"]["median"] == pytest.approx(ratio)
    assert list(large["systems"]) == ["ooc-convert"]
    assert large["notes"] == ["scikit-learn, in memory: not run above --peer-rows-limit 1,000."]


@linux
def test_convert_reports_the_first_run_apart(tiny, capsys):
    record = json.loads((tiny("convert", capsys)[2] / "convert.json").read_text("utf-8"))
    small, large = record["results"]
    # Nothing was compiled before, everything afterwards.
    assert small["first_run"]["seconds"] > 3 * small["systems"]["ooc-convert"]["seconds"]["most"]
    assert large["first_run"] is None


@linux
def test_convert_prints_growth_and_phases(tiny, capsys):
    _, output, _ = tiny("convert", capsys)
    assert "### 1,000 generated rows, " in output
    assert "Phases of ooc-convert, median seconds: start " in output
    assert "### How ooc-convert grows with rows" in output
    assert re.search(r"^\| 2,000 \| .* \| 2\.00 \| ", output, re.MULTILINE)


@linux
def test_convert_takes_data_a_cap_and_an_environment_without_peers(tmp_path, capsys, monkeypatch):
    rows = "".join(f'"{k % 2 + 1}","","word{k % 3} term{k % 5} and text"\n' for k in range(60))
    for name in ("train.csv", "test.csv"):
        (tmp_path / name).write_text(rows)
    bare = tmp_path / "peers/sklearn/bin/python"
    bare.parent.mkdir(parents=True)
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    bare.chmod(0o755)
    monkeypatch.setattr(convert, "ours", already_compiled(convert.ours))
    monkeypatch.setattr(environment, "last_edit", itertools.count().__next__)
    data = [str(tmp_path / "train.csv"), str(tmp_path / "test.csv")]
    arguments = ["--data", *data, "--cap", "512MB", "--runs", "1"]
    arguments += ["--peer-environments", str(tmp_path / "peers")]
    out = tmp_path / "out"
    assert __main__.main(["convert", "--out", str(out), *arguments]) == 0
    output = capsys.readouterr().out
    assert "### Data given, 60 train and 60 test rows, 0 MB of CSV" in output
    assert re.search(r"scikit-learn, in memory \| 1 \| – .* not installed \(\w+ is not", output)
    record = json.loads((out / "convert.json").read_text("utf-8"))
    assert "--data train.csv test.csv" in record["command"]
    (run,) = record["results"][0]["systems"]["ooc-convert"]["runs"]
    assert run["report"]["memory_budget_bytes"] == 512_000_000
    assert record["notes"][-1] == convert.EDITED
    if len(record["notes"]) == 1:  # the cap could be enforced
        assert run["cap_bytes"] == 512_000_000
        assert run["page_cache"] in {page_cache.COLD, page_cache.CANNOT_DROP}
    assert all(path.is_file() for path in map(Path, data))


@linux
def test_convert_measures_sequences_beside_the_guides_tokenizer(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(convert, "ours", already_compiled(convert.ours))
    arguments = ["--features", "sequence", "--rows", "1000", "--runs", "1"]
    assert __main__.main(["convert", "--out", str(tmp_path), *arguments]) == 0
    assert "| the guide's tokenizer, in memory | " in capsys.readouterr().out
    (result,) = json.loads((tmp_path / "convert.json").read_text("utf-8"))["results"]
    assert list(result["systems"]) == ["ooc-convert", "the guide's tokenizer, in memory"]
    assert result["notes"] == []  # the same number of features on both sides
    for system in result["systems"].values():
        assert system["runs"][0]["outcome"] == "completed"


@linux
def test_scripts_spells_the_same_rows_anew(tiny, capsys):
    _, _, out = tiny("scripts", capsys)
    record = json.loads((out / "scripts.json").read_text("utf-8"))
    plain, *others = record["spellings"].values()
    for other in others:
        assert other["characters"] == plain["characters"]
        reports = [spelling["runs"][0]["report"] for spelling in (plain, other)]
        # Not quite the same: ä falls together with a, and one syllable is two characters, a word.
        for figure in ("grams", "distinct_grams"):
            assert reports[0][figure] == pytest.approx(reports[1][figure], rel=0.1)


def already_compiled(ours):
    """Let ooc-convert use the kernels that this interpreter's package has compiled already."""
    return lambda *arguments: dataclasses.replace(ours(*arguments), variables={})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--data nothing.csv", "nothing.csv is not a file"),
        ("--data a.csv b.csv c.csv", "--data takes train.csv and test.csv, not 3 files"),
        ("--data a.csv --rows 5000", "--rows and --data exclude each other"),
        ("--rows 10", "'10' is not a number of rows, 1000 or more, or several with commas"),
        ("--rows 5000,many", "'5000,many' is not a number of rows"),
        ("--peers weka", "'weka' is not a peer; sklearn, guide or none"),
        ("--peers guide", "--peers guide does not make ngram features"),
        ("--runs 0", "'0' is not a number from 1"),
        ("--cap much", "'much' is not a size"),
    ],
)
def test_wrong_options_are_explained(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    try:
        status = __main__.main(["convert", *arguments.split()])
    except SystemExit as exit_:
        status = exit_.code
    assert status == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_too_little_disk_is_said_before_starting(tmp_path, capsys):
    arguments = ["--out", str(tmp_path / "out"), "--rows", "1_000_000_000_000"]
    assert __main__.main(["convert", *arguments]) == 1
    assert "GB are needed for a while; give a folder" in capsys.readouterr().err
    assert list((tmp_path / "out").iterdir()) == []


def test_generated_rows_are_deleted_after_use(tmp_path):
    with convert.files(1000, tmp_path) as workload:
        assert workload.train.read_bytes().count(b"\n") == 1000
    assert list(tmp_path.iterdir()) == []


def test_the_peers_disagreement_is_noted():
    ours = {"rows": 10, "test_rows": 0, "n_features": 7}
    runs = {
        convert.OURS: [made_run(report=ours)],
        "other": [made_run(report={**ours, "n_features": 8})],
        "ended": [made_run(outcome=harness.KILLED)],
    }
    assert convert._disagreements(runs) == [
        "Not the same work: n_features: 7 with ooc-convert, 8 with other."
    ]


def test_a_cap_that_cannot_be_enforced_is_noted(tmp_path, monkeypatch):
    monkeypatch.setattr(cgroup, "_ROOT", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    options = __main__._parser().parse_args(["convert", "--cap", "512MB"])
    plan, notes = convert._plan(options, tmp_path)
    assert (plan.cap_bytes, plan.memory_bytes) == (None, 512_000_000)
    (note,) = [note for note in notes if "cap" in note]
    assert note.startswith("Measured without the cap of 512 MB: no memory limit can be enforced")


@linux
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_benchmark_leaves_nothing(number, tmp_path):
    command = [sys.executable, "-m", "benchmarks", "convert", "--rows", "1000"]
    process = subprocess.Popen(
        [*command, "--out", str(tmp_path)], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    with process:
        measured = wait_for(lambda: measured_process(process.pid, "ooc_train.cli.convert"))
        process.send_signal(number)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}[number]
    assert "Traceback" not in errors
    assert list(tmp_path.iterdir()) == []
    assert not Path(f"/proc/{measured}").exists()


def measured_process(parent, word):
    """A child whose command line has a word."""
    for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        if word.encode() in Path(f"/proc/{child}/cmdline").read_bytes():
            return int(child)
    return None


def wait_for(condition):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.05)
    raise TimeoutError


# ---- The peer's script.


def run_peer(folder, *arguments, module="sklearn_ngram"):
    command = [sys.executable, "-m", f"benchmarks.peers.{module}", *arguments]
    places = ["--output", folder / "result", "--report", folder / "report.json"]
    subprocess.run([*command, *places], cwd=ROOT, check=True)
    return json.loads((folder / "report.json").read_text("utf-8"))


def test_the_guides_tokenizer_gives_the_sequences_of_ooc_convert(tmp_path):
    for name, rows in (("train", random_rows(60)), ("test", random_rows(20, seed=1, n_words=30))):
        write_rows(tmp_path / f"{name}.csv", rows)
    files = [tmp_path / "train.csv", "--test", tmp_path / "test.csv"]
    report = run_peer(tmp_path, *files, module="guide_tokenizer")
    ours = ooc_train.convert(
        files[0], tmp_path / "o.h5", test=[files[2]], features="sequence", validation_fraction=0
    )
    for key in ("rows", "test_rows", "n_features", "distinct_terms", "max_length"):
        assert report[key] == ours[key]
    with h5py.File(tmp_path / "result") as file:
        padded, labels = file["test/tokens"][:], file["test/labels"][:]
    assert padded.dtype == np.int32
    assert padded.shape == (20, ours["max_length"])
    rows, names = read_sequences(tmp_path / "o.h5", "test")
    assert [[i for i in row if i] for row in padded.tolist()] == rows
    assert [["1", "2", "3"][i] for i in labels] == names
    assert all(row[0] == 0 for row in padded[(padded == 0).any(axis=1)])  # padded on the left


def test_the_peer_joins_columns_and_writes_both_splits(tmp_path):
    (tmp_path / "train.csv").write_text(
        '"1","NA","good film, café"\n"2","","bad film"\n"1","NA","good cafe"\n"2","bad","film"\n'
    )
    (tmp_path / "test.csv").write_text('"1","","good film"\n')
    report = run_peer(tmp_path, tmp_path / "train.csv", "--test", tmp_path / "test.csv")
    with np.load(tmp_path / "result.npz") as found:
        arrays = dict(found)
    assert (report["rows"], report["test_rows"], report["n_features"]) == (4, 1, 7)
    terms = ["bad", "bad film", "cafe", "film", "good", "na", "na good"]
    assert list(arrays["terms"]) == terms
    assert arrays["train_data"].dtype == arrays["test_data"].dtype == np.float32
    assert list(arrays["train_labels"]) == ["1", "2", "1", "2"]
    assert list(arrays["test_indptr"]) == [0, 2]
    assert sum(report["phase_seconds"].values()) == pytest.approx(report["seconds"])


# ---- The instrument.


@linux
def test_known_appetites_are_measured_within_3_percent(tiny, capsys):
    status, output, out = tiny("selftest", capsys)
    found = json.loads((out / "selftest.json").read_text("utf-8"))["results"]
    assert [case["process"] for case in found] == [case.title for case in selftest.CASES]
    assert all(abs(case["error"]) <= 0.03 for case in found), output
    assert status == 0


@linux
@pytest.mark.parametrize(
    ("broken", "replacement", "appetite"),
    [
        ("_same_memory", lambda *pids: False, "with_child_in_its_memory"),
        ("_processes", lambda root: [root], "half_copied"),
    ],
)
def test_the_self_test_can_fail(broken, replacement, appetite, tmp_path, monkeypatch):
    monkeypatch.setattr(memory, broken, replacement)
    cases = [case for case in selftest.CASES if case.appetite == appetite]
    (outcome,) = selftest.check(50_000_000, tmp_path, cases)
    assert not outcome.passed
    assert abs(outcome.error) > 0.4


@linux
def test_the_high_water_mark_is_of_before_the_first_sample():
    code = "b'x' * 200_000_000; print(flush=True); input()"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        with memory.TreeMonitor(process.pid) as monitor:
            time.sleep(0.1)
        process.communicate(b"\n")
    peaks = monitor.peaks()
    assert 200e6 < peaks.high_water_bytes == peaks.rss_bytes < 230e6
    assert peaks.anon_bytes < 30e6
    assert peaks.n_samples >= 2
    assert peaks.longest_gap_seconds >= memory.INTERVAL_SECONDS


def test_a_sum_is_read_again_when_sharing_changed(monkeypatch):
    # Two processes share 100 MB; the first ends when its share has been read, for once.
    mb = 10**6
    status = {"RssAnon": 100 * mb, "RssFile": 0, "RssShmem": 0}
    share = {"Rss": 100 * mb, "Anonymous": 100 * mb, "Pss": 50 * mb, "Pss_Anon": 50 * mb}
    alone = {**share, "Pss": 100 * mb, "Pss_Anon": 100 * mb}
    statuses = iter([status, status, {}, status, status])
    shares = iter([share, alone])
    processes = iter([[1, 2], [2]])
    monkeypatch.setattr(memory, "_processes", lambda root: next(processes))
    monkeypatch.setattr(memory, "_status", lambda pid: next(statuses))
    monkeypatch.setattr(memory, "_sizes", lambda path: next(shares))
    assert memory._tree_memory(1) == (100 * mb, 0, 0)


def test_a_timeline_keeps_the_largest_samples():
    samples = [Sample(k / 50, 7919 * k % 1000, 0, 0) for k in range(995)]
    thinned = memory._thinned(samples, 100)
    assert len(thinned) == 100
    assert thinned == sorted(set(thinned) & set(samples))
    assert max(sample.anon_bytes for sample in thinned) == 999


# ---- The harness.


def test_systems_alternate_and_one_that_fails_is_not_run_again(tmp_path):
    log = tmp_path / "order"
    write = f"open({str(log)!r}, 'a').write"
    systems = [
        System(name="A", command=script(f"{write}('A')")),
        System(name="B", command=script(f"{write}('B'); raise SystemExit('no luck')")),
        System(name="C", command=script(f"{write}('C')")),
    ]
    runs = harness.alternate(systems, 3, tmp_path, cold=False)
    assert log.read_text() == "ABCACAC"
    assert [len(of_system) for of_system in runs.values()] == [3, 1, 3]
    assert (runs["B"][0].outcome, runs["B"][0].message) == (harness.FAILED, "no luck")


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("pass", harness.COMPLETED),
        ("raise SystemExit(3)", harness.FAILED),
        ("raise SystemExit(69)", harness.NOT_INSTALLED),
        ("import os; os.kill(os.getpid(), 9)", harness.KILLED),
    ],
)
def test_outcomes(code, outcome, tmp_path):
    run = harness.run_once(System(name="A", command=script(code)), tmp_path, cold=False)
    assert run.outcome == outcome


def test_a_run_is_measured_and_leaves_nothing(tmp_path):
    code = """
import json, pathlib, sys, time
folder = pathlib.Path(sys.argv[1])
(folder / "result.bin").write_bytes(bytes(1234))
(folder / "report.json").write_text(json.dumps({"output": f"{folder}/result.bin", "rows": 5}))
time.sleep(0.3)
end = time.process_time() + 0.2
while time.process_time() < end: pass
print(f"written to {folder}/result.bin")
"""
    run = harness.run_once(System(name="A", command=script(code)), tmp_path, cold=False)
    assert run.report == {"output": "result.bin", "rows": 5}
    assert run.message == "written to result.bin"
    assert run.result_bytes == 1234
    assert 0.5 < run.seconds < 5
    assert 0.2 < run.cpu_seconds < run.seconds
    assert list(tmp_path.iterdir()) == []


def test_what_other_programs_take_is_told(tmp_path, monkeypatch):
    clock = iter([100.0, 103.0])
    monkeypatch.setattr(environment, "busy_seconds", lambda: next(clock))
    code = "import time\nwhile time.process_time() < 1: pass"
    run = harness.run_once(System(name="A", command=script(code)), tmp_path, cold=False)
    assert 0.9 <= run.cpu_seconds < 1.5
    assert 3 - run.cpu_seconds - 0.5 < run.others_cpu_seconds <= 3 - run.cpu_seconds
    runs = [made_run(2.0, others_cpu_seconds=1.0), made_run(2.0)]
    assert results.cores_of_others(runs) == results.Spread(0.5, 0.5, 0.5)


@linux
def test_the_machine_is_busy_while_something_works():
    before = environment.busy_seconds(), time.process_time()
    while time.process_time() < before[1] + 0.3:
        pass
    assert 0.25 < environment.busy_seconds() - before[0] < 300


def test_commands_run_without_the_variables_that_slow_numpy(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    monkeypatch.setenv("OPENBLAS_L2_SIZE", "512")
    names = "[n for n in ('OPENBLAS_CORETYPE', 'OPENBLAS_L2_SIZE', 'MINE') if n in os.environ]"
    system = System(name="A", command=script(f"import os; print({names})"), variables={"MINE": "1"})
    assert harness.run_once(system, tmp_path, cold=False).message == "['MINE']"


# ---- Caps.


@pytest.fixture
def cap():
    """Return a function that makes a cap, where one can be enforced."""
    try:
        with memory_cgroup(10**8):
            return memory_cgroup
    except CapError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(
    ("n_bytes", "outcome"), [(30 * 10**6, harness.COMPLETED), (10**8, harness.KILLED)]
)
def test_a_cap_is_enforced(n_bytes, outcome, cap, tmp_path):
    system = System(name="A", command=script(f"b'x' * {n_bytes}"), cap_bytes=80 * 10**6)
    run = harness.run_once(system, tmp_path, cold=False)
    assert run.outcome == outcome
    assert run.cap_bytes == 80 * 10**6
    if run.cap_enforced_by != "systemd-run":
        assert min(n_bytes, 79 * 10**6) < run.cap_peak_bytes <= 80 * 10**6


@pytest.mark.parametrize(
    ("make", "folder", "files"),
    [
        (
            cgroup._version_1,
            "memory",
            {"memory.limit_in_bytes": "123", "memory.memsw.limit_in_bytes": "123"},
        ),
        (cgroup._version_2, "", {"memory.max": "123", "memory.swap.max": "0"}),
    ],
)
def test_a_group_is_limited_with_its_swap(make, folder, files, tmp_path, monkeypatch):
    monkeypatch.setattr(cgroup, "_ROOT", tmp_path)
    monkeypatch.setattr(cgroup, "_own_path", lambda controller: "own")
    (tmp_path / folder / "own").mkdir(parents=True)
    (tmp_path / "cgroup.subtree_control").write_text("memory")
    group = make(123)
    assert {path.name: path.read_text() for path in group.iterdir()} == files
    assert group.parent in {tmp_path, tmp_path / "memory/own"}


def test_a_cap_ends_with_all_that_runs_in_it(cap):
    with cap(10**8) as limit:
        command = [*limit.prefix, sys.executable, "-c", "print(flush=True); input()"]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        process.stdout.readline()
    if limit.folder is None:
        process.kill()
    assert process.wait(timeout=10) == -signal.SIGKILL
    process.stdin.close()
    process.stdout.close()
    assert limit.folder is None or not limit.folder.exists()


def test_a_group_of_version_2_goes_where_the_controller_is_handed_out(tmp_path):
    own = tmp_path / "user.slice" / "session"
    own.mkdir(parents=True)
    (own / "cgroup.subtree_control").write_text("\n")
    (own.parent / "cgroup.subtree_control").write_text("cpu\n")
    with pytest.raises(FileNotFoundError, match="hands out the memory controller"):
        cgroup._distributing(tmp_path, own)
    (tmp_path / "cgroup.subtree_control").write_text("cpu memory\n")
    assert cgroup._distributing(tmp_path, own) == tmp_path
    (own.parent / "cgroup.subtree_control").write_text("memory pids\n")
    assert cgroup._distributing(tmp_path, own) == own.parent


# ---- Page cache and disk.


def test_the_page_cache_is_dropped_and_warmed(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(os.urandom(32_000_000))
    if page_cache.prepare([file], cold=True) == page_cache.CANNOT_DROP:
        pytest.skip("this file system's pages cannot be dropped, or it cannot tell")
    assert page_cache.cached_share(file) < 0.01
    with file.open("rb") as opened:
        opened.read(4_000_000)
    assert 0.12 < page_cache.cached_share(file) < 0.5  # the kernel reads ahead
    assert page_cache.prepare([file], cold=False) == page_cache.WARM
    assert page_cache.cached_share(file) > 0.99


@pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="this system cannot drop pages")
@pytest.mark.parametrize(
    ("cached", "state"), [(0.5, page_cache.CANNOT_DROP), (0.0, page_cache.COLD)]
)
def test_pages_count_as_dropped_when_they_are_gone(cached, state, tmp_path, monkeypatch):
    advice = []
    monkeypatch.setattr(os, "posix_fadvise", lambda *arguments: advice.append(arguments[1:]))
    monkeypatch.setattr(os, "fsync", lambda descriptor: advice.append("written"))
    monkeypatch.setattr(page_cache, "cached_share", lambda path: cached)
    (tmp_path / "file").write_bytes(b"text")
    assert page_cache.drop(tmp_path / "file") == state
    assert advice == ["written", (0, 0, os.POSIX_FADV_DONTNEED)]


def interrupted(folder):
    (folder / "file").write_text("text")
    raise KeyboardInterrupt


def test_a_workspace_is_deleted_whatever_happens(tmp_path):
    with pytest.raises(KeyboardInterrupt), workspace(tmp_path, 0) as folder:
        interrupted(folder)
    assert list(tmp_path.iterdir()) == []


def test_a_workspace_without_room_is_refused(tmp_path):
    with pytest.raises(BudgetError, match=r"1000000\.2 GB are needed"), workspace(tmp_path, 10**15):
        pass


# ---- Figures and tables.


def test_ratios_are_of_pairs():
    ours = [made_run(1.0), made_run(2.0), made_run(4.0)]
    peers = [made_run(3.0), made_run(4.0), made_run(40.0)]
    assert results.ratios(ours, peers) == results.Spread(3.0, 2.0, 10.0)
    failed = [made_run(9.0), made_run(4.0, harness.FAILED)]
    assert results.ratios(ours, failed) == results.Spread(9.0, 9.0, 9.0)
    assert results.ratios(ours, []) is None


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([1.234, 1.0, 1.5], "1.23 (1.00–1.50)"),
        ([12.34, 13.0], "12.7 (12.3–13.0)"),
        ([140.2], "140"),
    ],
)
def test_spreads_have_three_digits(values, text):
    assert str(results.Spread.of(values)) == text


def test_phases_include_what_a_command_cannot_see():
    reports = [{"seconds": 2.0, "phase_seconds": {"reading": 0.5 * k}} for k in (1, 3, 2)]
    runs = [made_run(2.25, report=report) for report in reports]
    assert results.phases(runs) == {"start": 0.25, "reading": 1.0}
    assert results.phases([made_run()]) == {}


def test_peaks_ignore_what_could_not_be_measured():
    runs = [made_run(), made_run(memory=Peaks(anon_bytes=5)), made_run(memory=Peaks(anon_bytes=3))]
    assert results.peak(runs, "anon_bytes") == 5
    assert results.peak(runs[:1], "anon_bytes") is None


def test_growth_is_against_the_smallest_that_completed():
    sizes = {
        4000: [made_run(5.0)],
        1000: [made_run(1.0, harness.KILLED)],
        2000: [made_run(2.0), made_run(2.0)],
    }
    lines = tables.growth(sizes).splitlines()
    assert lines[2:] == [
        "| 2,000 | 2.00 | 1,000 | 1.00 | 1.00 | 1.00 | – |",
        "| 4,000 | 5.00 | 800 | 2.00 | 2.50 | 1.25 | – |",
    ]


def test_a_killed_system_is_a_row_that_says_so():
    killed = made_run(
        outcome=harness.KILLED,
        message="reading\nout | of memory",
        cap_bytes=512 * 10**6,
        cap_enforced_by="cgroup, version 1",
        cap_peak_bytes=511 * 10**6,
    )
    row = tables.systems({"A": [made_run()], "B": [killed]}, "A").splitlines()[-1]
    assert row == (
        r"| B | 1 | – | – | – | – | – | – | killed under 512 MB (cgroup, version 1, peak 511 MB) "
        r"(out \| of memory) |"
    )


def test_result_files_are_whole_or_absent(tmp_path):
    results.write(tmp_path / "new", "name", {"a": 1}, "table")
    assert json.loads((tmp_path / "new/name.json").read_text()) == {"a": 1}
    assert (tmp_path / "new/name.md").read_text() == "table\n"
    with pytest.raises(ValueError, match="Out of range float"):
        results.write(tmp_path, "other", {"a": float("nan")}, "table")
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
