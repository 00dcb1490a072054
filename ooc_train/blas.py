"""The linear algebra behind NumPy's matrix products, kept to one thread.

Its sums, and so the last bits of a product, depend on the number of its threads.  On matrices as
small as those of a training step more threads are slower, too: they wait for one another.

NumPy's own packages for Linux have OpenBLAS.  Other libraries keep their number of threads.
"""

import contextlib
import ctypes
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

_MAPS = Path("/proc/self/maps")
_NAMES = (
    "scipy_openblas_{}_num_threads64_",
    "openblas_{}_num_threads64_",
    "openblas_{}_num_threads",
)
"""The names of OpenBLAS's functions: in NumPy's packages, and elsewhere."""


class _OpenBlas(NamedTuple):
    """The functions of a loaded library that get and set the number of its threads."""

    get: Callable[[], int]
    set: Callable[[int], None]


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Compute NumPy's matrix products on one thread during the block, in the whole process."""
    libraries = _libraries()
    before = [library.get() for library in libraries]
    for library in libraries:
        library.set(1)
    try:
        yield
    finally:
        for library, n_threads in zip(libraries, before, strict=True):
            library.set(n_threads)


@functools.cache
def _libraries() -> list[_OpenBlas]:
    """The libraries of that kind in this process: one, or another that SciPy brings."""
    np.ones((1, 1)) @ np.ones((1, 1))  # by which it is loaded
    with contextlib.suppress(OSError):  # there is no /proc
        paths = {line.split(maxsplit=5)[-1] for line in _MAPS.read_text().splitlines()}
        found = [_opened(path) for path in sorted(paths) if "openblas" in Path(path).name]
        return [library for library in found if library]
    return []


def _opened(path: str) -> _OpenBlas | None:
    with contextlib.suppress(OSError):
        library = ctypes.CDLL(path)  # which is loaded already
        for name in _NAMES:
            if hasattr(library, name.format("set")):
                return _OpenBlas(*(getattr(library, name.format(verb)) for verb in ("get", "set")))
    return None
