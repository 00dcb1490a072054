"""The multi-layer perceptron of Google's text-classification guide."""

from typing import TYPE_CHECKING

from ooc_train.training.models.keras_form import describe
from ooc_train.training.models.network import Network
from ooc_train.training.models.table import DataShape

if TYPE_CHECKING:
    from ooc_train.training.models.backend import keras


def build_mlp(shape: DataShape, *, layers: int, units: int, dropout_rate: float) -> Network:
    """The multi-layer perceptron of the guide, whose weights are drawn from the shape's seed.

    Takes ``(n, n_columns) float32``.  Two classes: one sigmoid unit, the probability of the
    second; more: softmax over all.  ``layers``, as in the guide, counts the output layer.
    """
    n_outputs = 1 if shape.n_classes == 2 else shape.n_classes
    return Network([shape.n_columns, *[units] * (layers - 1), n_outputs], dropout_rate, shape.seed)


def in_keras(network: Network) -> "keras.Model":
    """The same network as a model of Keras.  Imports TensorFlow."""
    from ooc_train.training.models.backend import keras  # noqa: PLC0415 - 5 seconds

    description = describe(network.sizes, network.dropout_rate)
    model = keras.Sequential.from_config(description["config"])
    model.set_weights(network.get_weights())
    return model
