"""Figures, tables and targets made of runs."""

import json

import pytest

from benchmarks.measure import harness
from benchmarks.measure.memory import Peaks
from benchmarks.report import results, tables, targets
from tests.benchmarks.runs import made_run


@pytest.mark.parametrize(
    ("bounds", "measured", "outcome"),
    [
        ({"at_least": 0.8}, 0.8, "met"),
        ({"at_least": 0.8}, 0.79, "missed"),
        ({"at_most": 60}, 60.5, "missed"),
        ({"at_most": 60}, 59.0, "met"),
        ({"at_most": 60}, None, "not measured"),
    ],
)
def test_targets(bounds, measured, outcome):
    assert targets.Target(text="speed", measured=measured, **bounds).outcome == outcome


def test_ratios_are_of_pairs():
    ours = [made_run(1.0), made_run(2.0), made_run(4.0)]
    peers = [made_run(3.0), made_run(4.0), made_run(40.0)]
    assert results.times_ours(peers, ours) == results.Spread(3.0, 2.0, 10.0)
    failed = [made_run(9.0), made_run(4.0, harness.FAILED)]
    assert results.times_ours(failed, ours) == results.Spread(9.0, 9.0, 9.0)
    assert results.times_ours([], ours) is None


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([1.234, 1.0, 1.5], "1.23 (1.00–1.50)"),
        ([12.34, 13.0], "12.7 (12.3–13.0)"),
        ([140.2], "140"),
    ],
)
def test_spreads_have_three_digits(values, text):
    assert str(results.Spread.of(values)) == text


def test_phases_include_what_a_command_cannot_see():
    reports = [{"seconds": 2.0, "phase_seconds": {"reading": 0.5 * k}} for k in (1, 3, 2)]
    runs = [made_run(2.25, report=report) for report in reports]
    assert results.phases(runs) == {"start": 0.25, "reading": 1.0}
    assert results.phases([made_run()]) == {}


def test_peaks_ignore_what_could_not_be_measured():
    runs = [made_run(), made_run(memory=Peaks(anon_bytes=5)), made_run(memory=Peaks(anon_bytes=3))]
    assert results.peak(runs, "anon_bytes") == 5
    assert results.peak(runs[:1], "anon_bytes") is None


def test_growth_is_against_the_smallest_that_completed():
    spilled = {"spill_bytes": 3_000_000}
    sizes = [
        tables.Growth(4000, 8_000_000, [made_run(5.0, report=spilled, cpu_seconds=7.0)]),
        tables.Growth(1000, 2_000_000, [made_run(1.0, harness.KILLED)]),
        tables.Growth(2000, 4_000_000, [made_run(2.0), made_run(2.0)]),
    ]
    first, second = tables.growth(sizes).splitlines()[2:]
    assert first == "| 2,000 | 4 | 2.00 | 2.0 | 1,000 | 1.00 | 1.00 | 1.00 | – | 0 | – |"
    assert second == "| 4,000 | 8 | 5.00 | 7.0 | 800 | 2.00 | 2.50 | 1.25 | 3 | 0 | – |"


def test_a_killed_system_is_a_row_that_says_so():
    killed = made_run(
        outcome=harness.KILLED,
        message="reading\nout | of memory",
        cap_bytes=512 * 10**6,
        cap_enforced_by="cgroup, version 1",
        cap_peak_bytes=511 * 10**6,
    )
    row = tables.systems({"A": [made_run()], "B": [killed]}, "A").splitlines()[-1]
    assert row == (
        r"| B | 1 | – | – | – | – | – | – | killed under 512 MB (cgroup, version 1, peak 511 MB) "
        r"(out \| of memory) |"
    )


def test_result_files_are_whole_or_absent(tmp_path):
    results.write(tmp_path / "new", "name", {"a": 1}, "table")
    assert json.loads((tmp_path / "new/name.json").read_text()) == {"a": 1}
    assert (tmp_path / "new/name.md").read_text() == "table\n"
    with pytest.raises(ValueError, match="Out of range float"):
        results.write(tmp_path, "other", {"a": float("nan")}, "table")
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
