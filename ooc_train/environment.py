"""The environment of a computation: versions, system, processors and memory, no machine's name."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version

from ooc_train.memory import usable_bytes
from ooc_train.version import __version__

_PACKAGES = ("tensorflow", "keras", "numpy", "numba", "h5py")


def environment() -> dict[str, str]:
    """Versions by package, and what there is of the machine, for people to read."""
    versions = {name: found for name in _PACKAGES if (found := _version(name))}
    return {
        "ooc-train": __version__,
        "python": platform.python_version(),
        **versions,
        "system": platform.platform(terse=True),
        "processors": f"{n_processors()} {platform.machine()}",
        "memory": f"{usable_bytes() / 1e9:.1f} GB",
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def n_processors() -> int:
    """The processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
