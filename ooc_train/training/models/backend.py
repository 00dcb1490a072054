"""TensorFlow and Keras, imported in this one place: 3 seconds, 550 MB, and quietly.

Everything in the package that needs them imports them from here, and nothing outside the
training half imports this module before it has checked all that it can check without.
"""

import atexit
import contextlib
import gc
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def _stderr_discarded() -> Iterator[None]:
    """Nothing that C++ code writes to standard error appears meanwhile.

    TensorFlow announces its CPU features and missing GPU libraries while it is imported, before
    its log level is in force, so that no environment variable silences it.  Exceptions pass.
    """
    sys.stderr.flush()
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
    """No search for garbage meanwhile: it takes a sixth of an import's time, and finds none."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextlib.contextmanager
def _hidden(*names: str) -> Iterator[None]:
    """These modules cannot be imported meanwhile, but for those that already are."""
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def _spared() -> contextlib.AbstractContextManager[None]:
    """Keras imports these wherever they are installed: a third of the time, and 100 MB.

    It takes them for other kinds of input and for plots, none of which our commands have.  In a
    user's own program it may need them.
    """
    if "ooc_train.cli" in sys.modules:
        return _hidden("matplotlib", "pandas", "scipy", "sklearn")
    return contextlib.nullcontext()


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"
with _stderr_discarded(), _spared(), _uncollected():
    import keras
    import tensorflow as tf

# At a process's end Python would search all of TensorFlow's objects for garbage: 1.2 seconds.
atexit.register(gc.freeze)
# By default GPUs round to 11 bits what they multiply: 1e-4 off, and no faster with these models.
tf.config.experimental.enable_tensor_float_32_execution(enabled=False)

__all__ = ["keras", "tf"]
