"""Settings beside each other: the rows drawn, what is better beyond noise, and the tables."""

import csv
import json
from collections import Counter

import pytest

from benchmarks import __main__
from benchmarks.data.drawing import draw_unequal
from benchmarks.studies import defaults
from tests.benchmarks.runs import check_what_is_written, linux, write_toys

TINY = [
    "defaults",
    "--data", "TOYS", "--train-rows", "60", "--runs", "1",
    "--variants", "ooc-train --epochs 1", "ooc-train --epochs 1 --units 2",
]  # fmt: skip


@linux
def test_it_prints_what_it_writes(tiny):
    check_what_is_written(tiny, "defaults")


@linux
def test_accuracies_are_those_of_the_library(tiny):
    (rows,) = json.loads((tiny.folder / "defaults.json").read_text("utf-8"))["sets"]
    assert [*rows["accuracies"]] == TINY[-2:]
    assert all(0 <= one <= 1 for (one,) in rows["accuracies"].values())
    assert (rows["name"], rows["n_rows"], rows["n_classes"], rows["svm"]) == ("TOYS", 60, 3, 1)


def test_settings_beside_each_other(tmp_path, capsys, monkeypatch):
    """With made-up trainings: one set where a setting is better, and one where that is noise."""
    accuracies = {
        "ooc-train": [0.5, 0.52, 0.48],
        "ooc-train --units 9": [0.7, 0.72, 0.68],
        "ooc-train --layers 1": [0.51, 0.47, 0.55],
        "ooc-train --units 1": [0.3, 0.3, 0.3],
    }
    monkeypatch.setattr(defaults, "_accuracy", lambda variant, seed, *_: accuracies[variant][seed])
    source = write_toys(tmp_path / "words", 90)
    arguments = ["--data", str(source), "--train-rows", "60,100,unequal,all"]
    arguments += ["--variants", *accuracies, "--runs", "3", "--out", str(tmp_path / "out")]
    assert __main__.main(["defaults", *arguments]) == 0
    output = capsys.readouterr().out
    found = "1.000 | 0.5000 ± 0.0200 | 0.7000 ± 0.0200 | 0.5100 ± 0.0400 | 0.3000 ± 0.0000 |"
    assert f"| words | 60 | 3 | {found}" in output
    assert f"| words, unequal | 32 | 3 | {found}" in output
    assert f"| words | 90 | 3 | {found}" in output
    assert "| `ooc-train --units 9` | +20.00 | 3 | 0 | 3 |" in output
    assert "| `ooc-train --layers 1` | +1.00 | 0 | 0 | 3 |" in output
    assert "| `ooc-train --units 1` | -20.00 | 0 | 3 | 3 |" in output
    record = json.loads((tmp_path / "out" / "defaults.json").read_text("utf-8"))
    assert record["sets"][0]["accuracies"] == accuracies


def test_classes_of_unequal_sizes(tmp_path):
    source = write_toys(tmp_path / "words", 600)
    drawn = draw_unequal(source / "train.csv", 110, tmp_path / "drawn.csv")
    with drawn.open(encoding="utf-8", newline="") as file:
        counts = Counter(label for label, _ in csv.reader(file))
    assert counts == {"1": 60, "2": 30, "3": 20}
    drawn = draw_unequal(source / "train.csv", 11, tmp_path / "few.csv")
    assert len(drawn.read_text().splitlines()) == 3 * 8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--data empty", "--data empty has no train.csv"),
        ("--data empty --train-rows few", "'few' is no number of rows, nor all"),
        ("--data empty --variants sepcnn", "--variants have to begin with ooc-train"),
    ],
)
def test_wrong_options_are_explained(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    try:
        status = __main__.main(["defaults", *arguments.split()])
    except SystemExit as exit_:
        status = exit_.code
    assert status == 2
    assert message in capsys.readouterr().err
