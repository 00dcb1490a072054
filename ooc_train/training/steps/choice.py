"""Which trainer computes the steps of a model."""

from ooc_train.reading.store import Store
from ooc_train.training.class_weights import class_weights_for
from ooc_train.training.models.backend import keras
from ooc_train.training.options import DEFERRED_ADAM, TrainingOptions
from ooc_train.training.steps.feeds import feed_for
from ooc_train.training.steps.keras_steps import KerasTrainer
from ooc_train.training.steps.trainer import StepOptions, Trainer


def trainer_for(model: keras.Model, store: Store, options: TrainingOptions) -> Trainer:
    """The trainer of ``model`` on the rows of ``store``, as the options have it."""
    steps = StepOptions(
        learning_rate=options.learning_rate,
        seed=options.seed,
        class_weights=class_weights_for(options.class_weight, store),
        label_smoothing=options.label_smoothing,
        weight_decay=options.weight_decay,
        global_clipnorm=options.global_clipnorm,
    )
    if options.optimizer_for(store.features) == DEFERRED_ADAM:
        # Numba and its kernels: half a second, and memory that no other model needs.
        from ooc_train.training.steps.sparse_steps import SparseTrainer  # noqa: PLC0415

        return SparseTrainer(model, steps)
    width = None if options.bucket_by_length else store["train"].width
    frozen = model.get_layer("embedding").weights if options.frozen_epochs else ()
    return KerasTrainer(feed_for(model, store.layout, width), steps, frozen=frozen)
