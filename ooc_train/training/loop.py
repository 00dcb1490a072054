"""The epochs: train, validate, stop early, keep the best weights."""

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ooc_train.batches import Batches
from ooc_train.errors import InputError, OptionError
from ooc_train.progress import Progress
from ooc_train.rows import Batch
from ooc_train.store import Store
from ooc_train.training.averaging import EVERY_STEPS, RunningMean
from ooc_train.training.backend import keras
from ooc_train.training.evaluation import evaluation_batches
from ooc_train.training.feeding import feed_for
from ooc_train.training.keras_steps import Evaluator
from ooc_train.training.options import MOST_EPOCHS, PATIENCE, TrainingOptions
from ooc_train.training.prefetch import Prefetch
from ooc_train.training.steps import Prepared, Totals, Trainer

SHOW_EVERY_STEPS = 20
PREFETCHED_BATCHES = 4


@dataclass
class EarlyStopping:
    """The lowest validation loss, and the weights that had it.

    As Keras's callback with ``patience=2`` and ``restore_best_weights``; the first
    ``n_exempt`` epochs do not count as those in vain.  Memory: one copy of the weights.
    """

    n_exempt: int = 0
    best_loss: float = math.inf
    best_epoch: int = 0
    _weights: list[Any] = field(default_factory=list)
    _epoch: int = 0

    def after_epoch(self, loss: float, model: keras.Model) -> bool:
        """Whether to stop now, given the validation loss after one more epoch."""
        self._epoch += 1
        if loss < self.best_loss:
            self.best_loss, self.best_epoch = loss, self._epoch
            self._weights = model.get_weights()
        return self._epoch - max(self.best_epoch, self.n_exempt) >= PATIENCE

    def restore_best(self, model: keras.Model) -> None:
        """Give ``model`` the weights of the best epoch."""
        model.set_weights(self._weights)


class Loop:
    """Training from a file, to be run once."""

    def __init__(
        self, trainer: Trainer, store: Store, options: TrainingOptions, progress: Progress
    ) -> None:
        self._trainer = trainer
        self._train_split = store["train"]
        self._pads_as_needed = options.pads_as_needed(store.features)
        width = None if self._pads_as_needed else self._train_split.width
        self._evaluator = Evaluator(feed_for(trainer.model, store.features, width))
        averages = options.averages_weights(store.features)
        self._mean = RunningMean(trainer.model) if averages else None
        self._validation_split = store.splits.get("validation")
        self._options = options
        self._progress = progress

    def run(self, after_epoch: Callable[[dict[str, Any]], None]) -> int:
        """Train; the number of the epoch, from 1, whose weights the model has in the end.

        ``after_epoch`` is called with the figures of each epoch.
        """
        # What is frozen is to be trained, however little was gained without it.
        stopping = EarlyStopping(self._options.frozen_epochs)
        for epoch in range(self._options.epochs or MOST_EPOCHS):
            if epoch == self._options.frozen_epochs > 0:
                self._trainer.thaw()
            figures = self._train_epoch(epoch)
            with self._mean.in_place() if self._mean else contextlib.nullcontext():
                figures |= self._validate()
                stop = bool(self._validation_split) and stopping.after_epoch(
                    figures["val_loss"], self._trainer.model
                )
            self._progress.message(_line(epoch, figures))
            after_epoch(figures)
            if stop:
                break
        if not self._validation_split:
            if self._mean:
                self._mean.exchange()
            return epoch + 1
        stopping.restore_best(self._trainer.model)
        return stopping.best_epoch

    def _train_epoch(self, epoch: int) -> dict[str, Any]:
        began = time.perf_counter()
        options = self._options
        batches = self._train_split.batches(
            options.batch_size, seed=options.seed, epoch=epoch, by_length=options.bucket_by_length
        )
        totals = Totals()
        self._progress.start(f"epoch {epoch + 1}", len(self._train_split), "rows")
        with Prefetch(
            self._prepared(batches, self._trainer.n_steps), PREFETCHED_BATCHES
        ) as prefetch:
            for step, (batch, prepared) in enumerate(prefetch, start=1):
                loss, n_correct = self._trainer.step(prepared)
                self._check_finite(loss, batch)
                totals.add(n_rows=len(batch.rows), mean_loss=loss, n_correct=n_correct)
                if self._mean and (step % EVERY_STEPS == 0 or step == len(batches)):
                    self._mean.update()
                self._progress.advance(len(batch.rows))
                if step % SHOW_EVERY_STEPS == 0:
                    self._progress.show(f"loss {totals.loss:.4f}, accuracy {totals.accuracy:.4f}")
        self._trainer.sync()
        seconds = time.perf_counter() - began
        return {
            "seconds": seconds,
            "rows_per_second": totals.n_rows / seconds,
            "input_wait_share": prefetch.seconds_waited / seconds,
            "loss": totals.loss,
            "accuracy": totals.accuracy,
        }

    def _prepared(self, batches: Batches, first_step: int) -> Iterator[tuple[Batch, Prepared]]:
        """Batches beside what the trainer makes of them, for steps from ``first_step`` on."""
        for step, batch in enumerate(batches, start=first_step):
            yield batch, self._trainer.prepare(batch, step)

    def _validate(self) -> dict[str, float | None]:
        if not self._validation_split:
            return {"val_loss": None, "val_accuracy": None}
        totals = Totals()
        self._progress.start("validation", len(self._validation_split), "rows")
        batches = evaluation_batches(
            self._validation_split, self._options.batch_size, pads_as_needed=self._pads_as_needed
        )
        for _, batch in batches:
            loss, probabilities = self._evaluator(batch)
            self._check_finite(loss, batch)
            n_correct = int(np.count_nonzero(probabilities.argmax(axis=1) == batch.labels))
            totals.add(n_rows=len(batch.rows), mean_loss=loss, n_correct=n_correct)
            self._progress.advance(len(batch.rows))
        return {"val_loss": totals.loss, "val_accuracy": totals.accuracy}

    def _check_finite(self, loss: float, batch: Batch) -> None:
        if math.isfinite(loss):
            return
        where = f"the loss became {loss} at step {self._trainer.n_steps}"
        if not batch.rows.is_finite():
            raise InputError(
                f"{where}: rows of that batch hold values that are not finite; "
                "convert the source again without them"
            )
        rate = self._options.learning_rate
        raise OptionError(f"{where} with learning rate {rate:g}; try a smaller --learning-rate")


def _line(epoch: int, figures: dict[str, Any]) -> str:
    text = f"epoch {epoch + 1}: loss {figures['loss']:.4f}, accuracy {figures['accuracy']:.4f}"
    if figures["val_loss"] is not None:
        text += f", validation loss {figures['val_loss']:.4f}"
        text += f", validation accuracy {figures['val_accuracy']:.4f}"
    return f"{text}, {figures['rows_per_second']:,.0f} rows/s"
