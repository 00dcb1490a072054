"""Reading epochs, beside the other systems."""

import json
import time

import pytest

from benchmarks import __main__
from benchmarks.measure.memory import Peaks
from benchmarks.peers import reading
from benchmarks.studies import read
from tests.benchmarks.runs import check_what_is_written, linux, made_run

TINY = [
    "read",
    "--size", "200KB", "--columns", "16", "--rows", "1000", "--runs", "1", "--seconds", "5",
    "--peers", "h5py,anndata", "--peer-environments", "PEERS",
]  # fmt: skip


@linux
def test_it_prints_what_it_writes(tiny):
    check_what_is_written(tiny, "read")


@linux
def test_read_measures_both_kinds_of_rows_warm_and_cold(tiny):
    _, output, out = tiny
    record = json.loads((out / "read.json").read_text("utf-8"))
    dense, ngram = record["results"]
    assert (dense["rows"], ngram["rows"]) == (200_000 // 64, 1000)
    assert list(dense["page_cache"]) == list(ngram["page_cache"]) == ["warm", "cold"]
    ours = [
        "ooc-train, sequential", "ooc-train, shuffled", "ooc-train, shuffled, not mapped",
        "ooc-train, sequential, --no-verify",
    ]  # fmt: skip
    h5py_name = "h5py, random rows one by one"
    assert list(dense["page_cache"]["warm"]) == [read.MEMMAP, *ours, h5py_name]
    compressed = [
        f"ooc-train, shuffled, {name}{how}"
        for name in ("lz4", "zstd")
        for how in ("", read.BY_FILTERS)
    ]
    assert list(ngram["page_cache"]["cold"]) == [*ours, *compressed, h5py_name, "AnnData, backed"]
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
