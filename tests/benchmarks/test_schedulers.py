"""Converting on threads, on processes and on Dask's workers."""

import json

import pytest

from benchmarks import __main__
from benchmarks.measure import harness
from tests.benchmarks.in_process import run_in_process
from tests.benchmarks.runs import check_what_is_written, linux, made_run

pytest.importorskip("distributed", reason="Dask is not installed")

TINY = ["schedulers", "--rows", "3000", "--runs", "1"]


@linux
def test_it_prints_what_it_writes(tiny):
    check_what_is_written(tiny, "schedulers")


@linux
def test_all_give_the_same_bytes_whoever_is_killed(tiny):
    _, _, out = tiny
    record = json.loads((out / "schedulers.json").read_text("utf-8"))
    assert all(system["same_bytes"] for system in record["workers"].values())
    *_, killed = record["workers"].values()
    phases = ["reading", "counting", "scoring", "transforming", "writing"]
    assert killed["runs"][0]["report"]["killed"][-len(phases) :] == phases


def test_only_those_that_are_asked_for_run(tmp_path, monkeypatch):
    """With made-up runs."""
    run_in_process(monkeypatch)
    monkeypatch.setattr(harness, "run_once", lambda *_, **__: made_run(result_digest="one"))
    arguments = ["--beside", "processes", "--rows", "1000", "--runs", "1"]
    assert __main__.main(["schedulers", "--out", str(tmp_path), *arguments]) == 0
    record = json.loads((tmp_path / "schedulers.json").read_text("utf-8"))
    assert list(record["workers"]) == ["threads", "processes[2]"]
    assert record["targets"] == []
