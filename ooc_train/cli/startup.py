"""What commands set for their whole process, and a library must not."""

import atexit
import contextlib
import functools
import gc
import sys
from collections.abc import Iterator
from typing import Any

from ooc_train.memory import keep_freed_memory
from ooc_train.training.models import backend


@functools.cache
def prepare() -> None:
    """Prepare the process for a command."""
    backend.around_import = _plots_and_tables_hidden
    # At its end Python would search all objects for garbage: with TensorFlow, for 1.2 seconds.
    atexit.register(gc.freeze)


@functools.cache
def prepare_for_conversion() -> None:
    """Prepare the process for a conversion, before Numba is imported."""
    gc.set_threshold(100_000)  # the search for garbage among what imports make takes 0.1 s
    keep_freed_memory()
    from ooc_train.jit import load_numba  # noqa: PLC0415 - it imports Numba

    load_numba()


@contextlib.contextmanager
def _plots_and_tables_hidden() -> Iterator[None]:
    """These modules cannot be imported meanwhile, but for those that already are.

    Keras imports them where they are installed, which takes a third of its time, and 100 MB.  It
    needs them for other kinds of input and for plots, which no command has; a user's own program
    may need them.
    """
    names = ("matplotlib", "pandas", "scipy", "sklearn")
    hidden = [name for name in names if name not in sys.modules]
    absent: Any = None  # whoever imports it is told that it is not there
    sys.modules.update(dict.fromkeys(hidden, absent))
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
