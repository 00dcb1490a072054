"""The trainer, the evaluator and the classifier of a model: which code computes with it.

Everything is imported when it is chosen: Keras loads in seconds, and kernels take memory that other
models do not need.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ooc_train.dtypes import F32, AnyArray
from ooc_train.kinds import Layout
from ooc_train.reading.rows import Batch, Rows
from ooc_train.training.models.model import Model
from ooc_train.training.models.network import Network
from ooc_train.training.models.table import ADAM, DEFERRED_ADAM
from ooc_train.training.run.folder import Run
from ooc_train.training.steps.trainer import Trainer

if TYPE_CHECKING:
    from ooc_train.training.plan import TrainingPlan

ROWS_AT_ONCE = 1024
Evaluator = Callable[[Batch], tuple[float, F32]]
"""Gives the mean loss of a batch, and the probabilities of the classes:
``(n_rows, n_classes) float32``."""
Evaluators = Callable[[Sequence[AnyArray] | None], Evaluator]
"""Gives the evaluator of weights, by default of those that a trainer has."""
Classifier = Callable[[Rows], F32]
"""Gives the probabilities of the classes for rows, one or more: ``(n_rows, n_classes) float32``."""


def trainer_for(plan: "TrainingPlan", model: Model) -> Trainer:
    """The trainer of ``model`` with the plan's optimizer."""
    if plan.optimizer == ADAM:
        return _keras_trainer(plan, model)
    from ooc_train.training.steps.dense_steps import DenseTrainer  # noqa: PLC0415
    from ooc_train.training.steps.sparse_steps import SparseTrainer  # noqa: PLC0415

    trainer = SparseTrainer if plan.optimizer == DEFERRED_ADAM else DenseTrainer
    return trainer(cast(Network, model), plan.steps)


def _keras_trainer(plan: "TrainingPlan", model: Any) -> Trainer:
    from ooc_train.training.models.mlp import in_keras  # noqa: PLC0415
    from ooc_train.training.steps.feeds import feed_for  # noqa: PLC0415
    from ooc_train.training.steps.keras_steps import KerasTrainer  # noqa: PLC0415

    if isinstance(model, Network):
        model = in_keras(model)
    frozen = ()
    if plan.options.frozen_epochs and plan.spec.embedding_layer:
        frozen = model.get_layer(plan.spec.embedding_layer).weights
    feed = feed_for(model, plan.layout, plan.train_width)
    if plan.n_devices > 1:
        from ooc_train.training.steps.devices import strategy_for  # noqa: PLC0415
        from ooc_train.training.steps.distributed_steps import DistributedTrainer  # noqa: PLC0415

        return DistributedTrainer(feed, plan.steps, strategy_for(plan.n_devices), frozen=frozen)
    return KerasTrainer(feed, plan.steps, frozen=frozen)


def evaluator_for(model: Model, layout: Layout, width: int | None) -> Evaluator:
    """The evaluator of the weights that ``model`` has on rows of a layout.

    ``width`` is as for `feed_for`.
    """
    if isinstance(model, Network):
        from ooc_train.training.steps.networks import NetworkEvaluator  # noqa: PLC0415

        return NetworkEvaluator(model)
    from ooc_train.training.steps.feeds import feed_for  # noqa: PLC0415
    from ooc_train.training.steps.keras_steps import KerasEvaluator  # noqa: PLC0415

    return KerasEvaluator(feed_for(model, layout, width))


def evaluators_for(plan: "TrainingPlan", trainer: Trainer) -> Evaluators:
    """The evaluators of a trainer's model, given weights that it has, or had before."""
    model = trainer.model
    if not isinstance(model, Network):
        evaluator = evaluator_for(model, plan.layout, plan.validation_width)
        return lambda _: evaluator  # it computes with the model itself, which has the weights
    from ooc_train.training.steps.networks import NetworkEvaluator  # noqa: PLC0415

    return lambda weights: NetworkEvaluator(model.with_weights(weights or trainer.weights()))


def classifier_for(run: Run) -> Classifier:
    """The model of a run as a function of rows of its kind of features.

    Memory: the model, and with TensorFlow 560 MB.  Raises what `Run.load_model` does.
    """
    model = run.load_model()
    if isinstance(model, Network):
        from ooc_train.training.steps.networks import logits_of, probabilities_of  # noqa: PLC0415

        logits = logits_of(model.layers)
        return _in_parts(lambda rows: probabilities_of(logits(rows)))
    from ooc_train.training.steps.feeds import predict_rows  # noqa: PLC0415

    return _in_parts(lambda rows: predict_rows(model, rows, pads_as_needed=run.pads_as_needed))


def _in_parts(classifier: Classifier) -> Classifier:
    """The same classifier, called with at most `ROWS_AT_ONCE` rows at a time."""

    def in_parts(rows: Rows) -> F32:
        starts = range(0, len(rows), ROWS_AT_ONCE)
        return np.concatenate([classifier(rows[start : start + ROWS_AT_ONCE]) for start in starts])

    return in_parts
