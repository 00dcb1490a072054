"""Settings of the whole process, which commands make and a library must not."""

import atexit
import contextlib
import functools
import gc
import importlib
import logging
import os
import sys
from collections.abc import Iterator
from typing import Any

from ooc_train.environment import n_processors
from ooc_train.memory import keep_freed_memory
from ooc_train.threads import can_start
from ooc_train.training.models import backend


@functools.cache
def prepare() -> None:
    """Prepare the process for a command."""
    backend.around_import = _plots_and_tables_hidden
    # NumPy's linear algebra would interrupt the process if it got fewer threads than processors.
    if not can_start(n_processors()):
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # It warns of a home folder that cannot be written to, though it needs none.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    # At its end Python would search all objects for garbage: with TensorFlow, for 1.2 seconds.
    atexit.register(gc.freeze)


@functools.cache
def prepare_for_conversion() -> None:
    """Prepare the process for a conversion, before Numba is imported."""
    gc.set_threshold(100_000)  # the search for garbage among what imports make takes 0.1 s
    keep_freed_memory()
    # With SciPy Numba would load its linear algebra, which takes 0.15 s and no kernel here needs.
    with _hidden("scipy.linalg"):
        importlib.import_module("numba.np.arraymath")


def _plots_and_tables_hidden() -> contextlib.AbstractContextManager[None]:
    """Hide what Keras imports where it is installed, which takes a third of its time, and 100 MB.

    Keras needs these modules for other kinds of input and for plots, which no command has; a user's
    own program may need them.
    """
    return _hidden("matplotlib", "pandas", "scipy", "sklearn")


@contextlib.contextmanager
def _hidden(*names: str) -> Iterator[None]:
    """Modules of these names cannot be imported meanwhile, unless they already are."""
    hidden = [name for name in names if name not in sys.modules]
    absent: Any = None  # whoever imports it is told that it is not there
    sys.modules.update(dict.fromkeys(hidden, absent))
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
