"""TensorFlow and Keras, imported in this one place: 5 seconds, 560 MB, and quietly.

Everything in the package that needs them imports them from here, and nothing outside the
training half imports this module before it has checked all that it can check without.
"""

import contextlib
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


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"
with _stderr_discarded():
    import keras
    import tensorflow as tf

# By default GPUs round to 11 bits what they multiply: 1e-4 off, and no faster with these models.
tf.config.experimental.enable_tensor_float_32_execution(enabled=False)

__all__ = ["keras", "tf"]
