"""The epochs of a training: train, validate, stop early, keep the best weights."""

import contextlib
import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

from ooc_train.dtypes import I64, AnyArray
from ooc_train.errors import Interrupted, OocTrainError
from ooc_train.progress import Progress
from ooc_train.reading.rows import Batch
from ooc_train.reading.sampler import n_steps
from ooc_train.reading.store import Store
from ooc_train.training.callbacks import Callbacks
from ooc_train.training.early_stopping import BestWeights, EarlyStopping, monitored
from ooc_train.training.interruption import StopRequest, stop_requests
from ooc_train.training.mixing import TrainBatches
from ooc_train.training.options import MONITORS
from ooc_train.training.plan import TrainingPlan
from ooc_train.training.run.checkpoints import Arrays, Checkpoint
from ooc_train.training.run.saver import Saver
from ooc_train.training.standing import Figures, Standing
from ooc_train.training.steps.choice import evaluators_for
from ooc_train.training.steps.divergence import LossLimit, divergence
from ooc_train.training.steps.prefetch import Prefetch
from ooc_train.training.steps.trainer import Prepared, Trainer
from ooc_train.training.telling import Duration, epoch_line
from ooc_train.training.validation import UNVALIDATED, Validator

if TYPE_CHECKING:
    from ooc_train.training.steps.moving_average import MovingAverage

SHOW_SECONDS = 0.5


class KeptWeights(NamedTuple):
    """The weights that a training keeps: those of an epoch's end, or of a point inside one."""

    epoch: float
    """When the weights were these, in epochs from the beginning."""
    figures: Figures
    """Their validation figures, on all validation rows."""


class Loop:
    """The loop over the epochs of a training, run once, from the beginning or from a checkpoint.

    The ends of epochs decide when training stops.  Points inside epochs, where there are any, are
    scored on a sample of the validation rows; in the end the best of them is scored on all, and
    kept if it is better than the best end.

    Memory: the trainer's, one copy of the weights for early stopping, another for the best point
    inside an epoch, another for the moving average where the model has one, one window of rows and
    the prefetched batches.
    """

    def __init__(
        self,
        trainer: Trainer,
        store: Store,
        plan: TrainingPlan,
        saver: Saver,
        progress: Progress,
    ) -> None:
        options = plan.options
        self._trainer = trainer
        self._rows = plan.rows
        self._epoch_steps = n_steps(len(self._rows), options.batch_size)
        self._average = _average_of(trainer) if plan.spec.averages else None
        self._validation_split = store.splits.get("validation")
        self._validator: Validator | None = None
        if self._validation_split:
            self._validator = Validator(
                self._validation_split,
                evaluators_for(plan, trainer),
                options.batch_size,
                pads_as_needed=plan.pads_as_needed,
            )
        self._inside = BestWeights()
        # Frozen weights are still to be trained, however little the epochs without them gained.
        self._stopping = EarlyStopping(options.frozen_epochs, patience=options.patience)
        self._learning_rate = options.learning_rate
        self._n_plateaus = 0
        self._callbacks = Callbacks(options.callbacks, trainer, n_epochs=plan.epochs)
        self._standing = Standing()
        self._plan = plan
        self._options = options
        self._saver = saver
        self._progress = progress
        self._request = StopRequest()
        self._duration = Duration(
            plan.epochs,
            self._epoch_steps,
            may_stop=self._validation_split is not None,
            is_given=options.epochs is not None,
        )
        self._limit = LossLimit(plan.shape.n_classes, options.learning_rate)
        self._shown = 0.0
        self.validation_seconds = 0.0
        """How long this session has validated so far."""

    @property
    def history(self) -> Sequence[Figures]:
        """The figures of each epoch done."""
        return self._standing.history

    @property
    def validations(self) -> Sequence[Figures]:
        """The figures of each validation inside an epoch."""
        return self._standing.validations

    def snapshot(self) -> tuple[Arrays, dict[str, Any]]:
        """Copies of everything that later steps depend on: arrays by name, and facts."""
        arrays = _prefixed("trainer/", self._trainer.state())
        arrays |= _prefixed("stopping/", self._stopping.state())
        if self._inside.epoch:
            arrays |= _prefixed("inside/", self._inside.state())
        if self._average:
            arrays |= _prefixed("mean/", self._average.state())
        return arrays, {"standing": asdict(self._standing)}

    def restore(self, checkpoint: Checkpoint) -> None:
        """Continue from the checkpoint of a loop over the same file with the same options.

        Its arrays have the shapes and types of those of a `snapshot`.  Raises KeyError, TypeError
        or ValueError for a state that no such loop has.
        """
        standing = Standing.of(checkpoint.facts["standing"])
        n_steps = standing.epoch * self._epoch_steps + standing.step
        if not standing.step <= self._epoch_steps or n_steps != checkpoint.n_steps:
            raise ValueError(f"it has done {n_steps:,} steps, not {checkpoint.n_steps:,}")
        self._trainer.restore(_without("trainer/", checkpoint.arrays))
        self._stopping.restore(_without("stopping/", checkpoint.arrays))
        inside = _without("inside/", checkpoint.arrays)
        if inside:
            self._inside.restore(inside)
        if self._validation_split:
            for figures in standing.history:
                monitored(figures, self._options.monitor)
        if self._average:
            self._average.restore(_without("mean/", checkpoint.arrays))
        if self._trainer.n_steps != n_steps:
            raise ValueError(f"its weights are those after {self._trainer.n_steps:,} steps")
        self._standing = standing

    def run(self, after_epoch: Callable[[Sequence[Figures]], None]) -> KeptWeights:
        """Train, give the model the weights that are kept, and return when they were its own.

        ``after_epoch`` is called after each epoch with the figures of all epochs done.  Raises
        Interrupted, after writing a checkpoint, if a signal asks to stop; OptionError or InputError
        if the loss stops being finite.
        """
        with stop_requests() as self._request:
            try:
                self._callbacks.begin()
                prepared = self._prepared(self._standing.epoch, self._standing.step)
                with Prefetch(prepared, self._plan.n_ahead) as ahead:
                    while not self._is_over:
                        self._train_epoch(ahead)
                        self._end_epoch()
                        after_epoch(self.history)
                        self._saver.save(self._trainer.n_steps, self.snapshot, wait=self._is_over)
                kept = self._keep_best()
            except _Asked:
                raise self._interrupted() from None
        self._callbacks.end()
        return kept

    def _keep_best(self) -> KeptWeights:
        """Give the model the weights that are kept."""
        if not self._validation_split:
            self._trainer.sync()
            if self._average:
                self._average.exchange()
            return KeptWeights(self._standing.epoch, UNVALIDATED)
        model, end = self._trainer.model, self._stopping.best
        if self._inside.epoch:
            self._inside.give_to(model)
            figures = self._validate(f"at epoch {self._inside.epoch:g}", self._inside.weights)
            if monitored(figures, self._options.monitor) < end.value:
                return KeptWeights(self._inside.epoch, figures)
        end.give_to(model)
        figures = self.history[self._stopping.best_epoch - 1]
        return KeptWeights(end.epoch, {name: figures[name] for name in figures if name in MONITORS})

    @property
    def _is_over(self) -> bool:
        is_done = self._standing.epoch >= self._plan.epochs or self._stopping.is_over
        return is_done or self._callbacks.stop_training

    def _batches(self, epoch: int) -> TrainBatches:
        options = self._options
        return self._rows.batches(
            options.batch_size, seed=options.seed, epoch=epoch, by_length=options.bucket_by_length
        )

    def _prepared(self, epoch: int, step: int) -> Iterator[tuple[Batch, Prepared]]:
        """All batches from a step of an epoch on, as they are and prepared for the trainer.

        They continue from epoch to epoch, so that the first batches of the next epoch are prepared
        during validation.
        """
        numbers = itertools.count(self._trainer.n_steps)
        for batches in map(self._batches, range(epoch, self._plan.epochs)):
            for batch in batches.from_step(step):
                yield batch, self._trainer.prepare(batch, next(numbers))
            step = 0

    def _begin_epoch(self) -> None:
        """Do what comes before an epoch's first step, or its first since the run was resumed."""
        standing, options = self._standing, self._options
        if standing.step == 0 and standing.epoch == options.frozen_epochs > 0:
            self._trainer.thaw()
        if self._validation_split:
            values = [monitored(figures, options.monitor) for figures in self.history]
            self._n_plateaus = self._plan.schedule.n_plateaus(values)
        # Not again on resume: a callback that halves the learning rate here must do so once.
        if standing.step == 0:
            self._callbacks.begin_epoch(standing.epoch)
        n_left = len(self._rows) - standing.totals.n_rows
        self._progress.start(self._duration.phase(standing.epoch), n_left, "rows")

    def _train_epoch(self, ahead: Prefetch[tuple[Batch, Prepared]]) -> None:
        """Do the steps of an epoch that are left, and save the state when that is due."""
        standing = self._standing
        self._begin_epoch()
        self._validate_inside()  # unless that was done before the last checkpoint
        began = time.perf_counter() - standing.seconds
        waited_before = ahead.seconds_waited - standing.seconds_waited
        for batch, prepared in itertools.islice(ahead, self._epoch_steps - standing.step):
            self._do_step(batch, prepared)
            standing.seconds = time.perf_counter() - began
            standing.seconds_waited = ahead.seconds_waited - waited_before
            began += self._validate_inside()
            if self._saver.is_due(self._trainer.n_steps):
                self._saver.save(self._trainer.n_steps, self.snapshot)
            self._stop_if_asked()

    def _do_step(self, batch: Batch, prepared: Prepared) -> None:
        """Train on one batch, and count it."""
        standing = self._standing
        self._set_learning_rate()
        self._callbacks.begin_step(standing.step)
        loss, n_correct = self._trainer.step(prepared)
        if not math.isfinite(loss):
            what = (
                f"the loss became {loss} at step {standing.step + 1:,} of epoch "
                f"{standing.epoch + 1} (step {self._trainer.n_steps:,} in all)"
            )
            rows = self._batches(standing.epoch).row_numbers(standing.step)
            raise self._divergence(what, batch, rows, "train")
        standing.step += 1
        standing.totals.add(n_rows=len(batch.rows), mean_loss=loss, n_correct=n_correct)
        self._limit.check(loss, standing, self._epoch_steps)
        if self._average and (
            self._average.is_due(standing.step) or standing.step == self._epoch_steps
        ):
            self._average.update()
        self._callbacks.end_step(standing.step - 1, standing.totals)
        self._progress.advance(len(batch.rows))
        # Not after every step: measuring memory takes longer than a small step.
        if time.perf_counter() - self._shown > SHOW_SECONDS:
            self._progress.show(self._duration.moment(standing))
            self._duration.say(standing, self._progress)
            self._shown = time.perf_counter()

    def _set_learning_rate(self) -> None:
        if not self._plan.schedule.is_constant:
            self._learning_rate = self._plan.schedule.rate(self._trainer.n_steps, self._n_plateaus)
            self._trainer.set_learning_rate(self._learning_rate)

    def _end_epoch(self) -> None:
        """Validate, and note that the epoch is done."""
        standing, figures = self._standing, self._standing.figures
        with self._averaged():
            figures |= self._validate()
            if self._validation_split:
                value = monitored(figures, self._options.monitor)
                self._stopping.after_epoch(value, self._trainer.weights)
            if not self._plan.schedule.is_constant:
                figures["learning_rate"] = self._learning_rate
            self._callbacks.end_epoch(standing.epoch, figures)
        self._progress.message(epoch_line(standing.epoch, figures))
        self._standing = standing.after_epoch(figures)

    def _validate(
        self, where: str | None = None, weights: Sequence[AnyArray] | None = None
    ) -> Figures:
        """The figures of all validation rows; ``None`` each if there are none.

        ``where`` says when the ``weights``, by default the trainer's, were these: by default, after
        the current epoch.
        """
        if not self._validator or not self._validation_split:
            return UNVALIDATED
        began, where = time.perf_counter(), where or f"after epoch {self._standing.epoch + 1}"
        self._progress.start("validation", len(self._validation_split), "rows")

        def after_batch(loss: float, batch: Batch, rows: I64) -> None:
            self._check_validated(loss, batch, rows, where)
            self._progress.advance(len(rows))

        figures = self._validator.score(after_batch, weights=weights)
        self.validation_seconds += time.perf_counter() - began
        return figures

    def _validate_inside(self) -> float:
        """Score the sample, if this is a point for it that has not been scored, and note the best.

        Returns the seconds that it took.
        """
        inner, standing = self._plan.inner, self._standing
        if not self._validator or not inner.is_point(standing.step):
            return 0.0
        n_steps, done = self._trainer.n_steps, standing.validations
        if done and done[-1]["step"] == n_steps:  # before the checkpoint that was resumed
            return 0.0
        began = time.perf_counter()
        epoch = round(standing.epoch + standing.step / self._epoch_steps, 4)

        def after_batch(loss: float, batch: Batch, rows: I64) -> None:
            self._check_validated(loss, batch, rows, f"at epoch {epoch:g}")

        with self._averaged():
            weights = self._trainer.weights()
            figures = self._validator.score(after_batch, inner.sample(), weights)
        self._inside.offer(monitored(figures, self._options.monitor), epoch, lambda: weights)
        done.append({"epoch": epoch, "step": n_steps, "rows": inner.n_rows, **figures})
        seconds = time.perf_counter() - began
        self.validation_seconds += seconds
        return seconds

    def _check_validated(self, loss: float, batch: Batch, rows: I64, where: str) -> None:
        """Raise an error if the loss of a validation batch is not finite, or if asked to stop."""
        if not math.isfinite(loss):
            what = f"the loss became {loss} in the validation {where}"
            raise self._divergence(what, batch, rows, "validation")
        self._stop_if_asked()

    def _averaged(self) -> contextlib.AbstractContextManager[None]:
        """Give the model the averages of its weights during the block, if it has them."""
        return self._average.in_place() if self._average else contextlib.nullcontext()

    def _divergence(self, what: str, batch: Batch, rows: I64, split: str) -> OocTrainError:
        """The error of a loss that is not finite."""
        self._saver.settle()
        return divergence(
            what,
            batch,
            rows,
            split,
            learning_rate=self._options.learning_rate,
            checkpoints=self._saver.folder,
        )

    def _stop_if_asked(self) -> None:
        if self._request.signal_number is not None:
            raise _Asked

    def _interrupted(self) -> Interrupted:
        """Save a checkpoint, and return the exception to raise."""
        n_steps = self._trainer.n_steps
        self._saver.save(n_steps, self.snapshot, wait=True)
        where = f"stopped after step {self._standing.step:,} of epoch {self._standing.epoch + 1}"
        if self._is_over:
            where = "stopped after the last epoch"
        saved = self._saver.n_steps_saved
        outcome = "and saved; the same command with --resume continues from there"
        if saved != n_steps:
            outcome = "but not saved; the same command with --resume "
            outcome += (
                f"continues from step {saved:,} in all" if saved is not None else "begins anew"
            )
        return Interrupted(f"{where}, {outcome}", self._request.signal_number or 0)


class _Asked(Exception):  # noqa: N818 - no error
    """A signal has asked to stop."""


def _average_of(trainer: Trainer) -> "MovingAverage":
    from ooc_train.training.steps.moving_average import MovingAverage  # noqa: PLC0415 - TensorFlow

    return MovingAverage(trainer.model)


def _prefixed(prefix: str, arrays: Arrays) -> dict[str, AnyArray]:
    return {f"{prefix}{name}": array for name, array in arrays.items()}


def _without(prefix: str, arrays: Arrays) -> dict[str, AnyArray]:
    """The arrays whose names have the prefix, by their names without it."""
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }
