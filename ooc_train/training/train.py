"""`train`: from a converted file to a run folder."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from ooc_train.environment import environment
from ooc_train.errors import OptionError
from ooc_train.memory import MemoryMonitor
from ooc_train.options import made, saved
from ooc_train.progress import Progress, Silent
from ooc_train.reading.store import Store
from ooc_train.reading.store import open as open_store
from ooc_train.training.class_weights import class_weights_for
from ooc_train.training.input_budget import batches_ahead, check_floor
from ooc_train.training.options import (
    COSINE,
    MOST_EPOCHS,
    PATIENCE,
    VAL_LOSS,
    VAL_TOP_5,
    RunOptions,
    TrainingOptions,
)
from ooc_train.training.run.resuming import check_settings
from ooc_train.training.run.writer import RunWriter, writing
from ooc_train.training.schedules import schedule_for
from ooc_train.training.scores.page import draw_page
from ooc_train.training.scores.tally import MIN_TOP_K_CLASSES
from ooc_train.training.session import Session
from ooc_train.version import __version__


def train(  # noqa: PLR0913 - the one place where all options meet
    path: str | Path,
    run: str | Path,
    *,
    force: bool = RunOptions.force,
    resume: bool = RunOptions.resume,
    checkpoint_every: str | int = RunOptions.checkpoint_every,
    memory_bytes: int | None = RunOptions.memory_bytes,
    verify: bool = RunOptions.verify,
    tensorboard: bool = RunOptions.tensorboard,
    progress: Progress | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Train a model on the file at ``path`` and write it to the folder ``run``.

    ``options`` are those of `TrainingOptions`, which documents them: ``model``, ``epochs``,
    ``batch_size``, ``learning_rate``, ``seed`` and so on.  Where the file has a validation split,
    training stops when the loss on it, or what ``monitor`` names, has not been better than before
    for 2 epochs (``patience``), or after ``epochs``, and the best epoch's weights are kept.  Where
    it has none, ``epochs`` must be given, and the last weights are kept.  The same file, options
    and number of threads give the same weights, bit for bit.

    The training's state is saved in the run folder every ``checkpoint_every``, a number of steps
    or a time such as ``"5m"``, and after each epoch.  With ``resume`` the training goes on where
    the last whole checkpoint was, to the same weights as if it had never been broken off, or
    begins anew where there is none.  ``epochs`` may then be more than before; all else must be the
    same.  A run that is complete goes on if it had not stopped early; otherwise its report is
    returned.  In the main thread Ctrl-C and SIGTERM save a checkpoint before they raise
    `Interrupted`, which is a KeyboardInterrupt.  With ``force`` a run that is there is replaced.

    ``memory_bytes`` bounds what a window of rows and the batches made ahead of their steps take,
    not TensorFlow or the model; it changes the order of the rows as little as anything else.

    With ``verify``, rows are compared with their checksums when they are first read.  With
    ``tensorboard``, the figures of each epoch are written to the run folder, see `event_files`.

    ``callbacks`` are called as by ``fit``.  Of a training that goes on, the learning rate that they
    have set is what it was, but what they remember themselves begins anew.

    Returns the report: ``epochs`` (for each a dictionary of ``seconds`` and ``rows_per_second``
    of its training, ``input_wait_share``, the share of these seconds that steps waited for rows,
    ``loss``, ``accuracy``, ``val_loss``, ``val_accuracy``, ``val_macro_f1``, from 20 classes on
    ``val_top_5_accuracy``, and ``learning_rate`` where a schedule changes it), ``best_epoch``
    (from 1), ``steps``, ``seconds`` of all ``sessions`` (those that died count up to their last
    checkpoint), of this one ``checkpoint_seconds``, in which training stood still for them, and the
    memory figures; the sizes; ``memory_over_time`` of this session, see
    `MemoryMonitor.over_time`; ``environment``; and ``embeddings`` (``file``, ``dimension``,
    ``terms``, ``found``, ``coverage``; or ``None``).  Then a page for people is drawn, see
    `run_page`, for which the validation rows are read once more; the report is complete without it.
    Memory: TensorFlow, the model, its optimizer and its
    best epoch, three times the weights again (for sepcnn four, with their running mean), one
    window of 32 MB and 16 MB of batches made ahead; and while a checkpoint is written, all but the
    best epoch once more.

    Raises InputError or FormatError if a file cannot be used, OptionError if an option cannot
    be, or if the loss stops being finite, and OutputError if the folder cannot be written, or
    another training writes to it, and BudgetError if ``memory_bytes`` is too little, with what
    would do, or the machine or this process's cgroup has less than TensorFlow takes.
    """
    session = Session(tensorboard=tensorboard)
    checked = made(TrainingOptions, options, call="train", others=(RunOptions,))
    here = RunOptions(
        force=force,
        resume=resume,
        checkpoint_every=checkpoint_every,
        memory_bytes=memory_bytes,
        verify=verify,
        tensorboard=tensorboard,
    )
    progress = progress or Silent()
    with (
        MemoryMonitor() as monitor,
        open_store(path, verify=verify) as store,
        writing(run, force=force, resume=resume) as folder,
    ):
        if resume and folder.settings:
            checked = _as_before(folder, store, checked)
            done = _nothing_to_do(folder, checked)
            if done:
                progress.message(done)
                progress.finish()
                return folder.report()
        _check_trainable(store, checked)
        check_floor()
        if resume:
            session.find(folder, progress)
        n_ahead = batches_ahead(store, checked, memory_bytes)
        settings = _settings(store, checked)
        report = session.train(folder, store, checked, settings, here.interval, n_ahead, progress)
        report |= {
            "seconds": session.seconds,
            "sessions": session.number,
            "peak_rss_bytes": monitor.peak_rss_bytes,
            "peak_anon_bytes": monitor.peak_anon_bytes,
            "memory_over_time": monitor.over_time(),
            "environment": environment(),
        }
        folder.complete(report)
        draw_page(folder.path, store, progress)
    progress.finish()
    return report


def _as_before(folder: RunWriter, store: Store, options: TrainingOptions) -> TrainingOptions:
    """The options with which a run goes on, if it can with these."""
    then: dict[str, Any] = folder.settings or {}
    if options.epochs is None:
        options = replace(options, epochs=then["epochs"])
    check_settings(then, _settings(store, options), folder.path)
    return options


def _nothing_to_do(folder: RunWriter, options: TrainingOptions) -> str | None:
    """Why a run does not go on, if it is complete and these options train it no further."""
    if not folder.is_complete or not folder.settings:
        return None
    n_epochs = len(folder.report()["epochs"])
    if n_epochs < folder.settings["epochs"]:
        return f"the run {folder.path} is complete: it stopped early, after epoch {n_epochs}"
    if options.epochs == folder.settings["epochs"]:
        return f"the run {folder.path} is complete; more --epochs would go on with it"
    return None


def _check_trainable(store: Store, options: TrainingOptions) -> None:
    options.optimizer_for(store.features)
    class_weights_for(options.class_weight, store)
    schedule_for(store, options)
    if not len(store["train"]):
        raise OptionError(f"{store.path} has no train rows; convert a source that has some")
    validated = len(store.splits.get("validation", ())) > 0
    if not validated and (options.monitor, options.patience) != (VAL_LOSS, PATIENCE):
        raise OptionError(
            f"{store.path} has no validation split to stop early by; leave out --monitor and "
            "--patience, or convert with --validation-fraction"
        )
    if options.monitor == VAL_TOP_5 and store.n_classes < MIN_TOP_K_CLASSES:
        raise OptionError(
            f"{options.monitor} is for {MIN_TOP_K_CLASSES} classes or more, and {store.path} has "
            f"{store.n_classes}; choose another --monitor"
        )
    if options.epochs is None and not validated:
        raise OptionError(
            f"{store.path} has no validation split to stop early by; give --epochs, or convert "
            "with --validation-fraction"
        )


def _settings(store: Store, options: TrainingOptions) -> dict[str, Any]:
    return {
        "version": __version__,
        "data": store.path.name,
        "fingerprint": store.fingerprint,
        "features": store.features,
        "n_columns": store.n_columns,
        "max_length": store.max_length,
        "n_classes": store.n_classes,
        **saved(options),
        "model": options.model_for(store.features),
        "epochs": options.epochs or MOST_EPOCHS,
        "optimizer": options.optimizer_for(store.features),
        "schedule_epochs": options.epochs if options.lr_schedule == COSINE else None,
        "callbacks": [type(callback).__name__ for callback in options.callbacks],
        "pads_as_needed": options.pads_as_needed(store.features),
        "embeddings": Path(options.embeddings).name if options.embeddings else None,
        "frozen_epochs": options.frozen_epochs,
    }
