"""Every command under a cap of memory, and the files made for it."""

import json

import numpy as np
import pytest

import ooc_train
from benchmarks import __main__
from benchmarks.data.made_files import rows_bytes, write_dense_file, write_repeated_file
from benchmarks.measure import harness
from benchmarks.studies import memory
from tests.benchmarks.runs import check_what_is_written, linux, made_run
from tests.files import write_toy

TINY = [
    "memory",
    "--cap", "600MB", "--multiples", "64", "--features", "dense",
    "--peer-environments", "PEERS",
]  # fmt: skip


@linux
def test_it_prints_what_it_writes(tiny):
    check_what_is_written(tiny, "memory")


@linux
def test_memory_runs_every_command_under_the_cap(tiny):
    _, output, out = tiny
    record = json.loads((out / "memory.json").read_text("utf-8"))
    cases = {(case["stage"], case["system"]): case for case in record["cases"]}
    ours = [
        ("convert", "ooc-convert"), ("read", "ooc-train's reader"), ("train", "ooc-train"),
        ("evaluate", "ooc-evaluate"), ("predict", "ooc-predict"),
    ]  # fmt: skip
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
    monkeypatch.setattr(memory, "TIMES_CAP", dict.fromkeys(memory.TIMES_CAP, 20))
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
    # One more offset than rows, in each of them.
    assert rows_bytes(tmp_path / "made.h5") == 3 * rows_bytes(source) - 2 * 8


def test_dense_rows_are_of_the_size_said(tmp_path):
    write_dense_file(tmp_path / "made.h5", 20_000, 3)
    with ooc_train.open(tmp_path / "made.h5") as data:
        rows = data["train"].read(0, 20_000).to_dense()
    assert rows.shape == (20_000, 3)
    np.testing.assert_array_equal(rows[:3616], rows[16_384:])
    assert len(np.unique(rows[:16_384], axis=0)) == 16_384


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--multiples 0", "'0' is not a number from 1 to 64, or several"),
        ("--stages cook", "'cook' is none of: convert, read, train, evaluate, predict"),
        ("--features words", "'words' is none of: dense, ngram"),
    ],
)
def test_memory_explains_wrong_options(arguments, message, capsys):
    with pytest.raises(SystemExit):
        __main__.main(["memory", *arguments.split()])
    assert message in capsys.readouterr().err
