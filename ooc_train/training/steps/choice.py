"""The trainer, the evaluator and the network of a model: which code computes with it.

Everything is imported when it is chosen: Keras loads in seconds, and kernels take memory that other
models do not need.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ooc_train.dtypes import F32, AnyArray
from ooc_train.errors import FormatError
from ooc_train.kinds import KINDS, Layout
from ooc_train.reading.rows import Batch
from ooc_train.training.models.table import DEFERRED_ADAM
from ooc_train.training.run.folder import Run
from ooc_train.training.run.json_files import AGAIN
from ooc_train.training.steps.networks import Network, dense_layers, in_kernels, in_tensorflow
from ooc_train.training.steps.trainer import Trainer

if TYPE_CHECKING:
    from ooc_train.training.models.backend import keras
    from ooc_train.training.plan import TrainingPlan
    from ooc_train.training.steps.keras_steps import Evaluator

Evaluators = Callable[[Sequence[AnyArray] | None], Callable[[Batch], tuple[float, F32]]]
"""Gives the evaluator of weights, or of those that the model has: a function of a batch to its mean
loss and the probabilities of the classes, ``(n_rows, n_classes) float32``."""


def trainer_for(plan: "TrainingPlan", model: "keras.Model") -> Trainer:
    """The trainer of ``model`` with the plan's optimizer."""
    if plan.optimizer == DEFERRED_ADAM:
        from ooc_train.training.steps.sparse_steps import SparseTrainer  # noqa: PLC0415

        return SparseTrainer(model, plan.steps)
    from ooc_train.training.steps.feeds import feed_for  # noqa: PLC0415
    from ooc_train.training.steps.keras_steps import KerasTrainer  # noqa: PLC0415

    frozen = ()
    if plan.options.frozen_epochs and plan.spec.embedding_layer:
        frozen = model.get_layer(plan.spec.embedding_layer).weights
    feed = feed_for(model, plan.layout, plan.train_width)
    return KerasTrainer(feed, plan.steps, frozen=frozen)


def evaluator_for(model: "keras.Model", layout: Layout, width: int | None) -> "Evaluator":
    """The evaluator of ``model`` on rows of a layout; ``width`` as for `feed_for`."""
    from ooc_train.training.steps.feeds import feed_for  # noqa: PLC0415
    from ooc_train.training.steps.keras_steps import Evaluator  # noqa: PLC0415

    return Evaluator(feed_for(model, layout, width))


def evaluators_for(plan: "TrainingPlan", model: "keras.Model") -> Evaluators:
    """The evaluators of ``model`` in training: in kernels where these train it."""
    if plan.optimizer == DEFERRED_ADAM:
        from ooc_train.training.steps.sparse_steps import SparseEvaluator  # noqa: PLC0415

        return lambda weights: SparseEvaluator(weights or model.get_weights())
    evaluator = evaluator_for(model, plan.layout, plan.validation_width)
    return lambda _: evaluator  # it computes with the model itself


def network_for(run: Run) -> Network:
    """The model of a run, for rows of its kind of features: in kernels if they can compute it.

    Memory: the model, and with TensorFlow 560 MB.  Raises FormatError if the model is damaged or
    does not fit the run, and otherwise what `Run.load_model` does.
    """
    is_sparse = KINDS[run.features].layout == "sparse"
    layers = dense_layers(run.model_path) if is_sparse else None
    if not layers:
        return in_tensorflow(run)
    n_columns, n_outputs = len(layers[0][0]), len(layers[-1][1])
    n_classes = max(2, n_outputs)  # one output is the probability of the second of two
    if (n_columns, n_classes) != (run.shape.n_columns, run.shape.n_classes):
        raise FormatError(
            f"{run.model_path} is a model for {n_columns:,} columns and {n_classes:,} classes, and "
            f"its run has {run.shape.n_columns:,} and {run.shape.n_classes:,}; {AGAIN}"
        )
    return in_kernels(layers)
