"""The memory that this process may use, and the memory that its process tree takes.

A budget bounds anonymous memory: the kernel drops file pages when memory gets scarce, but cannot
drop anonymous ones.  The kernel keeps a high-water mark of resident memory (``VmHWM``) but none of
anonymous memory, so a thread samples it.  Linux only; elsewhere the figures are ``None``.
"""

import contextlib
import ctypes
import itertools
import os
import re
import threading
import time
from pathlib import Path
from typing import NamedTuple

from ooc_train.counts import counted
from ooc_train.errors import BudgetError, OptionError
from ooc_train.threads import start

SAMPLE_SECONDS = 0.04
MAX_POINTS = 256
_SHARES_SECONDS, _SHARES_LOAD = 1.0, 0.01
_SHARING = 0.99
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of mallopt(3)
_UNITS = {
    "": 1, "B": 1,
    "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12,
    "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40,
}  # fmt: skip
_LEAST_BARE_BYTES = 1000  # below which a number without a unit is one that lacks it
_MIN_DEFAULT_BUDGET, _MAX_DEFAULT_BUDGET = 128 * 10**6, 4 * 10**9


def keep_freed_memory() -> None:
    """Let glibc keep freed memory for the next array of up to 32 MiB; elsewhere do nothing.

    By default glibc returns big pieces to the kernel, which clears them before it gives them out
    again: a tenth of a conversion's time.  It holds for the whole process, so for commands alone.
    """
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(_TRIM_THRESHOLD, 2**28)
        library.mallopt(_MMAP_THRESHOLD, 2**25)


def return_freed_memory() -> None:
    """Let glibc return the freed memory that it keeps; elsewhere do nothing."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def parse_size(text: str) -> int:
    """Bytes from a size such as ``512MB`` (10^6) or ``2GiB`` (2^30).

    >>> parse_size("512MB"), parse_size("1.5 KiB")
    (512000000, 1536)
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", text)
    unit = match and _UNITS.get(match[2].upper())
    if not match or not unit:
        raise OptionError(f"{text!r} is not a size; write a number and a unit, such as 512MB")
    n_bytes = int(float(match[1]) * unit)
    if n_bytes == 0 or (n_bytes < _LEAST_BARE_BYTES and not match[2]):
        raise OptionError(f"{text!r} means {counted(n_bytes, 'byte')}; write a unit, such as 512MB")
    return n_bytes


def usable_bytes() -> int:
    """The bytes that this process may use: the machine's, or its cgroup's limit if smaller."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([total, *_cgroup_limits()])


def available_bytes() -> int:
    """The bytes that the page cache may take for this process, now.

    They are what the system calls available, and at most what this process's own memory leaves of
    its cgroup's limit.
    """
    on_machine = _fields("/proc/meminfo").get("MemAvailable", usable_bytes())
    limits = _cgroup_limits()
    return min([on_machine, *(limit - (measure().anon_bytes or 0) for limit in limits)])


def largest_budget() -> int:
    """The anonymous memory that fits beside code and the pages of files, which count as well.

    That is five eighths of what this process may use.
    """
    return usable_bytes() * 5 // 8


def default_budget() -> int:
    """A quarter of the memory that this process may use, at least 128 MB and at most 4 GB.

    Where 128 MB do not fit, it is the `largest_budget`.
    """
    least = min(_MIN_DEFAULT_BUDGET, largest_budget())
    return max(least, min(usable_bytes() // 4, _MAX_DEFAULT_BUDGET))


def _cgroup_limits() -> list[int]:
    """The limits of this process's memory cgroup and of all above it, in version 1 or 2."""
    limits = []
    for line in _read("/proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            root, name = Path("/sys/fs/cgroup"), "memory.max"
        elif "memory" in controllers.split(","):
            root, name = Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"
        else:
            continue
        folder = root / path.lstrip("/")
        for place in (folder, *folder.parents):
            text = _read(place / name).strip()
            if text.isdigit():
                limits.append(int(text))
            if place == root:
                break
    return limits


class Memory(NamedTuple):
    """Resident and anonymous memory of the process tree, in bytes."""

    rss_bytes: int | None
    anon_bytes: int | None


def measure() -> Memory:
    """Resident and anonymous memory of this process and its descendants, now.

    Pages that processes share count once: with children, the result sums proportional shares.
    """
    pids = _tree(os.getpid())
    return _together(pids) if len(pids) == 1 else _shares(pids)


def _together(pids: list[int]) -> Memory:
    """The memory of all processes together, exact of one and a bound of several."""
    each = [_fields(f"/proc/{pid}/status") for pid in pids]
    return Memory(
        *(
            sum(fields.get(name, 0) for fields in each) if name in each[0] else None
            for name in ("VmRSS", "RssAnon")
        )
    )


def _shares(pids: list[int]) -> Memory:
    """The sums of the processes' proportional shares: some milliseconds, the kernel visits all."""
    each = [_fields(f"/proc/{pid}/smaps_rollup") for pid in pids]
    return Memory(*(sum(fields.get(name, 0) for fields in each) for name in ("Pss", "Pss_Anon")))


class MemoryMonitor:
    """Samples the process tree's memory in a thread, while used as a context manager.

    Shares of pages take long to measure.  Processes share anonymous pages only if one has forked
    another; where none has, the shares are measured once a second, for resident memory, and less
    often where that takes more than a hundredth of a processor.

    ``peak_anon_bytes`` is the largest sample.  ``peak_rss_bytes`` is the larger of the kernel's
    high-water mark of this process and the largest sample of the tree.  ``over_time`` has at most
    256 points, however long it takes.
    """

    def __init__(self) -> None:
        self._peak = Memory(0, 0)
        self._course = _Course()
        self._began = time.perf_counter()
        self._apart: list[int] = []
        self._shares, self._next = Memory(0, 0), 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="memory", daemon=True)

    def __enter__(self) -> "MemoryMonitor":
        with contextlib.suppress(BudgetError):  # without the thread there are fewer samples
            start(self._thread)
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        if self._thread.ident:
            self._thread.join()

    def sample(self) -> Memory:
        """The memory now, which counts towards the peaks like all other samples."""
        now = measure()
        self._raise_peak(now)
        return now

    @property
    def peak_anon_bytes(self) -> int | None:
        """The largest anonymous memory seen so far, or ``None`` where it cannot be measured."""
        self.sample()
        return self._peak.anon_bytes or None

    @property
    def peak_rss_bytes(self) -> int | None:
        """The largest resident memory so far, or ``None`` where it cannot be measured."""
        high_water = _fields("/proc/self/status").get("VmHWM", 0)
        self.sample()
        return max(high_water, self._peak.rss_bytes or 0) or None

    def over_time(self) -> dict[str, list[float]]:
        """The largest samples of intervals of equal length, as lists of equal length.

        ``seconds`` is the end of each interval since the beginning; the others are ``rss_bytes``
        and ``anon_bytes``.  All are empty where memory cannot be measured.
        """
        return self._course.points()

    def _raise_peak(self, now: Memory) -> None:
        self._peak = _larger(self._peak, now)

    def _run(self) -> None:
        while not self._stop.wait(SAMPLE_SECONDS):
            seconds = time.perf_counter() - self._began
            now = self._look(seconds)
            self._raise_peak(now)
            self._course.add(seconds, now)

    def _look(self, seconds: float) -> Memory:
        """The memory now, resident memory that of a second ago where it takes long to measure."""
        pids = _tree(os.getpid())
        together = _together(pids)
        if len(pids) == 1:
            return together
        if pids == self._apart and seconds < self._next:
            return self._shares._replace(anon_bytes=together.anon_bytes)
        began = time.thread_time()
        self._shares = _shares(pids)
        took = time.thread_time() - began
        self._next = seconds + max(_SHARES_SECONDS, took / _SHARES_LOAD)
        is_apart = (self._shares.anon_bytes or 0) >= _SHARING * (together.anon_bytes or 0)
        self._apart = pids if is_apart else []
        return self._shares


class _Course:
    """The largest sample of each interval; the intervals double when there are too many."""

    def __init__(self) -> None:
        self._interval = 4 * SAMPLE_SECONDS
        self._largest: list[Memory] = []

    def add(self, seconds: float, now: Memory) -> None:
        if now.rss_bytes is None:
            return
        while seconds >= self._interval * MAX_POINTS:
            self._interval *= 2
            pairs = itertools.zip_longest(self._largest[::2], self._largest[1::2])
            self._largest = [_larger(one, other or one) for one, other in pairs]
        number = int(seconds / self._interval)
        # An interval without a sample, because the process was held up, repeats the next one.
        self._largest += [now] * (number + 1 - len(self._largest))
        self._largest[number] = _larger(self._largest[number], now)

    def points(self) -> dict[str, list[float]]:
        largest = list(self._largest)
        return {
            "seconds": [round((i + 1) * self._interval, 2) for i in range(len(largest))],
            "rss_bytes": [memory.rss_bytes or 0 for memory in largest],
            "anon_bytes": [memory.anon_bytes or 0 for memory in largest],
        }


def _larger(one: Memory, other: Memory) -> Memory:
    return Memory(
        max(one.rss_bytes or 0, other.rss_bytes or 0),
        max(one.anon_bytes or 0, other.anon_bytes or 0),
    )


def _tree(root: int) -> list[int]:
    """The process ``root`` and all its descendants."""
    pids = [root]
    for pid in pids:
        with contextlib.suppress(OSError):  # the process has just ended
            for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - half the time
                children = _read(f"/proc/{pid}/task/{thread}/children")
                pids.extend(int(child) for child in children.split())
    return pids


def _fields(path: str) -> dict[str, int]:
    """The sizes in a ``/proc`` file of ``Name:  123 kB`` lines, in bytes."""
    return {
        name: int(value) * 1024
        for name, value in re.findall(r"^(\w+):\s+(\d+) kB$", _read(path), re.MULTILINE)
    }


def _read(path: str | Path) -> str:
    """The text of a ``/proc`` or ``/sys`` file; empty where it does not exist any more."""
    try:
        with open(path) as file:  # noqa: PTH123 - a fraction of the time, 25 times a second
            return file.read()
    except OSError:
        return ""
