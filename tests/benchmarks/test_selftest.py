"""The instrument that measures memory, and its own test."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.measure import memory
from benchmarks.measure.memory import Sample
from benchmarks.studies import selftest
from tests.benchmarks.runs import check_what_is_written, linux

TINY = ["selftest", "--size", "150MB"]


@linux
def test_it_prints_what_it_writes(tiny):
    check_what_is_written(tiny, "selftest")


@linux
def test_known_appetites_are_measured_within_3_percent(tiny):
    status, output, out = tiny
    found = json.loads((out / "selftest.json").read_text("utf-8"))["results"]
    assert [case["process"] for case in found] == [case.title for case in selftest.CASES]
    assert all(abs(case["error"]) <= 0.03 for case in found), output
    assert status == 0


@linux
@pytest.mark.parametrize(
    ("broken", "replacement", "appetite"),
    [
        ("_same_memory", lambda *pids: False, "with_child_in_its_memory"),
        ("_processes", lambda root: [root], "half_copied"),
    ],
)
def test_the_self_test_can_fail(broken, replacement, appetite, tmp_path, monkeypatch):
    monkeypatch.setattr(memory, broken, replacement)
    cases = [case for case in selftest.CASES if case.appetite == appetite]
    (outcome,) = selftest.check(50_000_000, tmp_path, cases)
    assert not outcome.passed
    assert abs(outcome.error) > 0.4


@linux
def test_the_high_water_mark_is_of_before_the_first_sample():
    code = "b'x' * 200_000_000; print(flush=True); input()"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        with memory.TreeMonitor(process.pid) as monitor:
            time.sleep(0.1)
        process.communicate(b"\n")
    peaks = monitor.peaks()
    assert 200e6 < peaks.high_water_bytes == peaks.rss_bytes < 230e6
    assert peaks.anon_bytes < 30e6
    assert peaks.n_samples >= 2
    assert peaks.longest_gap_seconds >= memory.INTERVAL_SECONDS


def test_a_sum_is_read_again_when_sharing_changed(monkeypatch):
    # Two processes share 100 MB; the first ends when its share has been read, for once.
    mb = 10**6
    status = {"RssAnon": 100 * mb, "RssFile": 0, "RssShmem": 0}
    share = {"Rss": 100 * mb, "Anonymous": 100 * mb, "Pss": 50 * mb, "Pss_Anon": 50 * mb}
    alone = {**share, "Pss": 100 * mb, "Pss_Anon": 100 * mb}
    statuses = iter([status, status, {}, status, status])
    shares = iter([share, alone])
    processes = iter([[1, 2], [2]])
    monkeypatch.setattr(memory, "_processes", lambda root: next(processes))
    monkeypatch.setattr(memory, "_status", lambda pid: next(statuses))
    monkeypatch.setattr(memory, "_sizes", lambda path: next(shares))
    assert memory._tree_memory(1) == (100 * mb, 0, 0)


def test_a_process_may_end_while_its_children_are_looked_for(monkeypatch):
    def gone(path, pattern):
        raise FileNotFoundError(path)

    monkeypatch.setattr(Path, "glob", gone)
    assert memory._processes(1) == [1]


def test_a_timeline_keeps_the_largest_samples():
    samples = [Sample(k / 50, 7919 * k % 1000, 0, 0) for k in range(995)]
    thinned = memory._thinned(samples, 100)
    assert len(thinned) == 100
    assert thinned == sorted(set(thinned) & set(samples))
    assert max(sample.anon_bytes for sample in thinned) == 999
