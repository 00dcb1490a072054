"""Keras callbacks, called as ``fit`` calls them.

``keras.callbacks.CallbackList`` would do it too, but it needs Keras where there are no callbacks,
and it hands the ends of batches to another thread.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ooc_train.training.steps.trainer import Totals, Trainer


class Callbacks:
    """The user's callbacks, if there are any, on the model of a trainer.

    The model is compiled with the trainer's optimizer for them.  On resume, callbacks are told the
    epoch and step to start from; their own state is not saved.
    """

    def __init__(self, callbacks: Sequence[Any], trainer: Trainer, *, n_epochs: int) -> None:
        self._callbacks = callbacks
        model: Any = trainer.model
        self._model = model
        if callbacks:
            self._model.compile(trainer.optimizer)
            self._model.stop_training = False
        for callback in callbacks:
            callback.set_model(self._model)
            callback.set_params({"verbose": 0, "epochs": n_epochs})

    @property
    def stop_training(self) -> bool:
        """Whether a callback has asked to stop."""
        return bool(self._callbacks) and bool(self._model.stop_training)

    def begin(self) -> None:
        """Training begins or resumes."""
        for callback in self._callbacks:
            callback.on_train_begin({})

    def begin_epoch(self, epoch: int) -> None:
        """An epoch, counted from 0, begins."""
        for callback in self._callbacks:
            callback.on_epoch_begin(epoch, {})

    def begin_step(self, step: int) -> None:
        """A step, counted from 0 in its epoch, begins."""
        for callback in self._callbacks:
            callback.on_train_batch_begin(step, {})

    def end_step(self, step: int, totals: Totals) -> None:
        """The step is done; ``totals`` are those of the epoch so far."""
        for callback in self._callbacks:
            logs = {"loss": totals.loss, "accuracy": totals.accuracy}
            callback.on_train_batch_end(step, logs)

    def end_epoch(self, epoch: int, figures: Mapping[str, float | None]) -> None:
        """The epoch and its validation are done."""
        logs = {name: value for name, value in figures.items() if value is not None}
        for callback in self._callbacks:
            callback.on_epoch_end(epoch, logs)

    def end(self) -> None:
        """Training is over, and the model has the weights that are kept."""
        for callback in self._callbacks:
            callback.on_train_end({})
