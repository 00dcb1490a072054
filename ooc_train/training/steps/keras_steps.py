"""Training and evaluation steps in TensorFlow, compiled once for batches of any size."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ooc_train.dtypes import F32, I64, AnyArray
from ooc_train.reading.rows import Batch
from ooc_train.training.models.backend import keras, tf
from ooc_train.training.steps.feeds import Features, Feed, class_probabilities
from ooc_train.training.steps.trainer import State, StepOptions, Trainer

LABELS = tf.TensorSpec((None,), tf.int64)
_Prepared = tuple[Features, I64, np.int64]


class KerasEvaluator:
    """A model's loss and probabilities on batches with labels."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        signature = (feed.signature, LABELS)
        self._step = tf.function(self._evaluate, input_signature=signature)

    def __call__(self, batch: Batch) -> tuple[float, F32]:
        """The mean loss, and the classes' probabilities: ``(n_rows, n_classes) float32``."""
        loss, probabilities = self._step(self._feed.features(batch.rows), batch.labels)
        return float(loss), probabilities.numpy()

    def _evaluate(self, features: Features, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        output = self._feed.forward(features)
        return cross_entropy(labels, output, StepOptions()), class_probabilities(output)


class KerasTrainer(Trainer):
    """Trains any model with Keras's Adam; variables in ``frozen`` keep their values until `thaw`.

    Dropout in a step depends on the seed and the number of steps before it.
    """

    model: keras.Model

    def __init__(
        self,
        feed: Feed,
        options: StepOptions,
        *,
        frozen: Sequence[keras.Variable] = (),
    ) -> None:
        super().__init__(feed.model)
        self._feed = feed
        self._options = options
        self.optimizer = keras.optimizers.Adam(
            options.learning_rate,
            weight_decay=options.weight_decay or None,
            global_clipnorm=options.global_clipnorm,
        )
        self.optimizer.build(self.model.trainable_variables)
        kept = {id(variable) for variable in frozen}
        self._trained = [v for v in self.model.trainable_variables if id(v) not in kept]
        self._step = self._compiled()

    def prepare(self, batch: Batch, step: int) -> _Prepared:
        """The features, as the feed makes them, the labels, and the step's number."""
        return self._feed.features(batch.rows), batch.labels, np.int64(step)

    def step(self, prepared: _Prepared) -> tuple[float, int]:
        """Train on one batch; return its mean weighted loss and correct rows before the update."""
        loss, n_correct = self._step(*prepared)
        self.n_steps += 1
        return float(loss), int(n_correct)

    def set_learning_rate(self, learning_rate: float) -> None:
        """Set the learning rate of the steps from now on."""
        self.optimizer.learning_rate.assign(learning_rate)

    def thaw(self) -> None:
        """From now on train the frozen variables, too.

        Adam starts again, as in the guide, where a second call of ``fit`` trains all weights: the
        frozen variables have no moments yet, and a step count from before would make their first
        steps several times too large.
        """
        self._train_all()
        rate = self.optimizer.learning_rate
        for variable in self.optimizer.variables:
            if variable is not rate:
                variable.assign(tf.zeros_like(variable))

    def sync(self) -> None:
        """The steps work on the model's own weights."""

    def state(self) -> State:
        """The weights, the optimizer's variables, and how many variables are trained."""
        arrays = {f"weights/{i}": weight.numpy() for i, weight in enumerate(self.model.weights)}
        for i, variable in enumerate(self.optimizer.variables):
            arrays[f"optimizer/{i}"] = variable.numpy()
        n_trained = len(self._trained)
        return arrays | {"n_steps": np.array(self.n_steps), "n_trained": np.array(n_trained)}

    def restore(self, state: Mapping[str, AnyArray]) -> None:
        """Continue from the `state` of another trainer of the same model and options."""
        if len(self._trained) < state["n_trained"]:
            self._train_all()
        for i, weight in enumerate(self.model.weights):
            weight.assign(state[f"weights/{i}"])
        for i, variable in enumerate(self.optimizer.variables):
            variable.assign(state[f"optimizer/{i}"])
        self.n_steps = int(state["n_steps"])

    def _train_all(self) -> None:
        self._trained = self.model.trainable_variables
        self._step = self._compiled()

    def _compiled(self) -> Callable[..., tuple[tf.Tensor, tf.Tensor]]:
        signature = (self._feed.signature, LABELS, tf.TensorSpec((), tf.int64))
        return tf.function(self._train, input_signature=signature)

    def _train(
        self, features: Features, labels: tf.Tensor, step: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        options = self._options
        with tf.GradientTape() as tape:
            output = self._feed.forward(features, dropout_seed=tf.stack([options.seed, step]))
            loss = cross_entropy(labels, output, options)
            # Losses that a user's layers add, such as weight penalties.
            penalized = tf.add_n([loss, *self.model.losses])
        gradients = tape.gradient(penalized, self._trained, unconnected_gradients="zero")
        # The gradient of an embedding has a slice for each word.  Keras squares slices before it
        # sums those of one row, which makes Adam's steps several times too large for frequent
        # words; and that takes longer than with a dense gradient.
        gradients = [tf.convert_to_tensor(gradient) for gradient in gradients]
        self.optimizer.apply(gradients, self._trained)
        predicted = tf.argmax(class_probabilities(output), axis=1)
        return loss, tf.math.count_nonzero(predicted == labels)


def cross_entropy(
    labels: tf.Tensor, output: tf.Tensor, options: StepOptions, counted: tf.Tensor | None = None
) -> tf.Tensor:
    """The mean cross-entropy of a model's outputs for ``(n,)`` labels.

    ``counted`` are factors of the rows' losses, beside the weights of their classes.
    """
    weights = options.class_weights
    row_weights = counted if weights is None else tf.gather(weights, labels)
    if weights is not None and counted is not None:
        row_weights *= counted
    smoothing = options.label_smoothing
    if output.shape[-1] == 1:
        loss = keras.losses.BinaryCrossentropy(label_smoothing=smoothing)
        return loss(labels[:, tf.newaxis], output, sample_weight=row_weights)
    if smoothing:
        loss = keras.losses.CategoricalCrossentropy(label_smoothing=smoothing)
        return loss(tf.one_hot(labels, output.shape[-1]), output, sample_weight=row_weights)
    return keras.losses.SparseCategoricalCrossentropy()(labels, output, sample_weight=row_weights)
