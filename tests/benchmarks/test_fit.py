"""Estimates of time and disk from two small conversions."""

import json

import pytest

from benchmarks.studies import fit
from tests.benchmarks.runs import check_what_is_written, linux

TINY = ["fit", "--quick", "--runs", "1", "--rows", "1000000", "--words", "30"]


@linux
def test_it_prints_what_it_writes(tiny):
    check_what_is_written(tiny, "fit")


@linux
def test_fit_estimates_for_the_rows_said(tiny):
    _, output, out = tiny
    record = json.loads((out / "fit.json").read_text("utf-8"))
    (estimate,) = record["estimates"]
    assert (estimate["n_rows"], estimate["n_words"]) == (1_000_000, 30)
    for name, line in record["model"]["lines"].items():
        expected = line["start"] + line["slope"] * 30_000_000
        assert estimate["estimated"][name] == pytest.approx(expected)
        assert line["slope"] > 0
    assert 5e7 < record["model"]["training_bytes"] < 2e9
    assert "| 1,000,000 | 30 | " in output


def test_a_line_goes_through_its_points_or_through_nothing():
    line = fit.Line.through([(10, 5.0), (30, 9.0)])
    assert (line.start, line.slope, line.at(100)) == (3.0, 0.2, 23.0)
    steep = fit.Line.through([(10, 1.0), (30, 9.0)])
    assert (steep.start, steep.at(60)) == (0.0, 18.0)
    falling = fit.Line.through([(10, 5.0), (30, 3.0)])
    assert (falling.start, falling.at(60)) == (0.0, 6.0)


def test_estimates_are_checked_against_what_was_measured():
    estimated = fit.Figures(10.0, 5.0, 100.0, 130.0)
    measured = fit.Figures(12.0, 5.0, 100.0, 100.0)
    case = fit.Case(1000, 50, 512 * 10**6)
    reached = list(fit._targets(case, estimated, measured))
    assert [target.outcome for target in reached] == ["met", "met", "met", "missed"]
    text = "estimate for 1,000 rows of 50 words, --memory 512MB: converting seconds, "
    assert reached[0].text == f"{text}share it is off by"
    lines = list(fit._check_lines([(case, estimated, measured)]))
    assert lines[0][1:] == ["converting seconds", "10.0 s", "12.0 s", "-17%"]


def test_cases_take_turns_and_medians_count(tmp_path, monkeypatch):
    """The first run compiles and does not count."""
    asked = []

    def measure(case, folder):
        assert folder == tmp_path
        asked.append(case.n_rows)
        value = 1000.0 if len(asked) == 1 else case.n_rows + len(asked)
        return fit.Measured(fit.Figures(value, value, value, value), 7)

    monkeypatch.setattr(fit, "_measure", measure)
    small, large = fit.Case(10), fit.Case(20)
    measured = fit._measured([small, large], tmp_path, 3)
    assert asked == [10, 10, 20, 10, 20, 10, 20]
    assert measured[small].figures.epoch_seconds == 10 + 4  # of the runs 2, 4 and 6
    assert measured[large].figures.result_bytes == 20 + 5
    assert measured[large].training_bytes == 7
