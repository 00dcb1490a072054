"""One step of training and one of evaluation, each compiled once for batches of any size."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ooc_train.rows import Batch
from ooc_train.training.backend import keras, tf
from ooc_train.training.feeding import class_probabilities, forward, sparse_tensor


@dataclass
class Totals:
    """Sums over the rows of an epoch so far."""

    n_rows: int = 0
    loss_sum: float = 0.0
    n_correct: int = 0

    def add(self, *, n_rows: int, mean_loss: float, n_correct: int = 0) -> None:
        """Count one more batch."""
        self.n_rows += n_rows
        self.loss_sum += mean_loss * n_rows
        self.n_correct += n_correct

    @property
    def loss(self) -> float:
        """Mean over rows."""
        return self.loss_sum / self.n_rows

    @property
    def accuracy(self) -> float:
        """Share of rows whose most probable class is theirs."""
        return self.n_correct / self.n_rows


class Evaluator:
    """A model's loss and predictions on batches with labels."""

    def __init__(self, model: keras.Model) -> None:
        self._model = model
        self._loss = _loss_of(model)
        self._step = tf.function(self._evaluate, input_signature=_signature(model))

    def __call__(self, batch: Batch) -> tuple[float, npt.NDArray[np.int64]]:
        """The mean loss, and the most probable class of each row: ``(n_rows,) int64``."""
        loss, predicted = self._step(sparse_tensor(batch.rows), batch.labels)
        return float(loss), predicted.numpy()

    def _evaluate(
        self, features: tf.SparseTensor, labels: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        output = forward(self._model, features)
        return self._loss(labels, output), tf.argmax(class_probabilities(output), axis=1)


class Trainer:
    """A model, its Adam optimizer, and the step that updates one by the other.

    What a step drops out depends on the ``seed`` and the number of steps before it.
    """

    def __init__(self, model: keras.Model, *, learning_rate: float, seed: int) -> None:
        self.model = model
        self._seed = seed
        self._loss = _loss_of(model)
        self._optimizer = keras.optimizers.Adam(learning_rate)
        self._optimizer.build(model.trainable_variables)
        self._step = tf.function(self._train, input_signature=_signature(model))

    @property
    def n_steps(self) -> int:
        """Steps done so far."""
        return int(self._optimizer.iterations)

    def __call__(self, batch: Batch) -> tuple[float, int]:
        """Train on one batch; its mean loss and correct rows, before the update."""
        loss, n_correct = self._step(sparse_tensor(batch.rows), batch.labels)
        return float(loss), int(n_correct)

    def _train(self, features: tf.SparseTensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        step = tf.cast(self._optimizer.iterations.value, tf.int64)
        with tf.GradientTape() as tape:
            output = forward(self.model, features, dropout_seed=tf.stack([self._seed, step]))
            loss = self._loss(labels, output)
        variables = self.model.trainable_variables
        self._optimizer.apply(tape.gradient(loss, variables), variables)
        predicted = tf.argmax(class_probabilities(output), axis=1)
        return loss, tf.math.count_nonzero(predicted == labels)


def _signature(model: keras.Model) -> tuple[tf.TypeSpec, tf.TypeSpec]:
    """Batches of any number of rows: one signature, so that nothing is compiled twice."""
    return tf.SparseTensorSpec(model.input_shape, tf.float32), tf.TensorSpec((None,), tf.int64)


def _loss_of(model: keras.Model) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """Mean cross-entropy of ``(n,)`` labels and the model's outputs."""
    if model.output_shape[-1] > 1:
        return keras.losses.SparseCategoricalCrossentropy()
    binary = keras.losses.BinaryCrossentropy()
    return lambda labels, output: binary(labels[:, tf.newaxis], output)
