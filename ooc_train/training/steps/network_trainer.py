"""`NetworkTrainer`: the part of training a `Network` that is the same for sparse and dense rows."""

import math
import mmap

import numpy as np

from ooc_train.dtypes import F32
from ooc_train.reading.rows import Batch
from ooc_train.training.models.network import Network
from ooc_train.training.steps import adam_kernels
from ooc_train.training.steps import network_kernels as kernels
from ooc_train.training.steps.networks import class_weights
from ooc_train.training.steps.trainer import StepOptions, Trainer


class NetworkTrainer(Trainer):
    """Trains a network with Adam, on weights that it takes; the network has them after `sync`.

    Dropout is a function of the seed, the step's number and the value's place.
    """

    model: Network

    def __init__(self, network: Network, options: StepOptions) -> None:
        super().__init__(network)
        self._options = options
        self._learning_rate = options.learning_rate
        self._sizes = np.array(network.sizes[1:])
        self._rate = np.float32(network.dropout_rate)
        self._class_weights = class_weights(options, network.sizes[-1])

    def set_learning_rate(self, learning_rate: float) -> None:
        """Set the learning rate of the steps from now on."""
        self._learning_rate = learning_rate

    def thaw(self) -> None:
        """Do nothing: these trainers freeze no weights."""

    def sync(self) -> None:
        """Give the network the current weights, without changing the arrays of the steps."""
        self.model.set_weights(self.weights())

    def _move(self) -> adam_kernels.Move:
        """The move of the next step."""
        return adam_kernels.move(self.n_steps, self._learning_rate, self._options.weight_decay)

    def _layers(self, step: int) -> tuple[np.uint64, kernels.Layers]:
        """The key of the dropout of a step's rows, and the layers with those of all others."""
        n_layers = len(self._sizes)
        keys = kernels.keys_of(self._options.seed, step, n_layers)
        rates = np.full(n_layers - 1, self._rate)
        return keys[0], kernels.Layers(self._sizes, rates, keys[1:])

    def _targets(self, batch: Batch) -> kernels.Targets:
        smoothing = np.float32(self._options.label_smoothing)
        return kernels.Targets(batch.labels, self._class_weights, smoothing)


def empty_pages(shape: tuple[int, ...]) -> F32:
    """A float32 array in pages of its own: the system has them back once nothing refers to it.

    Big arrays that are made after each epoch and dropped later would leave holes elsewhere.
    """
    n_bytes = 4 * math.prod(shape)
    pages = mmap.mmap(-1, n_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return np.frombuffer(pages, np.float32).reshape(shape)


def copied(array: F32) -> F32:
    """A copy of a float32 array, see `empty_pages`."""
    copy = empty_pages(array.shape)
    copy[...] = array
    return copy


def flat(arrays: list[F32]) -> F32:
    """Arrays one after another, flat."""
    return np.concatenate([array.ravel() for array in arrays])


def cut(values: F32, shapes: list[tuple[int, ...]]) -> list[F32]:
    """Views of flat ``values`` as arrays of these shapes, one after another."""
    arrays, start = [], 0
    for shape in shapes:
        stop = start + int(np.prod(shape))
        arrays.append(values[start:stop].reshape(shape))
        start = stop
    return arrays
