"""What commands set for their whole process, and a library must not."""

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

from ooc_train.training.models import backend


def import_keras_alone() -> None:
    """Let Keras not import what it finds of plots and tables: a third of the time, and 100 MB.

    It takes these for other kinds of input and for plots, which no command has.  In a user's own
    program it may need them.
    """
    backend.around_import = _plots_and_tables_hidden


@contextlib.contextmanager
def _plots_and_tables_hidden() -> Iterator[None]:
    """These modules cannot be imported meanwhile, but for those that already are."""
    names = ("matplotlib", "pandas", "scipy", "sklearn")
    hidden = [name for name in names if name not in sys.modules]
    absent: Any = None  # whoever imports it is told that it is not there
    sys.modules.update(dict.fromkeys(hidden, absent))
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
