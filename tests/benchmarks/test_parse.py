"""Parsing by itself."""

import json

from benchmarks.report.results import Spread
from tests.benchmarks.runs import check_what_is_written, linux

TINY = ["parse", "--rows", "1000", "--runs", "1"]


@linux
def test_it_prints_what_it_writes(tiny):
    check_what_is_written(tiny, "parse")


@linux
def test_all_formats_hold_the_same_rows(tiny):
    record = json.loads((tiny.folder / "parse.json").read_text("utf-8"))
    assert list(record["formats"]) == ["CSV", "tab-separated", "JSON Lines"]
    for of_one in record["formats"].values():
        (run,) = of_one["runs"]
        assert run["report"]["rows"] == 1000
        speed = of_one["input_bytes"] / 1e6 / run["report"]["parsing_seconds"]
        assert f" {Spread.of([speed])} |" in tiny.output
    (target,) = record["targets"]
    assert target["text"] == "CSV, MB/s on one thread"
