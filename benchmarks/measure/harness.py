"""Measured commands: each in a fresh process, systems in turn, several times.

A `System` is one of those compared.  Each run gets an empty folder of its own.  There the command
leaves its result as `result.*` and, optionally, a report on itself as `report.json`.  The folder
is deleted before the next run starts.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xxhash import xxh3_64

from benchmarks.measure import machine, page_cache
from benchmarks.measure.cgroup import CapError, MemoryCap, memory_cgroup
from benchmarks.measure.commands import REPORT_NAME, SCRATCH
from benchmarks.measure.memory import Peaks, TreeMonitor
from benchmarks.peers.reporting import NOT_INSTALLED_STATUS

COMPLETED, FAILED, KILLED, NOT_INSTALLED = "completed", "failed", "killed", "not installed"
RESULT_PATTERN = "result.*"
_LOG_NAME = "log"
_NAMES_OF_INPUTS = ("files", "notes")
_MESSAGE_CHARACTERS = 2000
_GRACE_SECONDS = 10.0
_PIECE_BYTES = 2**22
_SIGKILL = 9  # signal.SIGKILL, where there is one


@dataclass(frozen=True, kw_only=True)
class System:
    """A command to measure; in its words and variables `SCRATCH` stands for the folder of the run.

    `inputs` are the files whose pages are warmed or dropped before a run.  `variables` change the
    environment.  With `cap_bytes` it runs in a memory cgroup and starts with its input dropped, so
    that the pages that it reads are charged to it.
    """

    name: str
    command: Sequence[object]
    inputs: Sequence[Path] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    cap_bytes: int | None = None

    def words(self, scratch: Path) -> list[str]:
        """The command of a run in the folder ``scratch``."""
        return [str(word).replace(SCRATCH, str(scratch)) for word in self.command]

    def environment(self, scratch: Path) -> dict[str, str]:
        """The variables of a run in the folder ``scratch``."""
        return {
            name: value.replace(SCRATCH, str(scratch)) for name, value in self.variables.items()
        }


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of one system.  Times are in seconds, from outside, with the interpreter's start.

    `others_cpu_seconds` is the processor time of everything else on the machine meanwhile, `None`
    where the system does not tell it.  Where it is not small, `seconds` is too long.
    """

    outcome: str
    exit_status: int
    seconds: float
    cpu_seconds: float
    others_cpu_seconds: float | None
    memory: Peaks
    page_cache: str
    result_bytes: int
    report: dict[str, Any]
    message: str
    cap_bytes: int | None = None
    cap_enforced_by: str | None = None
    cap_peak_bytes: int | None = None
    result_digest: str = ""
    """XXH3 of the result's bytes; empty where it is no file."""


def alternate(
    systems: Sequence[System], n_runs: int, folder: Path, *, cold: bool
) -> dict[str, list[Run]]:
    """Run systems in turn, A B A B ..., `n_runs` times each; one that fails is not run again."""
    runs: dict[str, list[Run]] = {system.name: [] for system in systems}
    for turn in range(n_runs):
        for system in systems:
            earlier = runs[system.name]
            if all(run.outcome == COMPLETED for run in earlier):
                earlier.append(run_once(system, folder, cold=cold))
                say(f"{system.name}, run {turn + 1} of {n_runs}: {in_words(earlier[-1])}")
    return runs


def run_once(system: System, folder: Path, *, cold: bool) -> Run:
    """Run a system in a fresh process, in a new folder below `folder`, and measure it."""
    state = page_cache.prepare(system.inputs, cold=cold or system.cap_bytes is not None)
    with (
        tempfile.TemporaryDirectory(prefix="run-", dir=folder) as scratch,
        _cap(system.cap_bytes) as cap,
    ):
        return _measure(system, Path(scratch), state, cap)


def _measure(system: System, scratch: Path, cache_state: str, cap: MemoryCap | None) -> Run:
    command = [*(cap.prefix if cap else ()), *system.words(scratch)]
    before, start = _Clocks.now(), time.perf_counter()
    with _started(command, system.environment(scratch), scratch / _LOG_NAME) as process:
        with TreeMonitor(process.pid) as monitor:
            process.wait()
            seconds = time.perf_counter() - start
        used = _Clocks.now().since(before)
    n_killed = cap.n_killed if cap else 0
    return Run(
        outcome=_outcome(process.returncode, n_killed),
        exit_status=process.returncode,
        seconds=seconds,
        cpu_seconds=used.children,
        others_cpu_seconds=used.others,
        memory=monitor.peaks(),
        page_cache=cache_state,
        result_bytes=sum(path.stat().st_size for path in scratch.glob(RESULT_PATTERN)),
        result_digest=_digest(scratch),
        report=_report(scratch),
        message=_log(scratch),
        cap_bytes=cap.limit_bytes if cap else None,
        cap_enforced_by=cap.enforced_by if cap else None,
        cap_peak_bytes=cap.peak_bytes if cap else None,
    )


@contextlib.contextmanager
def _started(
    command: Sequence[str], variables: Mapping[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process in a session of its own, so that Ctrl-C reaches it only through here.

    A thread starts it: Ctrl-C during the start would otherwise leave a process that is not known.
    """
    with log.open("wb") as output, ThreadPoolExecutor(1) as pool:
        starting = pool.submit(
            subprocess.Popen,
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=machine.command_environment(variables),
            cwd=machine.ROOT,
            start_new_session=True,
        )
        try:
            yield starting.result()
        except BaseException:
            _end(starting.result())
            raise
        finally:
            starting.result().wait()


def _end(process: subprocess.Popen[bytes]) -> None:
    """Interrupt a process and its children as Ctrl-C would, then kill those that are left."""
    if not hasattr(os, "killpg"):
        process.kill()
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_SECONDS)
        os.killpg(process.pid, signal.SIGKILL)


def _cap(limit_bytes: int | None) -> contextlib.AbstractContextManager[MemoryCap | None]:
    return memory_cgroup(limit_bytes) if limit_bytes else contextlib.nullcontext()


def enforceable(limit_bytes: int | None) -> tuple[int | None, list[str]]:
    """The limit, or `None` and a note where it cannot be enforced."""
    if limit_bytes is None:
        return None, []
    try:
        with memory_cgroup(limit_bytes):
            return limit_bytes, []
    except CapError as error:
        return None, [f"Measured without the cap of {limit_bytes / 1e6:,.0f} MB: {error}."]


def _outcome(exit_status: int, n_killed: int) -> str:
    if exit_status == 0:
        return COMPLETED
    if exit_status == NOT_INSTALLED_STATUS:
        return NOT_INSTALLED
    return KILLED if n_killed or exit_status == -_SIGKILL else FAILED


def _report(scratch: Path) -> dict[str, Any]:
    """The report of a command on itself, without this machine's paths."""
    path = scratch / REPORT_NAME
    if not path.is_file():
        return {}
    report: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return {
        key: value.replace(f"{scratch}{os.sep}", "") if isinstance(value, str) else value
        for key, value in report.items()
        if key not in _NAMES_OF_INPUTS
    }


def _digest(scratch: Path) -> str:
    digest, paths = xxh3_64(), sorted(filter(Path.is_file, scratch.glob(RESULT_PATTERN)))
    for path in paths:
        with path.open("rb") as file:
            while piece := file.read(_PIECE_BYTES):
                digest.update(piece)
    return digest.hexdigest() if paths else ""


def _log(scratch: Path) -> str:
    """The end of the command's output."""
    text = (scratch / _LOG_NAME).read_text("utf-8", errors="replace").strip()
    return text.replace(f"{scratch}{os.sep}", "")[-_MESSAGE_CHARACTERS:]


@dataclass(frozen=True)
class _Clocks:
    """Processor seconds: of this process, of its children that have ended, of the machine."""

    own: float
    children: float
    machine: float | None

    @classmethod
    def now(cls) -> "_Clocks":
        times = os.times()
        children = times.children_user + times.children_system
        return cls(times.user + times.system, children, machine.busy_seconds())

    def since(self, before: "_Clocks") -> "_Clocks":
        machine = None
        if self.machine is not None and before.machine is not None:
            machine = self.machine - before.machine
        return _Clocks(self.own - before.own, self.children - before.children, machine)

    @property
    def others(self) -> float | None:
        """The rest of the machine's; the clocks tick in hundredths, hence the maximum."""
        return None if self.machine is None else max(0.0, self.machine - self.children - self.own)


def in_words(run: Run) -> str:
    """The outcome of a run, for progress on standard error."""
    if run.outcome != COMPLETED:
        return f"{run.outcome} ({run.message.splitlines()[-1] if run.message else 'no message'})"
    anon = run.memory.anon_bytes
    return f"{run.seconds:.2f} s" + (f", {anon / 1e6:.0f} MB anonymous" if anon else "")


def say(text: str) -> None:
    """Print progress on standard error; results go to standard output."""
    print(f"benchmarks: {text}", file=sys.stderr, flush=True)
