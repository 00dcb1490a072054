"""Saved models: networks, and models of Keras, of this package and of users."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ooc_train.counts import counted
from ooc_train.errors import FormatError, InputError, OptionError
from ooc_train.training.models.archive import in_words, open_archive
from ooc_train.training.models.keras_form import read_layers
from ooc_train.training.models.network import Network
from ooc_train.training.models.table import DataShape, ModelSpec
from ooc_train.training.models.user import import_module_of
from ooc_train.training.run.json_files import AGAIN

if TYPE_CHECKING:
    from ooc_train.training.models.backend import keras

_WEIGHT_BYTES = 4  # float32


def rebuilt_network(
    path: Path, spec: ModelSpec, shape: DataShape, options: Mapping[str, Any]
) -> Network:
    """A network of this package with the weights that the archive at ``path`` holds.

    Raises FormatError if these are of another model, or not finite.  Memory: twice the weights.
    """
    network = cast(Network, spec.model(shape, **options))
    layers = read_layers(path)
    if layers is None or Network.of(layers).sizes != network.sizes:
        raise FormatError(f"{path} holds another model than its settings describe; {AGAIN}")
    network.set_weights([array for layer in layers for array in layer])
    return network


def users_network(path: Path, shape: DataShape) -> Network | None:
    """The model of a user's function as a network; ``None`` if it is none, see `read_layers`.

    Raises FormatError if it is damaged or does not fit its run.
    """
    layers = read_layers(path)
    if layers is None:
        return None
    network = Network.of(layers)
    n_columns, n_classes = network.sizes[0], max(2, network.sizes[-1])
    if (n_columns, n_classes) != (shape.n_columns, shape.n_classes):
        raise FormatError(
            f"{path} is a model for {counted(n_columns, 'column')} and "
            f"{counted(n_classes, 'class')}, and its run "
            f"has {shape.n_columns:,} and {shape.n_classes:,}; {AGAIN}"
        )
    return network


def rebuilt_model(
    path: Path, spec: ModelSpec, shape: DataShape, options: Mapping[str, Any]
) -> "keras.Model":
    """A model of this package, built anew, with the weights that the archive at ``path`` holds.

    Nothing else is taken from the archive: not the layers that its description names.  Imports
    TensorFlow.  Raises FormatError if the weights are of another model or not finite.  Memory: the
    model, and once more its weights.
    """
    from ooc_train.training.models.backend import keras  # noqa: PLC0415 - 5 seconds

    with open_archive(path) as archive, archive.weights():
        weights_bytes = archive.weights_bytes
    # Within the first scope variables get no memory, which sizes that no file has might exceed;
    # they get it at the end of the second.
    with keras.StatelessScope(initialize_variables=False):
        model: Any = spec.model(shape, **options)
    if _WEIGHT_BYTES * model.count_params() > weights_bytes:
        keras.utils.clear_session()  # or these variables would get their memory later
        raise FormatError(
            f"{path} has fewer weights than the {model.count_params():,} that its settings ask "
            f"for; {AGAIN}"
        )
    with keras.StatelessScope():
        pass
    try:
        model.load_weights(path)
    except Exception as error:
        raise FormatError(
            f"{path} holds other weights than the model in its settings has; {AGAIN}"
        ) from error
    if not all(np.isfinite(weight).all() for weight in model.get_weights()):
        raise FormatError(f"{path} has weights that are not finite; {AGAIN}")
    return model


def users_model(path: Path, function: str) -> "keras.Model":
    """The model of a user's function, for whose layers its module is imported.

    Imports TensorFlow.  Raises InputError if the module or the model cannot be loaded; Keras loads
    no lambdas.
    """
    from ooc_train.training.models.backend import keras  # noqa: PLC0415 - 5 seconds

    with open_archive(path) as archive, archive.weights():
        pass  # checks it
    unavailable: OptionError | None = None
    try:
        import_module_of(function)
    except OptionError as error:
        unavailable = error  # matters only to a model with layers of its own
    try:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        advice = ""
        if unavailable or isinstance(error, TypeError):  # an unknown class
            advice = (
                "; layers of your own must be registered, by "
                "keras.saving.register_keras_serializable, in the module of the model's function, "
                "and that must be importable"
            )
        raise InputError(
            f"{path} cannot be loaded: {unavailable or in_words(error)}{advice}"
        ) from error
