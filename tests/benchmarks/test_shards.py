"""One file beside shards of the same rows."""

import json

from tests.benchmarks.runs import check_what_is_written, linux

TINY = ["shards", "--rows", "2000", "--runs", "1"]


@linux
def test_it_prints_what_it_writes(tiny):
    check_what_is_written(tiny, "shards")


@linux
def test_all_rows_are_converted_and_read(tiny):
    _, _, out = tiny
    kinds = json.loads((out / "shards.json").read_text("utf-8"))["kinds"]
    assert len(kinds) == 2
    for layouts in kinds.values():
        read = [layout["reading"][0]["report"]["epochs"] for layout in layouts.values()]
        counts = [[(epoch["rows"], epoch["entries"]) for epoch in epochs] for epochs in read]
        assert counts[0] == counts[1]
        assert counts[0][0][0] == 2000
        n_shards = [len(it["converting"][0]["report"]["shards"]) for it in layouts.values()]
        assert n_shards == [0, 8]
