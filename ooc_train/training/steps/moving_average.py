"""The moving average of a network's weights, which classifies better than the weights of one step.

With a constant learning rate the weights fluctuate, and with them the share of rows predicted for
each class; where training happens to end is luck.  The mean over about the last hundred steps
(B. T. Polyak and A. B. Juditsky 1992; exponential here) leaves that out.
"""

import contextlib
from collections.abc import Iterator, Mapping

import numpy as np

from ooc_train.dtypes import AnyArray
from ooc_train.training.models.backend import keras, tf
from ooc_train.training.steps.trainer import State

EVERY_STEPS = 8
"""Steps between updates: an update at every step would take several percent of the time."""
MOMENTUM = 0.92


class MovingAverage:
    """The moving average of a model's trained weights.  Memory: one copy of them."""

    def __init__(self, model: keras.Model) -> None:
        self._weights = model.trainable_variables
        self._means = [tf.Variable(weight.value) for weight in self._weights]
        self._n_updates = 0
        self._update = tf.function(self._move, input_signature=[tf.TensorSpec((), tf.float32)])

    @staticmethod
    def is_due(step: int) -> bool:
        """Whether the average is updated after ``step`` steps of an epoch, beside its end."""
        return step % EVERY_STEPS == 0

    def update(self) -> None:
        """Move the average towards the weights: the first time all the way, later by less."""
        self._n_updates += 1
        momentum = min(MOMENTUM, (self._n_updates - 1) / (self._n_updates + 1))
        self._update(1 - momentum)

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """Give the model the averages during the block, then its weights again."""
        self.exchange()
        try:
            yield
        finally:
            self.exchange()

    def exchange(self) -> None:
        """Exchange the model's weights and their averages."""
        for mean, weight in zip(self._means, self._weights, strict=True):
            value = tf.identity(weight.value)
            weight.assign(mean)
            mean.assign(value)

    def state(self) -> State:
        """Copies of the averages, and the number of updates."""
        means = {f"means/{i}": mean.numpy() for i, mean in enumerate(self._means)}
        return means | {"n_updates": np.array(self._n_updates)}

    def restore(self, state: Mapping[str, AnyArray]) -> None:
        """Continue from a `state`."""
        for i, mean in enumerate(self._means):
            mean.assign(state[f"means/{i}"])
        self._n_updates = int(state["n_updates"])

    def _move(self, share: tf.Tensor) -> None:
        for mean, weight in zip(self._means, self._weights, strict=True):
            mean.assign_add(share * (weight.value - mean))
