"""Training steps of a `Network` over dense rows, by NumPy's matrix products and kernels.

Products run on one thread, so that the weights do not depend on the number of processors; another
thread prepares the rows of later steps meanwhile.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ooc_train.blas import one_thread
from ooc_train.dtypes import F32, AnyArray
from ooc_train.reading.rows import Batch
from ooc_train.training.models.network import Network
from ooc_train.training.steps import adam_kernels
from ooc_train.training.steps import network_kernels as kernels
from ooc_train.training.steps.adam_kernels import WEIGHT
from ooc_train.training.steps.network_trainer import NetworkTrainer, copied, cut, flat
from ooc_train.training.steps.trainer import State, StepOptions


class _Prepared(NamedTuple):
    """A batch as `DenseTrainer.step` takes it."""

    values: F32
    """``(n_rows, n_columns) float32``, after dropout."""
    targets: kernels.Targets
    layers: kernels.Layers


class DenseTrainer(NetworkTrainer):
    """Trains a network over dense rows with Keras's Adam.

    Memory: four times the weights, and a batch.
    """

    def __init__(self, network: Network, options: StepOptions) -> None:
        super().__init__(network, options)
        arrays = network.take_weights()
        shapes = [array.shape for array in arrays]
        self._shapes = shapes
        self._all = np.zeros((3, sum(array.size for array in arrays)), np.float32)
        self._all[WEIGHT] = flat(arrays)
        self._gradient = np.zeros(self._all.shape[1], np.float32)
        self._arrays, self._slopes = cut(self._all[WEIGHT], shapes), cut(self._gradient, shapes)

    def prepare(self, batch: Batch, step: int) -> _Prepared:
        """The values after dropout, and the labels."""
        rows: Any = batch.rows
        key, layers = self._layers(step)
        values = np.ascontiguousarray(rows.values)
        if self._rate > 0:
            values = kernels.dropped(values, self._rate, key)
        return _Prepared(values, self._targets(batch), layers)

    def step(self, prepared: _Prepared) -> tuple[float, int]:
        """Train on one batch; return its mean weighted loss and correct rows before the update."""
        with one_thread(), np.errstate(invalid="ignore", over="ignore"):
            loss, n_correct = self._gradients(prepared)
        norm = self._options.global_clipnorm
        if norm is not None:
            first = self._slopes[0]
            adam_kernels.clip(first, self._gradient[first.size :], norm)
        adam_kernels.update(self._all, self._gradient, self._move())
        self.n_steps += 1
        return loss, n_correct

    def weights(self) -> list[AnyArray]:
        """The weights after the steps so far, as the network's ``get_weights`` gives them."""
        return cut(copied(self._all[WEIGHT]), self._shapes)

    def state(self) -> State:
        """The weights with their moments."""
        return {"n_steps": np.array(self.n_steps), "weights": copied(self._all)}

    def restore(self, state: Mapping[str, AnyArray]) -> None:
        """Continue from the `state` of another trainer of the same model and options."""
        self.n_steps = int(state["n_steps"])
        self._all[:] = state["weights"]

    def _gradients(self, prepared: _Prepared) -> tuple[float, int]:
        """The mean loss and the correct rows; writes the gradients of all weights."""
        values, targets, layers = prepared
        inputs, n_layers = [values], len(self._sizes)
        for number in range(n_layers):
            kernel, bias = self._arrays[2 * number : 2 * number + 2]
            outputs = inputs[-1] @ kernel
            outputs += bias
            if number < n_layers - 1:
                kernels.activate(outputs, layers.rates[number], layers.keys[number])
            inputs.append(outputs)
        delta = np.empty_like(outputs)
        loss, n_correct = kernels.output_gradient(outputs, targets, delta)
        for number in range(n_layers - 1, -1, -1):
            slopes, bias_slopes = self._slopes[2 * number : 2 * number + 2]
            np.matmul(inputs[number].T, delta, out=slopes)
            kernels.bias_gradient(delta, bias_slopes)
            if number:
                delta = delta @ self._arrays[2 * number].T
                kernels.undrop(delta, inputs[number], layers.rates[number - 1])
        return loss, n_correct
