"""Networks: saved models as functions from rows to probabilities, in kernels or in TensorFlow.

The kernels that train multi-layer perceptrons over sparse rows can also predict with them.  That
saves TensorFlow's 560 MB of memory, its five seconds of loading and the cost of each call.
"""

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ooc_train.dtypes import F32
from ooc_train.reading.rows import Rows
from ooc_train.training.models.archive import open_archive
from ooc_train.training.run.folder import Run

ROWS_AT_ONCE = 1024
Network = Callable[[Rows], F32]
"""A function of rows, one or more, that gives the probabilities of the classes:
``(n_rows, n_classes) float32``; before its activation, the outputs of the last layer."""


def dense_layers(path: Path) -> list[tuple[F32, F32]] | None:
    """The weights and the bias of each layer of a saved multi-layer perceptron.

    ``None`` for any other model.  A multi-layer perceptron is a Sequential of Keras's Dense and
    Dropout, with relu after every Dense but the last.  The last has a sigmoid if it has one unit,
    and a softmax if it has more.  Reads the archive without Keras.  Raises FormatError if it is
    damaged.
    """
    with open_archive(path) as archive:
        dense = _dense_configs(archive.config())
        if not dense:
            return None
        activations = [config["activation"] for config in dense]
        last = "sigmoid" if dense[-1]["units"] == 1 else "softmax"
        if activations != ["relu"] * (len(dense) - 1) + [last]:
            return None
        with archive.weights() as file:
            layers = [_weights(file, number) for number in range(len(dense))]
        found = [layer for layer in layers if layer]
        if [bias.size for _, bias in found] != [config["units"] for config in dense]:
            return None
        for (_, before), (weights, _) in itertools.pairwise(found):
            if len(before) != len(weights):
                raise ValueError(f"a layer of {len(before):,} units precedes {len(weights):,}")
        if not all(np.isfinite(array).all() for layer in found for array in layer):
            raise ValueError("it has weights that are not finite")
    return found


def _dense_configs(model: dict[str, Any]) -> list[dict[str, Any]]:
    """The Dense layers of a Sequential; none if it has other layers that change predictions."""
    if (model["module"], model["class_name"]) != ("keras", "Sequential"):
        return []
    found = []
    for layer in model["config"]["layers"]:
        kind = (layer["module"], layer["class_name"])
        if kind == ("keras.layers", "Dense"):
            found.append(layer["config"])
        elif kind not in (("keras.layers", "InputLayer"), ("keras.layers", "Dropout")):
            return []
    return found


def _weights(file: h5py.File, number: int) -> tuple[F32, F32] | None:
    """The weights and the bias of the Dense layer of that number, from 0.

    ``None`` if they are not where Keras 3 puts them, as those of a layer without a bias.
    """
    name = f"layers/dense{f'_{number}' if number else ''}/vars"
    if f"{name}/0" not in file or f"{name}/1" not in file:
        return None
    weights, bias = file[f"{name}/0"], file[f"{name}/1"]
    if {weights.dtype, bias.dtype} != {np.dtype(np.float32)} or weights.ndim != 2:
        return None
    if bias.shape != weights.shape[1:]:
        return None
    return weights[...], bias[...]


def in_kernels(layers: list[tuple[F32, F32]]) -> Network:
    """The network of a multi-layer perceptron over sparse rows, as `dense_layers` gives it."""
    outputs = logits_of(layers)
    return _in_parts(lambda rows: probabilities_of(outputs(rows)))


def logits_of(layers: Sequence[tuple[F32, F32]]) -> Network:
    """The function that gives the last layer's outputs before its activation.

    ``layers`` are the weights and biases of a multi-layer perceptron over sparse rows.
    """
    from ooc_train.training.steps import sparse_kernels as kernels  # noqa: PLC0415 - compiled code

    (first, first_bias), *later = layers
    rest = np.concatenate(
        [first_bias, *(array.ravel() for weights, bias in later for array in (weights, bias))]
    )
    sizes = np.array([bias.size for _, bias in layers])
    n_dropped = len(layers) - 1
    made_of = kernels.Layers(sizes, np.zeros(n_dropped, np.float32), np.zeros(n_dropped, np.uint64))

    def logits(rows: Any) -> F32:
        by_row = kernels.ByRow(
            rows.indptr.astype(np.int32), rows.indices.astype(np.int32), rows.values
        )
        outputs = kernels.forward(by_row, first, rest, made_of)
        return outputs[-len(rows) * sizes[-1] :].reshape(len(rows), sizes[-1])

    return logits


def in_tensorflow(run: Run) -> Network:
    """The network of a run of any model.  Imports TensorFlow."""
    from ooc_train.training.steps.feeds import predict_rows  # noqa: PLC0415 - TensorFlow

    model = run.load_model()
    return _in_parts(lambda rows: predict_rows(model, rows, pads_as_needed=run.pads_as_needed))


def _in_parts(network: Network) -> Network:
    """The same network, called with at most `ROWS_AT_ONCE` rows at a time."""

    def in_parts(rows: Rows) -> F32:
        starts = range(0, len(rows), ROWS_AT_ONCE)
        return np.concatenate([network(rows[start : start + ROWS_AT_ONCE]) for start in starts])

    return in_parts


def probabilities_of(logits: F32) -> F32:
    """The probabilities of the classes: one logit is that of the second of two."""
    if logits.shape[1] == 1:
        with np.errstate(over="ignore"):
            second = 1 / (1 + np.exp(-logits))
        return np.concatenate([1 - second, second], axis=1)
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)
