"""Measured commands: in turn, under a cap, with a page cache warm or cold."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.measure import cgroup, harness, machine, page_cache
from benchmarks.measure.cgroup import CapError, memory_cgroup
from benchmarks.measure.commands import SCRATCH
from benchmarks.measure.harness import System
from benchmarks.measure.workspace import workspace
from benchmarks.report import results
from ooc_train.errors import BudgetError
from tests.benchmarks.runs import linux, made_run


def script(code):
    """A command for a system that runs a line of Python in the folder of its run."""
    return [sys.executable, "-c", code, SCRATCH]


def test_systems_alternate_and_one_that_fails_is_not_run_again(tmp_path):
    log = tmp_path / "order"
    write = f"open({str(log)!r}, 'a').write"
    systems = [
        System(name="A", command=script(f"{write}('A')")),
        System(name="B", command=script(f"{write}('B'); raise SystemExit('no luck')")),
        System(name="C", command=script(f"{write}('C')")),
    ]
    runs = harness.alternate(systems, 3, tmp_path, cold=False)
    assert log.read_text() == "ABCACAC"
    assert [len(of_system) for of_system in runs.values()] == [3, 1, 3]
    assert (runs["B"][0].outcome, runs["B"][0].message) == (harness.FAILED, "no luck")


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("pass", harness.COMPLETED),
        ("raise SystemExit(3)", harness.FAILED),
        ("raise SystemExit(69)", harness.NOT_INSTALLED),
        ("import os; os.kill(os.getpid(), 9)", harness.KILLED),
    ],
)
def test_outcomes(code, outcome, tmp_path):
    run = harness.run_once(System(name="A", command=script(code)), tmp_path, cold=False)
    assert run.outcome == outcome


def test_a_run_is_measured_and_leaves_nothing(tmp_path):
    code = """
import json, pathlib, sys, time
folder = pathlib.Path(sys.argv[1])
(folder / "result.bin").write_bytes(bytes(1234))
(folder / "report.json").write_text(json.dumps({"output": f"{folder}/result.bin", "rows": 5}))
time.sleep(0.3)
end = time.process_time() + 0.2
while time.process_time() < end: pass
print(f"written to {folder}/result.bin")
"""
    run = harness.run_once(System(name="A", command=script(code)), tmp_path, cold=False)
    assert run.report == {"output": "result.bin", "rows": 5}
    assert run.message == "written to result.bin"
    assert run.result_bytes == 1234
    assert 0.5 < run.seconds < 5
    assert 0.2 < run.cpu_seconds < run.seconds
    assert list(tmp_path.iterdir()) == []


def test_what_other_programs_take_is_told(tmp_path, monkeypatch):
    clock = iter([100.0, 103.0])
    monkeypatch.setattr(machine, "busy_seconds", lambda: next(clock))
    code = "import time\nwhile time.process_time() < 1: pass"
    run = harness.run_once(System(name="A", command=script(code)), tmp_path, cold=False)
    assert 0.9 <= run.cpu_seconds < 1.5
    assert 3 - run.cpu_seconds - 0.5 < run.others_cpu_seconds <= 3 - run.cpu_seconds
    runs = [made_run(2.0, others_cpu_seconds=1.0), made_run(2.0)]
    assert results.cores_of_others(runs) == results.Spread(0.5, 0.5, 0.5)


@linux
def test_the_machine_is_busy_while_something_works():
    before = machine.busy_seconds(), time.process_time()
    while time.process_time() < before[1] + 0.3:
        pass
    assert 0.25 < machine.busy_seconds() - before[0] < 300


def test_commands_run_without_the_variables_that_slow_numpy(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    monkeypatch.setenv("OPENBLAS_L2_SIZE", "512")
    names = "[n for n in ('OPENBLAS_CORETYPE', 'OPENBLAS_L2_SIZE', 'MINE') if n in os.environ]"
    system = System(name="A", command=script(f"import os; print({names})"), variables={"MINE": "1"})
    assert harness.run_once(system, tmp_path, cold=False).message == "['MINE']"


@pytest.fixture
def cap():
    """Return a function that makes a cap, where one can be enforced."""
    try:
        with memory_cgroup(10**8):
            return memory_cgroup
    except CapError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(
    ("n_bytes", "outcome"), [(30 * 10**6, harness.COMPLETED), (10**8, harness.KILLED)]
)
def test_a_cap_is_enforced(n_bytes, outcome, cap, tmp_path):
    system = System(name="A", command=script(f"b'x' * {n_bytes}"), cap_bytes=80 * 10**6)
    run = harness.run_once(system, tmp_path, cold=False)
    assert run.outcome == outcome
    assert run.cap_bytes == 80 * 10**6
    if run.cap_enforced_by != "systemd-run":
        assert min(n_bytes, 79 * 10**6) < run.cap_peak_bytes <= 80 * 10**6


@pytest.mark.parametrize(
    ("make", "folder", "files"),
    [
        (
            cgroup._version_1,
            "memory",
            {"memory.limit_in_bytes": "123", "memory.memsw.limit_in_bytes": "123"},
        ),
        (cgroup._version_2, "", {"memory.max": "123", "memory.swap.max": "0"}),
    ],
)
def test_a_group_is_limited_with_its_swap(make, folder, files, tmp_path, monkeypatch):
    monkeypatch.setattr(cgroup, "_ROOT", tmp_path)
    monkeypatch.setattr(cgroup, "_own_path", lambda controller: "own")
    (tmp_path / folder / "own").mkdir(parents=True)
    (tmp_path / "cgroup.subtree_control").write_text("memory")
    group = make(123)
    assert {path.name: path.read_text() for path in group.iterdir()} == files
    assert group.parent in {tmp_path, tmp_path / "memory/own"}


def test_a_cap_ends_with_all_that_runs_in_it(cap):
    with cap(10**8) as limit:
        command = [*limit.prefix, sys.executable, "-c", "print(flush=True); input()"]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        process.stdout.readline()
    if limit.folder is None:
        process.kill()
    assert process.wait(timeout=10) == -signal.SIGKILL
    process.stdin.close()
    process.stdout.close()
    assert limit.folder is None or not limit.folder.exists()


def test_a_group_of_version_2_goes_where_the_controller_is_handed_out(tmp_path):
    own = tmp_path / "user.slice" / "session"
    own.mkdir(parents=True)
    (own / "cgroup.subtree_control").write_text("\n")
    (own.parent / "cgroup.subtree_control").write_text("cpu\n")
    with pytest.raises(FileNotFoundError, match="hands out the memory controller"):
        cgroup._distributing(tmp_path, own)
    (tmp_path / "cgroup.subtree_control").write_text("cpu memory\n")
    assert cgroup._distributing(tmp_path, own) == tmp_path
    (own.parent / "cgroup.subtree_control").write_text("memory pids\n")
    assert cgroup._distributing(tmp_path, own) == own.parent


def test_the_page_cache_is_dropped_and_warmed(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(os.urandom(32_000_000))
    if page_cache.prepare([file], cold=True) == page_cache.CANNOT_DROP:
        pytest.skip("this file system's pages cannot be dropped, or it cannot tell")
    assert page_cache.cached_share(file) < 0.01
    with file.open("rb") as opened:
        opened.read(4_000_000)
    assert 0.12 < page_cache.cached_share(file) < 0.9  # the kernel reads ahead, how far is its own
    assert page_cache.prepare([file], cold=False) == page_cache.WARM
    assert page_cache.cached_share(file) > 0.99


@pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="this system cannot drop pages")
@pytest.mark.parametrize(
    ("cached", "state"), [(0.5, page_cache.CANNOT_DROP), (0.0, page_cache.COLD)]
)
def test_pages_count_as_dropped_when_they_are_gone(cached, state, tmp_path, monkeypatch):
    advice = []
    monkeypatch.setattr(os, "posix_fadvise", lambda *arguments: advice.append(arguments[1:]))
    monkeypatch.setattr(os, "fsync", lambda descriptor: advice.append("written"))
    monkeypatch.setattr(page_cache, "cached_share", lambda path: cached)
    (tmp_path / "file").write_bytes(b"text")
    assert page_cache.drop(tmp_path / "file") == state
    assert advice == ["written", (0, 0, os.POSIX_FADV_DONTNEED)]


def interrupted(folder):
    (folder / "file").write_text("text")
    raise KeyboardInterrupt


def test_a_workspace_is_deleted_whatever_happens(tmp_path):
    with pytest.raises(KeyboardInterrupt), workspace(tmp_path, 0) as folder:
        interrupted(folder)
    assert list(tmp_path.iterdir()) == []


def test_a_workspace_without_room_is_refused(tmp_path):
    with pytest.raises(BudgetError, match=r"1000000\.2 GB are needed"), workspace(tmp_path, 10**15):
        pass


@linux
def test_the_file_system_is_that_of_the_deepest_mount():
    assert machine.describe(Path("/proc/self"))["file_system"] == "proc"
    root = machine.describe(Path("/"))
    assert f" of {root['file_system']}, " in machine.in_words(root)
    assert root["file_system"] != "proc"
