"""Converting text beyond ASCII."""

import json

import pytest

from tests.benchmarks.runs import check_what_is_written, linux

TINY = ["scripts", "--rows", "1000", "--runs", "1"]


@linux
def test_it_prints_what_it_writes(tiny):
    check_what_is_written(tiny, "scripts")


@linux
def test_scripts_spells_the_same_rows_anew(tiny):
    _, _, out = tiny
    record = json.loads((out / "scripts.json").read_text("utf-8"))
    plain, *others = record["spellings"].values()
    for other in others:
        assert other["characters"] == plain["characters"]
        reports = [spelling["runs"][0]["report"] for spelling in (plain, other)]
        # Not quite the same: ä falls together with a, and one syllable is two characters, a word.
        for figure in ("grams", "distinct_grams"):
            assert reports[0][figure] == pytest.approx(reports[1][figure], rel=0.1)
