"""Converting on threads, on processes and on Dask's workers."""

import json

import pytest

from tests.benchmarks.runs import check_what_is_written, linux

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
