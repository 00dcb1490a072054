"""A `Network` applied to rows: logits, probabilities and losses.

Sparse rows go through kernels, dense rows through NumPy's matrix products.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ooc_train.blas import one_thread
from ooc_train.dtypes import F32
from ooc_train.reading.rows import Batch, Rows
from ooc_train.training.models.keras_form import Layer
from ooc_train.training.models.network import Network
from ooc_train.training.steps import network_kernels as kernels
from ooc_train.training.steps.trainer import StepOptions


def logits_of(layers: Sequence[Layer]) -> Callable[[Rows], F32]:
    """The function of sparse or dense rows that gives the last layer's outputs.

    They are ``(n_rows, n_outputs) float32``, before the activation.
    """
    of_sparse = _logits_of_sparse(layers)

    def logits(rows: Any) -> F32:
        return dense_logits(rows.values, layers) if rows.layout == "dense" else of_sparse(rows)

    return logits


def dense_logits(values: F32, layers: Sequence[Layer]) -> F32:
    """The outputs of the last layer for ``(n_rows, n_columns) float32``, before its activation."""
    *hidden_layers, last = layers
    with one_thread(), np.errstate(invalid="ignore", over="ignore"):
        for layer in hidden_layers:
            values = values @ layer.kernel + layer.bias
            kernels.relu(values)
        return values @ last.kernel + last.bias


def _logits_of_sparse(layers: Sequence[Layer]) -> Callable[[Any], F32]:
    (first, first_bias), *later = layers
    rest = np.concatenate([first_bias, *(array.ravel() for layer in later for array in layer)])
    sizes = np.array([layer.bias.size for layer in layers])
    n_dropped = len(layers) - 1
    made_of = kernels.Layers(sizes, np.zeros(n_dropped, np.float32), np.zeros(n_dropped, np.uint64))

    def logits(rows: Any) -> F32:
        by_row = kernels.ByRow(
            rows.indptr.astype(np.int32), rows.indices.astype(np.int32), rows.values
        )
        outputs = kernels.forward(by_row, first, rest, made_of)
        return outputs[-len(rows) * sizes[-1] :].reshape(len(rows), sizes[-1])

    return logits


def probabilities_of(logits: F32) -> F32:
    """The probabilities of the classes: one logit is that of the second of two."""
    if logits.shape[1] == 1:
        with np.errstate(over="ignore"):
            second = 1 / (1 + np.exp(-logits))
        return np.concatenate([1 - second, second], axis=1)
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


class NetworkEvaluator:
    """Loss and probabilities by the weights that a network has now, without TensorFlow."""

    def __init__(self, network: Network) -> None:
        self._logits = logits_of(network.layers)
        self._class_weights = class_weights(StepOptions(), network.sizes[-1])

    def __call__(self, batch: Batch) -> tuple[float, F32]:
        """The mean loss, and the classes' probabilities: ``(n_rows, n_classes) float32``."""
        logits = self._logits(batch.rows)
        targets = kernels.Targets(batch.labels, self._class_weights, np.float32(0))
        loss, _ = kernels.output_gradient(logits, targets, np.empty_like(logits))
        return loss, probabilities_of(logits)


def class_weights(options: StepOptions, n_outputs: int) -> F32:
    """The weight of each class's rows in the loss: ``(n_classes,) float32``."""
    if options.class_weights is None:
        return np.ones(max(2, n_outputs), np.float32)
    return options.class_weights
