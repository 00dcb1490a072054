"""From CSV to test accuracy, beside the other systems."""

import json

import pytest

from benchmarks import __main__
from benchmarks.measure import harness
from benchmarks.studies import end_to_end
from tests.benchmarks.runs import check_what_is_written, linux, made_run

TINY = [
    "end-to-end",
    "--rows", "1000", "--runs", "1", "--epochs", "2", "--peers", "fasttext",
    "--peer-environments", "PEERS",
]  # fmt: skip


@linux
def test_it_prints_what_it_writes(tiny):
    check_what_is_written(tiny, "end-to-end")


@linux
def test_end_to_end_goes_from_csv_to_test_accuracy(tiny):
    _, output, out = tiny
    record = json.loads((out / "end-to-end.json").read_text("utf-8"))
    ours, *others = record["systems"].values()
    (run,) = ours["runs"]
    report = run["report"]
    assert (report["rows"], report["test_rows"], report["features"]) == (1000, 1000, "ngram")
    assert report["phase_seconds"].keys() == {
        "ooc-convert", "ooc-train", "page", "ooc-convert, test rows", "ooc-evaluate",
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
        commands[system.name] = system.words(folder)
        own = f"{end_to_end.OURS}, 3 epochs"
        to_model = {own: 5.0, "fastText, 10 epochs": 4.0}.get(system.name, 2.0)
        accuracy = {own: 0.91, "fastText, 10 epochs": 0.89}.get(system.name, 0.88)
        report = {"rows": 1, "test_rows": 1, "accuracy": accuracy}
        return made_run(8.0, report={**report, "seconds": 7.0, "seconds_to_model": to_model - 1})

    monkeypatch.setattr(harness, "run_once", run_once)
    arguments = ["--data", str(tmp_path / "train.csv"), str(tmp_path / "test.csv")]
    arguments += ["--epochs", "1", "auto", "3"]
    assert __main__.main(["end-to-end", "--out", str(tmp_path / "out"), *arguments]) == 0
    output = capsys.readouterr().out
    assert "| ooc-convert, ooc-train, 3 epochs | 0.9100 | 5.00 | 1 | 8.00 | " in output
    assert "| fastText, 10 epochs | 0.8900 | 4.00 | 0.80 | 8.00 | " in output
    assert (
        "| test accuracy above that of fastText, 10 epochs | at least 0.005 | 0.020 | met |"
        in output
    )
    assert "times those of fastText, 10 epochs | at most 0.4 | 1.250 | missed |" in output
    assert "times those of Vowpal Wabbit | at most 0.7 | 2.500 | missed |" in output
    epochs = {name: words[words.index("--epochs") + 1] for name, words in commands.items()
              if "--epochs" in words and "fastText" not in name}  # fmt: skip
    assert epochs == {
        "ooc-convert, ooc-train, 1 epoch": "1",
        "ooc-convert, ooc-train, early stopping": "auto",
        "ooc-convert, ooc-train, 3 epochs": "3",
        "the guide, in memory": "3",
        "the guide, in memory, sparse batches": "3",
    }
    assert len(commands) == 3 + sum(map(len, end_to_end.PEERS.values()))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--data a.csv b.csv", "--data a.csv is not a file"),
        ("--data a.csv b.csv --rows 9", "--rows and --data exclude each other"),
        ("--epochs 0", "a number of epochs above 0, or auto, not '0'"),
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
