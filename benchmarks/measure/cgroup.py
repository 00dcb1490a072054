"""A limit of memory that the kernel enforces, page cache counted, around a command.

Three ways, the first that works: a group of cgroup version 1 below our own (root); one of version
2 beside our own (root, or a delegated tree); `systemd-run --user`.  Swap is not granted.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ooc_train.errors import OocTrainError

_ROOT = Path("/sys/fs/cgroup")
_MEMBERS = "cgroup.procs"
_GONE_SECONDS = 5.0


class CapError(OocTrainError):
    """No limit of memory can be enforced here."""


@dataclass(frozen=True)
class MemoryCap:
    """A limit in force: whatever runs as `prefix + command` lives inside it."""

    limit_bytes: int
    prefix: tuple[str, ...]
    enforced_by: str
    folder: Path | None = None

    @property
    def peak_bytes(self) -> int | None:
        """The most that was charged, page cache included; `None` if the kernel does not tell."""
        for name in ("memory.max_usage_in_bytes", "memory.peak"):
            text = _text(self.folder / name) if self.folder else ""
            if text.strip().isdigit():
                return int(text)
        return None

    @property
    def n_killed(self) -> int:
        """How many processes the kernel killed for memory; 0 if the kernel does not tell."""
        names = ("memory.oom_control", "memory.events")
        texts = (_text(self.folder / name) if self.folder else "" for name in names)
        return sum(int(count) for text in texts for count in re.findall(r"oom_kill (\d+)", text))


@contextlib.contextmanager
def memory_cgroup(limit_bytes: int) -> Iterator[MemoryCap]:
    """A memory cgroup of `limit_bytes`, removed afterwards with whatever still runs in it.

    Raises `CapError`, which says why, where no limit can be enforced.
    """
    reasons = []
    for name, make in {"version 1": _version_1, "version 2": _version_2}.items():
        try:
            folder = make(limit_bytes)
        except OSError as error:
            reasons.append(f"{name}: {error}")
            continue
        try:
            prefix = ("sh", "-c", 'echo $$ >"$0" && exec "$@"', str(folder / _MEMBERS))
            yield MemoryCap(limit_bytes, prefix, f"cgroup, {name}", folder)
        finally:
            _remove(folder)
        return
    command = _systemd_run(limit_bytes)
    if not command:
        raise CapError(
            "no memory limit can be enforced here: cgroups need root or a delegated tree "
            f"({'; '.join(reasons)}), and systemd-run --user does not work"
        )
    yield MemoryCap(limit_bytes, command, "systemd-run")


def _version_1(limit_bytes: int) -> Path:
    """A new group of version 1 below this process's own."""
    parent = _ROOT / "memory" / _own_path("memory")
    folder = _make(parent)
    try:
        (folder / "memory.limit_in_bytes").write_text(str(limit_bytes))
        with contextlib.suppress(FileNotFoundError):  # a kernel that does not account swap
            (folder / "memory.memsw.limit_in_bytes").write_text(str(limit_bytes))
    except OSError:
        folder.rmdir()
        raise
    return folder


def _version_2(limit_bytes: int) -> Path:
    """A new group of version 2 in the nearest group above that hands out the controller."""
    folder = _make(_distributing(_ROOT, _ROOT / _own_path("")))
    try:
        (folder / "memory.max").write_text(str(limit_bytes))
        with contextlib.suppress(FileNotFoundError):
            (folder / "memory.swap.max").write_text("0")
    except OSError:
        folder.rmdir()
        raise
    return folder


def _distributing(root: Path, own: Path) -> Path:
    """The nearest of `own` and the groups above it whose children have the memory controller.

    A group of version 2 that has processes of its own can hand out no controller, so that new
    groups go beside ours, not below it.
    """
    for folder in (own, *own.parents):
        if "memory" in _text(folder / "cgroup.subtree_control").split():
            return folder
        if folder == root:
            break
    raise FileNotFoundError("no group above this process hands out the memory controller")


def _own_path(controller: str) -> str:
    """The group of this process in a controller's hierarchy, "" for version 2, without a slash."""
    for line in _text(Path("/proc/self/cgroup")).splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            return path.lstrip("/")
    raise FileNotFoundError("this process is in no such group")


def _make(parent: Path) -> Path:
    folder = parent / f"ooc-benchmark-{os.getpid()}-{time.monotonic_ns()}"
    folder.mkdir()
    return folder


def _remove(folder: Path) -> None:
    """End what still runs in a group, and remove it once the kernel has let go of it."""
    deadline = time.monotonic() + _GONE_SECONDS
    while True:
        for pid in _text(folder / _MEMBERS).split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        try:
            folder.rmdir()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def _systemd_run(limit_bytes: int) -> tuple[str, ...]:
    """The command that runs another in a scope of its own; empty where that does not work."""
    if not shutil.which("systemd-run"):
        return ()
    limits = ("-p", f"MemoryMax={limit_bytes}", "-p", "MemorySwapMax=0")
    command = ("systemd-run", "--user", "--scope", "--quiet", "--collect", *limits, "--")
    tried = subprocess.run([*command, "true"], capture_output=True, check=False)
    return command if tried.returncode == 0 else ()


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
