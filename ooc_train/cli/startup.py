"""What commands set for their whole process, and a library must not."""

import atexit
import contextlib
import ctypes
import functools
import gc
import importlib
import sys
from collections.abc import Iterator
from typing import Any

from ooc_train.training.models import backend

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of mallopt(3)


@functools.cache
def prepare() -> None:
    """Prepare the process for a command."""
    backend.around_import = plots_and_tables_hidden
    # At its end Python would search all objects for garbage: with TensorFlow, for 1.2 seconds.
    atexit.register(gc.freeze)


@functools.cache
def prepare_for_conversion() -> None:
    """Prepare the process for a conversion, before Numba is imported."""
    gc.set_threshold(100_000)  # the search for garbage among what imports make takes 0.1 s
    keep_freed_memory()
    # It imports SciPy where that is installed, which takes 0.15 s, for linear algebra alone.
    with _hidden("scipy.linalg"):
        importlib.import_module("numba.np.arraymath")


def plots_and_tables_hidden() -> contextlib.AbstractContextManager[None]:
    """The context in which commands import Keras.

    Keras imports these modules where they are installed, which takes a third of its time, and
    100 MB.  It needs them for other kinds of input and for plots, which no command has; a user's
    own program may need them.
    """
    return _hidden("matplotlib", "pandas", "scipy", "sklearn")


def keep_freed_memory() -> None:
    """Let glibc keep freed memory for the next array of up to 32 MiB; elsewhere do nothing.

    By default it returns large pieces to the kernel, which clears them when they are needed again:
    a tenth of a conversion's time.
    """
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(_TRIM_THRESHOLD, 2**28)
        library.mallopt(_MMAP_THRESHOLD, 2**25)


@contextlib.contextmanager
def _hidden(*names: str) -> Iterator[None]:
    """A context in which these modules cannot be imported, unless they have been before."""
    hidden = [name for name in names if name not in sys.modules]
    absent: Any = None  # whoever imports it is told that it is not there
    sys.modules.update(dict.fromkeys(hidden, absent))
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
