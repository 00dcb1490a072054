"""Training steps on several devices, each of which takes a part of every batch.

The devices keep the same weights, and add up their gradients in each step.  So a step is that of
one device, but for the rounding of the sums, and for what a layer does with a part of a batch:
dropout is drawn for each part, and a BatchNormalization normalizes by it.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ooc_train.reading.rows import Batch
from ooc_train.training.models.backend import keras, tf
from ooc_train.training.steps.feeds import Features, Feed, class_probabilities
from ooc_train.training.steps.keras_steps import LABELS, KerasTrainer, cross_entropy
from ooc_train.training.steps.trainer import StepOptions

_Part = tuple[Features, tf.Tensor, tf.Tensor]
"""Features, labels, and which rows count: 1, or 0 for the row of a part that would be empty."""
_SEED_STEP = 1_000_000
"""Seeds of the parts after the first are this far apart from those of layers."""


class DistributedTrainer(KerasTrainer):
    """Trains a model whose variables are mirrored by a strategy of `tf.distribute`."""

    def __init__(
        self,
        feed: Feed,
        options: StepOptions,
        strategy: tf.distribute.Strategy,
        *,
        frozen: Sequence[keras.Variable] = (),
    ) -> None:
        self._strategy = strategy
        self._clipnorm = options.global_clipnorm  # of the sum, which Keras would not clip
        with strategy.scope():
            super().__init__(feed, replace(options, global_clipnorm=None), frozen=frozen)

    def prepare(self, batch: Batch, step: int) -> tuple[Any, ...]:
        """The parts of the batch, in its order and of about the same size; the step's number."""
        parts: list[_Part] = []
        for rows in np.array_split(np.arange(len(batch.labels)), self._n_parts):
            taken = batch.take(rows if len(rows) else np.zeros(1, np.int64))
            counted = np.full(len(taken.labels), len(rows) > 0, np.float32)
            parts.append((self._feed.features(taken.rows), taken.labels, counted))
        return (*parts, np.int64(step))

    @property
    def _n_parts(self) -> int:
        n_parts: int = self._strategy.num_replicas_in_sync
        return n_parts

    def _compiled(self) -> Callable[..., tuple[tf.Tensor, tf.Tensor]]:
        part = (self._feed.signature, LABELS, tf.TensorSpec((None,), tf.float32))
        signature = [*[part] * self._n_parts, tf.TensorSpec((), tf.int64)]
        return tf.function(self._train_parts, input_signature=signature)

    def _train_parts(self, *parts_and_step: Any) -> tuple[tf.Tensor, tf.Tensor]:
        *parts, step = parts_and_step
        n_rows = tf.add_n([tf.reduce_sum(counted) for _, _, counted in parts])
        taken = self._strategy.experimental_distribute_values_from_function(
            lambda context: parts[context.replica_id_in_sync_group]
        )
        found = self._strategy.run(self._train_part, args=(taken, n_rows, step))
        loss, n_correct = (self._strategy.reduce("SUM", each, axis=None) for each in found)
        return loss, n_correct

    def _train_part(
        self, part: _Part, n_rows: tf.Tensor, step: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """One device's part of a step; the devices' results add up to those of the batch."""
        features, labels, counted = part
        options, context = self._options, tf.distribute.get_replica_context()
        # Keras divides a loss by the number of devices, as if all had as many rows.
        share = self._n_parts * tf.cast(tf.shape(counted)[0], tf.float32) / n_rows
        with tf.GradientTape() as tape:
            seed = tf.stack([options.seed, step])
            output = self._feed.forward(features, dropout_seed=_seed_of(context, seed))
            loss = share * cross_entropy(labels, output, options, counted)
            penalties = [penalty / self._n_parts for penalty in self.model.losses]
            penalized = tf.add_n([loss, *penalties])
        gradients = tape.gradient(penalized, self._trained, unconnected_gradients="zero")
        gradients = [tf.convert_to_tensor(gradient) for gradient in gradients]
        if self._clipnorm is not None:
            total = context.all_reduce("SUM", gradients)
            clipped, _ = tf.clip_by_global_norm(total, self._clipnorm)
            gradients = [gradient / self._n_parts for gradient in clipped]
        self.optimizer.apply(gradients, self._trained)  # which adds up those of all devices
        is_right = tf.argmax(class_probabilities(output), axis=1) == labels
        return loss, tf.math.count_nonzero(is_right & (counted > 0))


def _seed_of(context: tf.distribute.ReplicaContext, seed: tf.Tensor) -> tf.Tensor:
    """The seed of a device's dropout: on the first that of one device."""
    number = context.replica_id_in_sync_group
    other = tf.random.experimental.stateless_fold_in(seed, _SEED_STEP + tf.cast(number, tf.int64))
    return tf.where(tf.equal(number, 0), seed, tf.cast(other, seed.dtype))
