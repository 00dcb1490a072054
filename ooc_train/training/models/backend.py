"""TensorFlow and Keras, imported in this one place: 3 seconds, 550 MB, and quietly.

Everything in the package that needs them imports them from here, by ``from ... import keras, tf``;
importing this module alone loads neither.  Nothing outside the training half takes them before it
has checked all that it can check without.
"""

import contextlib
import gc
import importlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ooc_train import imports
from ooc_train.environment import n_processors
from ooc_train.errors import BudgetError, OptionError
from ooc_train.extras import pip_install
from ooc_train.threads import TOO_FEW, can_start

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

_NEEDED = {"tensorflow": "TensorFlow", "keras": "Keras"}

__all__ = ["keras", "load", "tf"]


def __getattr__(name: str) -> Any:
    """``keras`` or ``tf``: the first to be asked for loads both."""
    if name not in ("keras", "tf"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    load()
    return globals()[name]


def load() -> None:
    """Import both, if they are not yet.

    Raises OptionError where they are not installed, BudgetError where threads are too few.
    """
    if "keras" in globals():
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    # Keras would read its settings from /tmp, where anybody may have put them.
    if not os.access(os.path.expanduser("~"), os.W_OK):  # noqa: PTH111 - as Keras does
        os.environ.setdefault("KERAS_HOME", os.devnull)
    if not can_start(2 * n_processors() + 4):  # two pools, and some for the process
        raise BudgetError(f"TensorFlow cannot start: {TOO_FEW}")
    try:
        with _stderr_discarded(), imports.around_keras(), _uncollected():
            keras, tf = map(importlib.import_module, ("keras", "tensorflow"))
    except ModuleNotFoundError as error:
        if error.name not in _NEEDED:
            raise
        raise OptionError(
            f"this takes {' and '.join(_NEEDED.values())}, which are not both installed: without "
            "them there is mlp, by its own optimizers, without callbacks and TensorBoard; install "
            f"them with {pip_install('tensorflow', 'keras')}"
        ) from error
    # By default GPUs round factors to 11 bits: 1e-4 off, and no faster with these models.
    tf.config.experimental.enable_tensor_float_32_execution(enabled=False)
    globals().update(keras=keras, tf=tf)


@contextlib.contextmanager
def _stderr_discarded() -> Iterator[None]:
    """Discard what C++ code writes to standard error during the block.

    TensorFlow announces its CPU features and missing GPU libraries while it is imported, before
    its log level is in force, so that no environment variable silences it.  Exceptions pass.
    """
    saved = os.dup(2)
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 2)
        os.close(null)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Collect no garbage during the block: a search takes a sixth of an import's time for none."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
