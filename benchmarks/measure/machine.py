"""The machine and versions that figures belong to, and the environment that commands run in."""

import datetime
import importlib.metadata
import os
import platform
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ooc_train.memory import usable_bytes

ROOT = Path(__file__).resolve().parents[2]
_PACKAGES = (
    "ooc-train", "numpy", "numba", "h5py", "tensorflow", "keras", "scikit-learn", "pandas", "scipy"
)  # fmt: skip
# The first two make NumPy slow; one without the other is worse than both.  The third makes Python
# compile a checkout's modules in every process; those of an installation are compiled already.
_SLOWING = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "PYTHONDONTWRITEBYTECODE")


def command_environment(changes: Mapping[str, str]) -> dict[str, str]:
    """The environment variables of every measured command, ours and the peers' alike."""
    kept = {name: value for name, value in os.environ.items() if name not in _SLOWING}
    return {**kept, **changes}


def without_folders(command: str) -> str:
    """A command, or a path, as results show it: of an absolute path only the last part.

    >>> without_folders("ooc-train --embeddings '/home/my self/glove.txt' --epochs 3")
    'ooc-train --embeddings glove.txt --epochs 3'
    >>> without_folders("/home/my self/results")
    'results'
    """
    if Path(command).is_absolute():
        return Path(command).name
    words = shlex.split(command)
    return shlex.join(Path(word).name if Path(word).is_absolute() else word for word in words)


def describe(folder: Path) -> dict[str, Any]:
    """The machine, the versions, the commit and the date; sizes in bytes, `folder` for the disk."""
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "cpu": _cpu_model(),
        "cores": n_cores(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "memory_bytes": usable_bytes() if hasattr(os, "sysconf") else None,
        "file_system": _file_system(folder),
        "disk_bytes": shutil.disk_usage(folder).total,
        "disk_free_bytes": shutil.disk_usage(folder).free,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "commit": _git("rev-parse", "HEAD"),
        "dirty": bool(_git("status", "--porcelain")),
    }


def in_words(environment: Mapping[str, Any]) -> str:
    """The record of `describe` as one line for a table's heading."""
    versions = [f"Python {environment['python']}"]
    versions += [
        f"{name} {version}" for name, version in environment["packages"].items() if version
    ]
    commit = (environment["commit"] or "unknown")[:10] + ("+" if environment["dirty"] else "")
    memory = environment["memory_bytes"]
    return ", ".join(
        [
            f"{environment['cpu']}, {environment['cores']} cores",
            f"{memory / 1e9:.1f} GB of memory" if memory else "memory unknown",
            f"{environment['disk_bytes'] / 1e9:.0f} GB of {environment['file_system'] or 'disk'}",
            environment["system"],
            *versions,
            f"commit {commit}",
            environment["date"][:10],
        ]
    )


def last_edit() -> int:
    """The time of the last change to a file of the package, in ns."""
    return max(path.stat().st_mtime_ns for path in (ROOT / "ooc_train").rglob("*.py"))


def busy_seconds() -> float | None:
    """Processor seconds that the whole machine has worked since its start; `None` if unknown."""
    try:
        first = Path("/proc/stat").read_text().partition("\n")[0]
    except OSError:
        return None
    user, nice, system, _idle, _waiting, *interrupts = map(int, first.split()[1:9])
    return sum([user, nice, system, *interrupts]) / os.sysconf("SC_CLK_TCK")


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _file_system(folder: Path) -> str | None:
    """The type of a folder's file system, such as ``"ext4"``; `None` if unknown."""
    try:
        mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    except OSError:
        return None
    kinds = {Path(mount[1]): mount[2] for mount in mounts}
    resolved = folder.resolve()
    return next((kinds[place] for place in (resolved, *resolved.parents) if place in kinds), None)


def n_cores() -> int:
    """The cores that this process may use, which can be fewer than the machine's."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _git(*arguments: str) -> str | None:
    """The output of git about this repository; `None` without git or outside a clone."""
    try:
        found = subprocess.run(
            ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return None
    return found.stdout.strip() if found.returncode == 0 else None
