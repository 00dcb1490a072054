"""The memory of a process and its descendants, sampled from outside while they run.

Other figures mislead.  `ru_maxrss` of a child starts from its parent's peak, so that a small child
of a large parent looks large.  One process alone misses its workers.  A sum of resident sizes
counts pages that a fork shares in each process.  So:

* one process: the kernel's counters in `/proc/PID/status`, cheap however large the process;
* several: proportional shares, `/proc/PID/smaps_rollup`, in which a shared page counts once;
  a child between `vfork` and `exec` runs in its parent's memory and is left out;
* `VmHWM` of the main process, a high-water mark that no sampling can miss.

Linux only; elsewhere every figure is `None`.  A process whose own parent has ended is not found.
"""

import contextlib
import ctypes
import itertools
import platform
import re
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

INTERVAL_SECONDS = 0.02
_LONGEST_SECONDS = 0.05  # a peak that lasts longer is never missed
_LARGEST_SHARE = 0.05  # of a core's time, that sampling may take meanwhile
TIMELINE_POINTS = 100
CAN_MEASURE = sys.platform == "linux"
CANNOT_MEASURE = f"memory is not measured on {platform.system()}: that takes Linux's /proc"

_KCMP = {"x86_64": 312, "aarch64": 272}  # the system call's number; there is no wrapper in libc
_KCMP_VM = 1
_TRIES = 4
_KINDS = ("Anon", "File", "Shmem")
_SLACK_BYTES = 2**20


class Sample(NamedTuple):
    """Memory of a process tree at one moment, in bytes; `seconds` since measuring began."""

    seconds: float
    anon_bytes: int
    file_bytes: int
    shmem_bytes: int


@dataclass(frozen=True)
class Peaks:
    """The most that a process tree took of each kind, in bytes; `None` where not measurable.

    The peaks need not fall together.  `high_water_bytes` is `VmHWM`, the main process's alone;
    `rss_bytes` the largest of it and of the samples of the whole tree.  Anonymous and shared
    memory cannot be dropped by the kernel, file pages can.  `timeline` has at most
    `TIMELINE_POINTS` samples, each that with most anonymous memory in its stretch of time.
    """

    rss_bytes: int | None = None
    high_water_bytes: int | None = None
    anon_bytes: int | None = None
    file_bytes: int | None = None
    shmem_bytes: int | None = None
    n_samples: int = 0
    longest_gap_seconds: float | None = None
    timeline: list[Sample] = field(default_factory=list)


class TreeMonitor:
    """Samples the tree of process `pid` in a thread, while used as a context manager."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._samples: list[Sample] = []
        self._high_water = 0
        self._start = time.perf_counter()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="memory", daemon=True)

    def __enter__(self) -> "TreeMonitor":
        if CAN_MEASURE:
            self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        if CAN_MEASURE:
            self._thread.join()

    def peaks(self) -> Peaks:
        """The peaks that were seen; call this after the `with`."""
        if not self._samples:
            return Peaks()
        samples, high_water = self._samples, self._high_water
        largest = max(anon + file + shmem for _, anon, file, shmem in samples)
        seconds = [0.0, *(sample.seconds for sample in samples)]
        return Peaks(
            rss_bytes=max(high_water, largest),
            high_water_bytes=high_water,
            anon_bytes=max(sample.anon_bytes for sample in samples),
            file_bytes=max(sample.file_bytes for sample in samples),
            shmem_bytes=max(sample.shmem_bytes for sample in samples),
            n_samples=len(samples),
            longest_gap_seconds=max(b - a for a, b in itertools.pairwise(seconds)),
            timeline=_thinned(samples, TIMELINE_POINTS),
        )

    def _run(self) -> None:
        while True:
            began = time.thread_time()
            self._high_water = max(self._high_water, _status(self._pid).get("VmHWM", 0))
            memory = _tree_memory(self._pid)
            if any(memory):  # what has ended, and is not yet waited for, has none
                self._samples.append(Sample(time.perf_counter() - self._start, *memory))
            cost = time.thread_time() - began
            pause = min(max(INTERVAL_SECONDS, cost / _LARGEST_SHARE), _LONGEST_SECONDS)
            if self._stop.wait(pause):
                return


def _tree_memory(root: int) -> tuple[int, ...]:
    """Anonymous, file and shared memory of a tree, in bytes.

    Proportional shares are read one process after the other.  Where sharing changes meanwhile, a
    page may count more than once: when three forked children end, the sum comes out a third too
    large.  Such a sum is thrown away and all are read again.
    """
    sums = []
    for _ in range(_TRIES):
        pids = _processes(root)
        before = [_status(pid) for pid in pids]
        if len(pids) == 1:
            return tuple(before[0].get(f"Rss{kind}", 0) for kind in _KINDS)
        shares = [_sizes(Path(f"/proc/{pid}/smaps_rollup")) for pid in pids]
        after = [_status(pid) for pid in pids]
        sums.append(tuple(sum(share.get(f"Pss_{kind}", 0) for share in shares) for kind in _KINDS))
        if not any(map(_sharing_changed, before, shares, after)):
            return sums[-1]
    return min(sums)


def _sharing_changed(before: dict[str, int], share: dict[str, int], after: dict[str, int]) -> bool:
    """Whether a process let go of shared pages after its share was read, or took some before."""
    anon, anon_share = share.get("Anonymous", 0), share.get("Pss_Anon", 0)
    other, other_share = share.get("Rss", 0) - anon, share.get("Pss", 0) - anon_share
    fewest_others = min(
        status.get("RssFile", 0) + status.get("RssShmem", 0) for status in (before, after)
    )
    # What a process takes of anonymous memory is its own.
    shares_anon = anon - anon_share > _SLACK_BYTES
    shares_others = other - other_share > _SLACK_BYTES
    return (shares_anon and anon - after.get("RssAnon", 0) > _SLACK_BYTES) or (
        shares_others and other - fewest_others > _SLACK_BYTES
    )


def _processes(root: int) -> list[int]:
    """`root` and its descendants, without those that run in their parent's memory."""
    found = [root]
    for pid in found:
        with contextlib.suppress(FileNotFoundError):  # it has just gone
            for task in Path(f"/proc/{pid}/task").glob("*/children"):
                children = map(int, _text(task).split())
                found.extend(child for child in children if not _same_memory(child, pid))
    return found


def _same_memory(one: int, other: int) -> bool:
    """Whether two processes share one address space; no where that cannot be asked."""
    number = _KCMP.get(platform.machine())
    if number is None:
        return False
    return bool(ctypes.CDLL(None).syscall(number, one, other, _KCMP_VM, 0, 0) == 0)


def _status(pid: int) -> dict[str, int]:
    return _sizes(Path(f"/proc/{pid}/status"))


def _sizes(path: Path) -> dict[str, int]:
    """The sizes in a `/proc` file of `Name:  123 kB` lines, in bytes."""
    lines = re.findall(r"^(\w+):\s+(\d+) kB$", _text(path), re.MULTILINE)
    return {name: int(value) * 1024 for name, value in lines}


def _text(path: Path) -> str:
    """A `/proc` file's text; empty when its process has just gone."""
    try:
        return path.read_text()
    except OSError:
        return ""


def _thinned(samples: list[Sample], n_points: int) -> list[Sample]:
    """The sample with most anonymous memory of each of at most `n_points` stretches."""
    step = -(-len(samples) // n_points)
    stretches = (samples[start : start + step] for start in range(0, len(samples), step))
    return [max(stretch, key=lambda sample: sample.anon_bytes) for stretch in stretches]
