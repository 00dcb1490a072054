"""Settings of the whole process, which commands make and a library must not."""

import atexit
import contextlib
import functools
import gc
import logging
import os
import sys
from collections.abc import Iterator
from typing import Any

from ooc_train import imports
from ooc_train.report import drawing


@functools.cache
def prepare() -> None:
    """Prepare the process for a command."""
    imports.around_keras = _plots_and_tables_hidden
    imports.around_numba = _linear_algebra_hidden
    drawing.draws_here = True
    gc.set_threshold(100_000)  # the search for garbage among what imports make takes 0.1 s
    # See `blas`.  Threads that idle would take memory, and where the system grants few of them
    # NumPy's linear algebra would interrupt the process.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # It warns of a home folder that cannot be written to, though it needs none.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    # At its end Python would search all objects for garbage: with TensorFlow, for 1.2 seconds.
    atexit.register(gc.freeze)


def _linear_algebra_hidden() -> contextlib.AbstractContextManager[None]:
    """Hide what Numba imports where it is installed: 0.15 s and 9 MB that no kernel here needs."""
    return _hidden("scipy", "scipy.linalg")


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
