"""Callbacks of Keras, called as ``fit`` calls them."""

from collections.abc import Mapping, Sequence
from typing import Any

from ooc_train.training.steps.trainer import Totals, Trainer


class Callbacks:
    """A user's callbacks on the model of a trainer, compiled with its optimizer for them; or none.

    Of a training that goes on they are told from where on; what they remember themselves is
    theirs to keep.
    """

    def __init__(self, callbacks: Sequence[Any], trainer: Trainer, *, n_epochs: int) -> None:
        self._callbacks = callbacks
        self._model = trainer.model
        if callbacks:
            self._model.compile(trainer.optimizer)
            self._model.stop_training = False
        for callback in callbacks:
            callback.set_model(self._model)
            callback.set_params({"verbose": 0, "epochs": n_epochs})

    @property
    def stop_training(self) -> bool:
        """Whether one of them has asked to stop."""
        return bool(self._callbacks) and bool(self._model.stop_training)

    def begin(self) -> None:
        """Training begins, or goes on."""
        for callback in self._callbacks:
            callback.on_train_begin({})

    def begin_epoch(self, epoch: int) -> None:
        """An epoch, from 0, begins."""
        for callback in self._callbacks:
            callback.on_epoch_begin(epoch, {})

    def begin_step(self, step: int) -> None:
        """A step of the epoch, from 0, begins."""
        for callback in self._callbacks:
            callback.on_train_batch_begin(step, {})

    def end_step(self, step: int, totals: Totals) -> None:
        """It is done; what the epoch's rows have given so far."""
        for callback in self._callbacks:
            logs = {"loss": totals.loss, "accuracy": totals.accuracy}
            callback.on_train_batch_end(step, logs)

    def end_epoch(self, epoch: int, figures: Mapping[str, float | None]) -> None:
        """It is done, with its validation."""
        logs = {name: value for name, value in figures.items() if value is not None}
        for callback in self._callbacks:
            callback.on_epoch_end(epoch, logs)

    def end(self) -> None:
        """Training has come to its end, and the model has its last weights."""
        for callback in self._callbacks:
            callback.on_train_end({})
