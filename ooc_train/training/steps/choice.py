"""Which trainer computes the steps of a model."""

from ooc_train.training.models.backend import keras
from ooc_train.training.models.table import DEFERRED_ADAM
from ooc_train.training.plan import TrainingPlan
from ooc_train.training.steps.feeds import feed_for
from ooc_train.training.steps.keras_steps import KerasTrainer
from ooc_train.training.steps.trainer import Trainer


def trainer_for(plan: TrainingPlan, model: keras.Model) -> Trainer:
    """The trainer of ``model`` that the plan says."""
    if plan.optimizer == DEFERRED_ADAM:
        # Numba and its kernels: half a second, and memory that no other model needs.
        from ooc_train.training.steps.sparse_steps import SparseTrainer  # noqa: PLC0415

        return SparseTrainer(model, plan.steps)
    frozen = ()
    if plan.options.frozen_epochs and plan.spec.embedding_layer:
        frozen = model.get_layer(plan.spec.embedding_layer).weights
    feed = feed_for(model, plan.layout, plan.train_width)
    return KerasTrainer(feed, plan.steps, frozen=frozen)
