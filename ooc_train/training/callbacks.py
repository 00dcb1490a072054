"""Callbacks of Keras, called as ``fit`` calls them."""

from collections.abc import Mapping, Sequence
from typing import Any

from ooc_train.training.backend import keras
from ooc_train.training.keras_steps import KerasTrainer
from ooc_train.training.steps import Totals


class Callbacks:
    """A user's callbacks on the model of a trainer, which has a compiled optimizer for them.

    Of a training that goes on they are told from where on; what they remember themselves is
    theirs to keep.
    """

    def __init__(self, callbacks: Sequence[Any], trainer: KerasTrainer, *, n_epochs: int) -> None:
        self._model = trainer.model
        self._model.compile(trainer.optimizer)
        self._model.stop_training = False
        self._list = keras.callbacks.CallbackList(list(callbacks), model=self._model)
        self._list.set_params({"verbose": 0, "epochs": n_epochs})

    @property
    def stop_training(self) -> bool:
        """Whether one of them has asked to stop."""
        return bool(self._model.stop_training)

    def begin(self) -> None:
        """Training begins, or goes on."""
        self._list.on_train_begin()

    def begin_epoch(self, epoch: int) -> None:
        """An epoch, from 0, begins, or goes on."""
        self._list.on_epoch_begin(epoch)

    def begin_step(self, step: int) -> None:
        """A step of the epoch, from 0, begins."""
        self._list.on_train_batch_begin(step)

    def end_step(self, step: int, totals: Totals) -> None:
        """It is done; what the epoch's rows have given so far."""
        self._list.on_train_batch_end(step, {"loss": totals.loss, "accuracy": totals.accuracy})

    def end_epoch(self, epoch: int, figures: Mapping[str, float | None]) -> None:
        """It is done, with its validation."""
        logs = {name: value for name, value in figures.items() if value is not None}
        self._list.on_epoch_end(epoch, logs)

    def end(self) -> None:
        """Training has come to its end, and the model has its last weights."""
        self._list.on_train_end()
