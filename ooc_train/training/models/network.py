"""`Network`: a multi-layer perceptron as arrays of NumPy, which needs neither Keras nor TensorFlow.

Its layers and weights are those of a plain Keras model, as which it is saved, see `keras_form`.
"""

import itertools
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ooc_train.dtypes import F32
from ooc_train.training.models import keras_form
from ooc_train.training.models.keras_form import Layer


class Network:
    """Dense layers: dropout before each, relu after each but the last.

    With one output, a sigmoid gives the probability of the second of two classes; with more, a
    softmax gives those of all classes.

    Initial weights are drawn when they are first asked for.  Memory: the weights, once.
    """

    def __init__(self, sizes: Sequence[int], dropout_rate: float = 0.0, seed: int = 0) -> None:
        """``sizes`` are the columns of the rows, then the units of each layer."""
        self.sizes = tuple(sizes)
        self.dropout_rate = dropout_rate
        self._seed: int | None = seed
        self._weights: list[F32] = []

    @classmethod
    def of(cls, layers: Sequence[Layer]) -> "Network":
        """The network of some layers, without dropout."""
        network = cls([len(layers[0].kernel), *(layer.bias.size for layer in layers)])
        network.set_weights([array for layer in layers for array in layer])
        return network

    @property
    def n_layers(self) -> int:
        """The number of layers, the output layer included."""
        return len(self.sizes) - 1

    @property
    def layers(self) -> list[Layer]:
        """The layers, from the first to the last."""
        arrays = self.get_weights()
        return [Layer(*arrays[i : i + 2]) for i in range(0, len(arrays), 2)]

    def get_weights(self) -> list[F32]:
        """The kernel and the bias of each layer, one after another.

        They are ``(n_inputs, n_units) float32`` and ``(n_units,) float32``.  Nothing writes to
        these arrays later.
        """
        if not self._weights:
            if self._seed is None:
                raise ValueError("a trainer has the network's weights; sync it")
            self._weights = initial_weights(self.sizes, self._seed)
        return list(self._weights)

    def take_weights(self) -> list[F32]:
        """The weights, as `get_weights`; afterwards the network has none, until they are set."""
        taken = self.get_weights()
        self._weights, self._seed = [], None
        return taken

    def set_weights(self, weights: Sequence[F32]) -> None:
        """Take weights, in the order of `get_weights`.  Nothing may write to them later."""
        self._weights = list(weights)

    def with_weights(self, weights: Sequence[F32]) -> "Network":
        """A network of the same layers with other weights."""
        network = Network(self.sizes, self.dropout_rate)
        network.set_weights(weights)
        return network

    def save(self, path: Path) -> None:
        """Write the network as a model of Keras; the same weights give the same bytes.

        Memory: once more the weights.  Raises OSError.
        """
        keras_form.write_model(path, self.layers, self.dropout_rate)


def initial_weights(sizes: Sequence[int], seed: int) -> list[F32]:
    """Kernels that are Glorot-uniform, as Keras's, and biases that are 0.

    Kernel ``i`` is drawn by ``numpy.random.default_rng([seed, i])``, in float32: uniform within
    ``sqrt(6 / (n_inputs + n_units))`` of 0 (X. Glorot and Y. Bengio 2010).
    """
    weights = []
    for number, (n_inputs, n_units) in enumerate(itertools.pairwise(sizes)):
        kernel = np.random.default_rng([seed, number]).random((n_inputs, n_units), np.float32)
        limit = np.float32(math.sqrt(6 / (n_inputs + n_units)))
        kernel *= 2 * limit
        kernel -= limit
        weights += [kernel, np.zeros(n_units, np.float32)]
    return weights
