"""Sizes, limits and measurement of memory, and how a budget is divided."""

import mmap
import os
import platform
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ooc_train import memory
from ooc_train.conversion.kinds.ngram.vectorizer import NgramParameters
from ooc_train.conversion.kinds.sequence.vectorizer import SequenceParameters
from ooc_train.conversion.resources import MemoryPlan
from ooc_train.errors import BudgetError, OptionError
from ooc_train.memory import default_budget

APPETITE = 50_000_000


@pytest.mark.parametrize(
    ("text", "n_bytes"),
    [
        ("4096", 4096),
        ("1B", 1),
        ("512MB", 512 * 10**6),
        ("512 mb", 512 * 10**6),
        ("2GiB", 2**31),
        ("0.5k", 500),
    ],
)
def test_sizes(text, n_bytes):
    assert memory.parse_size(text) == n_bytes


@pytest.mark.parametrize(("text", "n_bytes"), [("512", 512), ("0", 0), ("0MB", 0)])
def test_a_size_that_lacks_its_unit(text, n_bytes):
    said = f"'{text}' means {n_bytes} bytes; write a unit, such as 512MB"
    with pytest.raises(OptionError, match=said):
        memory.parse_size(text)


@pytest.mark.parametrize("text", ["", "MB", "12 parsecs", "-1MB", "1e3", "MB 12"])
def test_what_is_not_a_size(text):
    with pytest.raises(OptionError, match="is not a size; write a number and a unit"):
        memory.parse_size(text)


def fake_files(monkeypatch, files):
    monkeypatch.setattr(memory, "_read", lambda path: files.get(str(path), ""))


@pytest.mark.parametrize(
    "files",
    [
        {  # version 2: the parent's limit counts too
            "/proc/self/cgroup": "0::/user/job\n",
            "/sys/fs/cgroup/user/job/memory.max": "max\n",
            "/sys/fs/cgroup/user/memory.max": "300000000\n",
        },
        {
            "/proc/self/cgroup": "5:cpu:/x\n3:hugetlb,memory:/job\n",
            "/sys/fs/cgroup/memory/job/memory.limit_in_bytes": "300000000\n",
            "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        },
    ],
)
def test_a_cgroups_limit_counts(monkeypatch, files):
    fake_files(monkeypatch, files)
    assert memory.usable_bytes() == 300_000_000


@pytest.mark.parametrize(
    ("usable", "budget"),
    [(96, 60), (160, 100), (192, 120), (256, 128), (512, 128), (800, 200), (64_000, 4000)],
)
def test_the_default_is_a_quarter_but_what_a_conversion_takes(monkeypatch, usable, budget):
    monkeypatch.setattr(memory, "usable_bytes", lambda: usable * 10**6)
    assert default_budget() == budget * 10**6


def test_the_page_cache_has_what_this_process_leaves(monkeypatch):
    meminfo = {"/proc/meminfo": "MemTotal: 800000 kB\nMemAvailable:  400000 kB\n"}
    fake_files(monkeypatch, meminfo)
    assert memory.available_bytes() == 400_000 * 1024
    limited = {
        "/proc/self/cgroup": "0::/job\n",
        "/sys/fs/cgroup/job/memory.max": "300000000\n",
        f"/proc/{os.getpid()}/status": "RssAnon:\t  100000 kB\n",
    }
    fake_files(monkeypatch, meminfo | limited)
    assert memory.available_bytes() == 300_000_000 - 100_000 * 1024


def test_without_a_limit_the_machines_memory_counts(monkeypatch):
    fake_files(monkeypatch, {})
    assert memory.usable_bytes() > 10**9
    assert default_budget() <= 4 * 10**9


def test_anonymous_memory_and_its_peak_are_seen():
    before = memory.measure().anon_bytes
    with memory.MemoryMonitor() as monitor:
        block = np.ones(APPETITE, np.uint8)
        assert memory.measure().anon_bytes - before == pytest.approx(APPETITE, rel=0.1)
        while monitor._peak.anon_bytes < before + APPETITE * 0.9:
            pass  # until the thread has looked
        del block
    assert monitor.peak_anon_bytes - before == pytest.approx(APPETITE, rel=0.1)
    assert monitor.peak_rss_bytes >= monitor.peak_anon_bytes


@pytest.mark.parametrize(("share", "took", "n_measured"), [(100, 0, 3), (100, 2, 2), (50, 2, 50)])
def test_shares_of_pages_are_measured_seldom_where_none_are_shared(
    monkeypatch, share, took, n_measured
):
    measured = []

    def shares(pids):
        measured.append(pids)
        return memory.Memory(share * 4, share * 2)

    monkeypatch.setattr(memory, "_tree", lambda _: [1, 2])
    monkeypatch.setattr(memory, "_together", lambda _: memory.Memory(900, 200))
    monkeypatch.setattr(memory, "_shares", shares)
    monkeypatch.setattr("time.thread_time", lambda: took / 100 * len(measured))
    monitor = memory.MemoryMonitor()
    seen = {monitor._look(k * 0.05) for k in range(50)}
    assert seen == {memory.Memory(share * 4, share * 2)}
    assert len(measured) == n_measured
    monkeypatch.setattr(memory, "_tree", lambda _: [1, 2, 3])  # which one of them may have forked
    monitor._look(2.5)
    assert len(measured) == n_measured + 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_pages_that_processes_share_count_once():
    block = np.ones(APPETITE, np.uint8)
    before = memory.measure().anon_bytes
    command = [sys.executable, "-c", FORK]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        child.stdout.readline()
        monitor = memory.MemoryMonitor()
        monitor._raise_peak(monitor._look(0.0))
        monitor._raise_peak(monitor._look(0.1))
        assert APPETITE < monitor._peak.anon_bytes - before < 1.6 * APPETITE
        child.stdin.close()
    assert block.all()


FORK = """
import os, sys
block = bytearray(b"x") * 50_000_000
child = os.fork()
if child:
    print(flush=True)
    sys.stdin.read()
    os.kill(child, 9)
else:
    import time
    time.sleep(60)
"""


def test_mapped_files_are_not_anonymous(tmp_path):
    path = tmp_path / "mapped"
    path.write_bytes(bytes(APPETITE))
    before = memory.measure()
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
        assert mapped.find(b"x") == -1  # touches every page
        now = memory.measure()
        assert now.anon_bytes - before.anon_bytes < APPETITE / 10
        assert now.rss_bytes - before.rss_bytes == pytest.approx(APPETITE, rel=0.2)


DENSITIES = [
    NgramParameters().needs,
    NgramParameters(ngrams=(1, 8)).needs,
    NgramParameters(analyzer="char", ngrams=(1, 3)).needs,
    SequenceParameters().needs,
]


@given(st.integers(100, 8000), st.integers(60, 120), st.sampled_from(DENSITIES))
def test_a_plan_stays_within_its_budget_or_says_which_would_do(budget_mb, baseline_mb, needs):
    budget, baseline = budget_mb * 10**6, baseline_mb * 10**6
    try:
        plan = MemoryPlan.divide(budget, baseline, needs=needs)
    except BudgetError as error:
        enough = int(str(error).rsplit("--memory ", 1)[1].split("MB")[0]) + 1
        MemoryPlan.divide(enough * 10**6, baseline, needs=needs)
        assert enough > budget_mb
        return
    free = budget - baseline
    assert plan.n_workers >= 1
    assert (plan.n_workers + 2) * plan.block_bytes * needs.block_multiple <= free
    assert plan.n_workers * plan.table_bytes <= free
    assert 2 * (plan.n_workers + 2) * plan.bucket_bytes <= free


FAULTS = """
import resource, sys
import numpy as np
from ooc_train.memory import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
for _ in range(40):
    arrays = [np.ones(2**21, np.uint8) for _ in range(4)]
    del arrays
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")
def test_freed_memory_is_kept():
    def faults(how):
        command = [sys.executable, "-c", FAULTS, how]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    assert faults("give back") - faults("keep") > 20_000  # 40 times 8 MB have 80,000 pages


@given(st.lists(st.floats(0.001, 40), min_size=1, max_size=400))
def test_memory_over_time_has_few_points_and_every_peak(pauses):
    course, seconds = memory._Course(), np.cumsum(pauses)
    for number, second in enumerate(seconds.tolist()):
        course.add(second, memory.Memory(1000 + number % 37, number % 11))
    points = course.points()
    ends = points["seconds"]
    assert len(ends) == len(points["rss_bytes"]) == len(points["anon_bytes"]) <= memory.MAX_POINTS
    assert np.allclose(np.diff(ends, prepend=0), ends[0], atol=0.011)
    assert ends[-1] - ends[0] <= seconds[-1] + 0.011 <= ends[-1] + 0.022
    assert max(points["rss_bytes"]) == 1000 + max(i % 37 for i in range(len(pauses)))
    assert max(points["anon_bytes"]) == max(i % 11 for i in range(len(pauses)))
    # Each sample is in the interval in which it was taken.
    for number, second in enumerate(seconds.tolist()):
        interval = min(int(second / course._interval), len(ends) - 1)
        assert points["rss_bytes"][interval] >= 1000 + number % 37


def test_the_monitor_tells_memory_over_time():
    with memory.MemoryMonitor() as monitor:
        while not monitor.over_time()["seconds"]:
            pass
    points = monitor.over_time()
    assert 0 < points["anon_bytes"][0] <= points["rss_bytes"][0] <= monitor.peak_rss_bytes


def test_where_memory_cannot_be_measured_there_is_no_course():
    course = memory._Course()
    course.add(1.0, memory.Memory(None, None))
    assert course.points() == {"seconds": [], "rss_bytes": [], "anon_bytes": []}


def test_a_sample_counts_towards_the_peaks(monkeypatch):
    """Between two samples of its own, the monitor would miss it."""
    monitor = memory.MemoryMonitor()
    monkeypatch.setattr(memory, "measure", lambda: memory.Memory(10**15, 10**14))
    assert monitor.sample() == (10**15, 10**14)
    monkeypatch.setattr(memory, "measure", lambda: memory.Memory(1, 1))
    assert (monitor.peak_rss_bytes, monitor.peak_anon_bytes) == (10**15, 10**14)
