"""Test accuracy of several ways to train, and the rows drawn for it."""

import csv
import gzip
import json
import shlex

import pytest

from benchmarks import __main__
from benchmarks.data import drawing
from benchmarks.data.drawing import draw_rows
from benchmarks.measure import harness
from ooc_train.errors import OptionError
from tests.benchmarks.in_process import run_in_process
from tests.benchmarks.runs import check_what_is_written, linux, made_run

TINY = [
    "accuracy",
    "--rows", "500", "--train-rows", "300", "--features", "ngram", "--runs", "1",
    "--variants", "ooc-train --epochs 2",
]  # fmt: skip


@linux
def test_it_prints_what_it_writes(tiny):
    check_what_is_written(tiny, "accuracy")


@linux
def test_accuracy_is_that_of_the_commands(tiny):
    _, output, out = tiny
    (result,) = json.loads((out / "accuracy.json").read_text("utf-8"))["results"]
    (variant,) = result["variants"].values()
    (trial,) = variant["trials"]
    assert trial["accuracy"] == trial["evaluation"]["report"]["accuracy"]
    assert variant["mean_accuracy"] == trial["accuracy"]
    assert trial["evaluation"]["report"]["rows"] == 500
    assert len(trial["training"]["report"]["epochs"]) == 2
    kept = trial["training"]["report"]["best_epoch"]
    line = f"| `ooc-train --epochs 2` | {trial['accuracy']:.4f} | "
    assert f"{line}{trial['accuracy']:.4f}, epoch {kept} of 2 | " in output


def test_accuracy_of_each_kind_of_features(tmp_path, capsys, monkeypatch):
    """With made-up trainings: of what is converted."""
    run_in_process(monkeypatch)
    report = {"epochs": [{"rows_per_second": 900}], "best_epoch": 1, "accuracy": 0.5}
    monkeypatch.setattr(harness, "run_once", lambda *_, **__: made_run(report=report))
    arguments = ["accuracy", *TINY[1:], "--features", "ngram,sequence"]
    assert __main__.main([*arguments, "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out.count("### 270 train, 30 validation and 500 test rows, ") == 2
    results = json.loads((tmp_path / "accuracy.json").read_text("utf-8"))["results"]
    for result, kind in zip(results, ("ngram", "sequence"), strict=True):
        found = result["conversion"]
        assert found["features"] == kind
        sizes = {name: found[name] for name in ("rows", "validation_rows", "test_rows")}
        assert sizes == {"rows": 270, "validation_rows": 30, "test_rows": 500}
        (variant,) = result["variants"].values()
        assert variant["mean_accuracy"] == 0.5


def test_accuracy_of_variants_and_seeds_in_turn(tmp_path, capsys, monkeypatch):
    """With made-up runs: of what is run, with which seeds, and of failures."""
    rows = "".join(f'"{k % 2 + 1}","","word{k % 3} term{k % 5} and text"\n' for k in range(60))
    for name in ("train.csv", "test.csv", "vectors.txt"):
        (tmp_path / name).write_text(rows)
    commands = []

    def run_once(system, folder, *, cold):
        words = system.words(folder)
        commands.append(words)
        if system.name == "train" and "--bad" in words:
            return made_run(outcome=harness.FAILED, message="Traceback\nooc-train: no")
        epochs = [{"rows_per_second": 900}, {"rows_per_second": 1000}]
        shares = {"accuracy": 0.5 + len(commands) / 100}
        return made_run(report={"epochs": epochs, "best_epoch": 1, **shares})

    run_in_process(monkeypatch)
    monkeypatch.setattr(harness, "run_once", run_once)
    vectors = tmp_path / "vectors.txt"
    variants = [
        "ooc-train",
        f"ooc-train --embeddings {shlex.quote(str(vectors))}",
        "ooc-train --bad",
    ]
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
        ("--preset imdb --data a --train-rows 9", "--train-rows draws rows of a CSV file; leave"),
        ("--variants sepcnn", "--variants have to begin with ooc-train"),
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
