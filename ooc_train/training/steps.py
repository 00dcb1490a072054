"""One step of training and one of evaluation, each compiled once for batches of any size."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ooc_train.rows import Batch
from ooc_train.training.backend import keras, tf
from ooc_train.training.feeding import Features, Feed, class_probabilities

_LABELS = tf.TensorSpec((None,), tf.int64)


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

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        signature = (feed.signature, _LABELS)
        self._step = tf.function(self._evaluate, input_signature=signature)

    def __call__(self, batch: Batch) -> tuple[float, npt.NDArray[np.int64]]:
        """The mean loss, and the most probable class of each row: ``(n_rows,) int64``."""
        loss, predicted = self._step(self._feed.features(batch.rows), batch.labels)
        return float(loss), predicted.numpy()

    def _evaluate(self, features: Features, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        output = self._feed.forward(features)
        return _cross_entropy(labels, output), tf.argmax(class_probabilities(output), axis=1)


class Trainer:
    """A model, its Adam optimizer, and the step that updates one by the other.

    What a step drops out depends on the ``seed`` and the number of steps before it.  Variables
    in ``frozen`` keep their values until `thaw`.
    """

    def __init__(
        self,
        feed: Feed,
        *,
        learning_rate: float,
        seed: int,
        frozen: Sequence[keras.Variable] = (),
    ) -> None:
        self.model = feed.model
        self.n_steps = 0
        """Steps done so far."""
        self._feed = feed
        self._seed = seed
        self._optimizer = keras.optimizers.Adam(learning_rate)
        self._optimizer.build(self.model.trainable_variables)
        kept = {id(variable) for variable in frozen}
        self._trained = [v for v in self.model.trainable_variables if id(v) not in kept]
        self._step = self._compiled()

    def thaw(self) -> None:
        """Train the frozen variables too from now on.

        Adam begins anew, as it does in the guide, where the second training is a ``fit`` of its
        own: with its moments of before, which the frozen variables lack, their first steps would
        be several times too large.
        """
        self._trained = self.model.trainable_variables
        rate = self._optimizer.learning_rate
        for variable in self._optimizer.variables:
            if variable is not rate:
                variable.assign(tf.zeros_like(variable))
        self._step = self._compiled()

    def __call__(self, batch: Batch) -> tuple[float, int]:
        """Train on one batch; its mean loss and correct rows, before the update."""
        features = self._feed.features(batch.rows)
        loss, n_correct = self._step(features, batch.labels, np.int64(self.n_steps))
        self.n_steps += 1
        return float(loss), int(n_correct)

    def _compiled(self) -> Callable[..., tuple[tf.Tensor, tf.Tensor]]:
        signature = (self._feed.signature, _LABELS, tf.TensorSpec((), tf.int64))
        return tf.function(self._train, input_signature=signature)

    def _train(
        self, features: Features, labels: tf.Tensor, step: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            output = self._feed.forward(features, dropout_seed=tf.stack([self._seed, step]))
            loss = _cross_entropy(labels, output)
            # What a user's layers add, such as weight decay.
            penalized = tf.add_n([loss, *self.model.losses])
        gradients = tape.gradient(penalized, self._trained, unconnected_gradients="zero")
        # An embedding's gradient has a slice for each word.  Keras squares the slices before it
        # adds up those of one row, which makes Adam's steps several times too large for frequent
        # words; and takes more time over it than over a dense gradient.
        gradients = [tf.convert_to_tensor(gradient) for gradient in gradients]
        self._optimizer.apply(gradients, self._trained)
        predicted = tf.argmax(class_probabilities(output), axis=1)
        return loss, tf.math.count_nonzero(predicted == labels)


def _cross_entropy(labels: tf.Tensor, output: tf.Tensor) -> tf.Tensor:
    """The mean over ``(n,)`` labels and a model's outputs for these rows."""
    if output.shape[-1] == 1:
        return keras.losses.BinaryCrossentropy()(labels[:, tf.newaxis], output)
    return keras.losses.SparseCategoricalCrossentropy()(labels, output)
