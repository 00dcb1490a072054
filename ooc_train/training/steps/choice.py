"""The trainer and the evaluator of a model: which code computes its steps."""

from typing import TYPE_CHECKING

from ooc_train.kinds import Layout
from ooc_train.training.models.table import DEFERRED_ADAM
from ooc_train.training.plan import TrainingPlan
from ooc_train.training.steps.feeds import feed_for
from ooc_train.training.steps.keras_steps import Evaluator, KerasTrainer
from ooc_train.training.steps.trainer import Trainer

if TYPE_CHECKING:
    from ooc_train.training.models.backend import keras


def trainer_for(plan: TrainingPlan, model: "keras.Model") -> Trainer:
    """The trainer of ``model`` with the plan's optimizer."""
    if plan.optimizer == DEFERRED_ADAM:
        # Numba and its kernels: half a second, and memory that no other model needs.
        from ooc_train.training.steps.sparse_steps import SparseTrainer  # noqa: PLC0415

        return SparseTrainer(model, plan.steps)
    frozen = ()
    if plan.options.frozen_epochs and plan.spec.embedding_layer:
        frozen = model.get_layer(plan.spec.embedding_layer).weights
    feed = feed_for(model, plan.layout, plan.train_width)
    return KerasTrainer(feed, plan.steps, frozen=frozen)


def evaluator_for(model: "keras.Model", layout: Layout, width: int | None) -> Evaluator:
    """The evaluator of ``model`` on rows of a layout; ``width`` as for `feed_for`."""
    return Evaluator(feed_for(model, layout, width))
