"""Models of the user's own: a function named on the command line, called, and its model checked.

>>> def lstm(shape: DataShape) -> keras.Model:                           # doctest: +SKIP
...     return keras.Sequential(
...         [
...             keras.Input((shape.length,), dtype="int32"),
...             keras.layers.Embedding(shape.n_columns, 64),
...             keras.layers.LSTM(64),
...             keras.layers.Dense(shape.n_classes, activation="softmax"),
...         ]
...     )

Layers of the user's own must be registered with ``keras.saving.register_keras_serializable``;
then evaluation and prediction, which import the module first if it is trusted, can load the model.
"""

import contextlib
import importlib
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ooc_train.dtypes import AnyArray
from ooc_train.errors import OptionError
from ooc_train.training.models.table import DataShape, check_function, name_of

if TYPE_CHECKING:
    from ooc_train.training.models.backend import keras

_BOLD = re.compile(r"\x1b\[\d*m")
_KERAS_START = "Exception encountered when calling"


def build_user_model(
    shape: DataShape, *, function: str | Callable[[DataShape], Any]
) -> "keras.Model":
    """The model that ``function`` returns for ``shape``.

    It is a function, or ``package.module:function``, which is imported.

    Keras's global seed is set to ``shape.seed`` first, so that the same seed gives the same
    weights.  The model is tried on two made-up rows, saved and loaded: what fails at the end of a
    training would lose it.  Raises OptionError if the function does not exist, fails, or returns
    something that cannot be trained or saved.
    """
    from ooc_train.training.models.backend import keras  # noqa: PLC0415 - 5 seconds

    with _current_folder_importable():
        build = _find(function) if isinstance(function, str) else function
        name = name_of(function)
        keras.utils.set_random_seed(shape.seed)
        try:
            model = build(shape)
        except Exception as error:
            raise OptionError(f"{name} failed: {_in_words(error)}; mend it") from error
    if not isinstance(model, keras.Model):
        raise OptionError(
            f"{name} returned a {type(model).__name__}, not a keras.Model; return the model"
        )
    rows = _two_rows(shape)
    output = _check(name, model, shape, rows)
    _check_saving(name, model, rows, output)
    return model


def import_module_of(name: str) -> None:
    """Import the module of a user's function, for the layers that it registers.

    Raises OptionError if the module does not exist or cannot be imported.
    """
    with _current_folder_importable():
        _import(name.partition(":")[0])


def _find(name: str) -> Callable[[DataShape], Any]:
    module_name, _, function_name = name.partition(":")
    module = _import(module_name)
    function = getattr(module, function_name, None)
    if not callable(function):
        raise OptionError(
            f"the module {module_name} has no function {function_name!r} in "
            f"{getattr(module, '__file__', None) or 'its folder'}; check it"
        )
    check_function(function)
    return function


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except Exception as error:
        missing = isinstance(error, ModuleNotFoundError) and f"{name}.".startswith(f"{error.name}.")
        if missing:
            raise OptionError(
                f"there is no module {name!r} in the current folder or installed; check its name"
            ) from None
        raise OptionError(
            f"the module {name} cannot be imported: {_in_words(error)}; mend it"
        ) from error


@contextlib.contextmanager
def _current_folder_importable() -> Iterator[None]:
    """Look for modules in the current folder, too, but after all others: none is replaced there."""
    before = list(sys.path)
    sys.path.append(str(Path.cwd()))
    try:
        yield
    finally:
        sys.path[:] = before


def _two_rows(shape: DataShape) -> AnyArray:
    """A row of ones, and one of zeros, which a text without terms is."""
    width, kind = (shape.n_columns, "float32") if shape.length is None else (shape.length, "int32")
    return np.repeat(np.array([[1], [0]], kind), width, axis=1)


def _check(name: str, model: "keras.Model", shape: DataShape, rows: AnyArray) -> AnyArray:
    """Give the model two rows: it must take them, and return probabilities of the classes."""
    try:
        output = np.asarray(model(rows, training=False))
    except Exception as error:
        raise OptionError(
            f"the model of {name} does not take {rows.shape[1]} {rows.dtype} values a row: "
            f"{_in_words(error)}; build it for the DataShape"
        ) from error
    expected = [(2, shape.n_classes)] + [(2, 1)] * (shape.n_classes == 2)
    if output.shape not in expected:
        wanted = " or ".join(str(width) for _, width in expected)
        raise OptionError(
            f"the model of {name} gives an output of shape {output.shape} for 2 rows; "
            f"{wanted} values a row are needed, a probability for each class"
        )
    if not np.isfinite(output).all():
        raise OptionError(
            f"the model of {name} gives {output[1].tolist()} for a row of zeros, which a text "
            "without terms is; mind divisions, as of an average over words"
        )
    sums = output.sum(axis=1) if output.shape[1] > 1 else np.ones(2)
    if output.min() < 0 or output.max() > 1 or np.abs(sums - 1).max() > 1e-3:
        raise OptionError(
            f"the model of {name} does not give probabilities; end it with softmax, or sigmoid "
            "where it has one output"
        )
    return output


def _check_saving(name: str, model: "keras.Model", rows: AnyArray, output: AnyArray) -> None:
    """Save the model and load it, as evaluation and prediction do; it must be the same."""
    from ooc_train.training.models.backend import keras  # noqa: PLC0415 - it is loaded already

    with tempfile.TemporaryDirectory(prefix="ooc-train-") as folder:
        path = Path(folder) / "model.keras"
        try:
            model.save(path)
            loaded = keras.models.load_model(path, compile=False, safe_mode=True)
            is_same = np.allclose(np.asarray(loaded(rows, training=False)), output, atol=1e-4)
        except Exception as error:
            raise OptionError(
                f"the model of {name} cannot be saved and loaded: {_in_words(error)}; register "
                "layers of your own with keras.saving.register_keras_serializable, give them a "
                "get_config, and write such a layer in place of a Lambda"
            ) from error
    if not is_same:
        raise OptionError(
            f"the model of {name} gives other values when it has been saved and loaded; do all its "
            "weights belong to its layers, and does get_config return all arguments?"
        )


def _in_words(error: Exception) -> str:
    """An exception in one line: if Keras gives many, the one that says what is wrong."""
    text = _BOLD.sub("", str(error))
    lines = [line for line in text.splitlines() if line and not line.startswith(_KERAS_START)]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
