"""Training beside model.fit: what runs, and what is told of it."""

import json

import pytest

import ooc_train
from benchmarks import __main__
from benchmarks.measure import harness
from benchmarks.ours import prebuilt
from benchmarks.studies import train as train_benchmark
from tests.benchmarks.runs import check_what_is_written, linux, made_run
from tests.files import write_toy

TINY = ["train", "--data", "TOY.h5", "--runs", "1", "--epochs", "1"]


@linux
def test_it_prints_what_it_writes(tiny):
    check_what_is_written(tiny, "train")


@linux
def test_train_measures_all_sides(tiny):
    record = json.loads((tiny.folder / "train.json").read_text("utf-8"))
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
    reached = {target["text"]: target["measured"] for target in record["targets"]}
    times = {name: system["times_slower"]["median"] for name, system in record["systems"].items()}
    assert reached["times model.fit, in memory"] == times["model.fit, in memory"]
    gain = 1 / times["ooc-train --bucket-by-length"]
    assert reached["batches of near length, times those of any"] == pytest.approx(gain)


def test_train_on_ngrams_tells_what_is_reached(tmp_path, capsys, monkeypatch):
    """With made-up figures: which systems there are, and who is compared with whom."""
    speeds = {
        train_benchmark.OURS: 60_000, train_benchmark.PREBUILT: 61_000,
        train_benchmark.DENSE_ADAM: 15_000, train_benchmark.GENERATOR: 5_000,
        train_benchmark.SPARSE: 25_000,
    }  # fmt: skip

    def made(system):
        (scratch,) = {word for word in system.words(tmp_path) if word.endswith("report.json")}
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
    assert __main__.main([*arguments, "--peers", "none"]) == 0
    record = json.loads((tmp_path / "train.json").read_text("utf-8"))
    own = [train_benchmark.OURS, train_benchmark.PREBUILT, train_benchmark.DENSE_ADAM]
    assert list(record["systems"]) == own


def test_train_on_dense_rows_tells_what_checks_cost(tmp_path, capsys, monkeypatch):
    """That of the first epochs, in which they are made; other targets are of the last."""
    speeds = {
        train_benchmark.OURS: (96, 100), train_benchmark.UNCHECKED: (100, 50),
        train_benchmark.PREBUILT: (1, 101), train_benchmark.TORCH: (10, 20),
    }  # fmt: skip

    def made(system):
        epochs = [{"rows_per_second": speed, "loss": 0.5} for speed in speeds[system.name]]
        assert ("--no-verify" in system.words(tmp_path)) == (
            system.name == train_benchmark.UNCHECKED
        )
        return made_run(report={"rows": 300, "epochs": epochs})

    monkeypatch.setattr(
        harness, "alternate", lambda systems, *_, **__: {s.name: [made(s)] for s in systems}
    )
    arguments = ["train", "--features", "dense", "--rows", "20", "--out", str(tmp_path)]
    assert __main__.main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    for line in [
        "| checksums: part of the first epoch's rows/s that they cost "
        "| at most 0.05 | 0.040 | met |",
        "| times ooc-train's steps, prebuilt batches | at least 0.95 | 0.990 | met |",
    ]:
        assert line in lines


def test_train_compares_options_with_each_other(tmp_path, capsys, monkeypatch):
    """Without peers, and without their targets."""

    def made(system):
        speed = 50 if "balanced" in system.words(tmp_path) else 100
        return made_run(report={"rows": 300, "epochs": [{"rows_per_second": speed, "loss": 0.5}]})

    monkeypatch.setattr(
        harness, "alternate", lambda systems, *_, **__: {s.name: [made(s)] for s in systems}
    )
    path = write_toy(tmp_path / "toy.h5", train=300)
    arguments = ["train", "--data", str(path), "--out", str(tmp_path), "--variants"]
    variant = "ooc-train --class-weight balanced"
    assert __main__.main([*arguments, variant]) == 0
    output = capsys.readouterr().out
    assert "| ooc-train | 1 | 100 | 1.00 |" in output
    assert f"| {variant} | 1 | 50.0 | 2.00 |" in output
    assert "model.fit" not in output
    assert "target" not in output
    assert __main__.main([*arguments, "python"]) == 2
    assert "--variants have to begin with ooc-train" in capsys.readouterr().err


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
