"""`train`: from a converted file to a run folder."""

import math
import os
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ooc_train.bars import usual_progress
from ooc_train.counts import counted
from ooc_train.environment import environment, n_processors
from ooc_train.errors import FormatError, OptionError
from ooc_train.kernel_processes import compiling_elsewhere
from ooc_train.memory import MemoryMonitor
from ooc_train.options import made, taken_apart
from ooc_train.outputs import check_outputs
from ooc_train.progress import Progress
from ooc_train.reading.store import Store
from ooc_train.remote.url import located
from ooc_train.signatures import takes
from ooc_train.training.input_budget import check_floor
from ooc_train.training.inputs import TrainingInputs, opened_inputs
from ooc_train.training.loop import Loop
from ooc_train.training.models.embeddings import PretrainedEmbeddings, read_embeddings
from ooc_train.training.models.model import Model
from ooc_train.training.options import RunOptions, TrainingOptions
from ooc_train.training.plan import TrainingPlan, files_read
from ooc_train.training.run.checkpoints import Checkpoint
from ooc_train.training.run.folder import TENSORBOARD, files_of
from ooc_train.training.run.interval import Interval
from ooc_train.training.run.repeating import write_config
from ooc_train.training.run.resuming import DELETE_IT, check_settings
from ooc_train.training.run.saver import Saver
from ooc_train.training.run.session import Session
from ooc_train.training.run.writer import RunWriter, writing
from ooc_train.training.scores.page import draw_page
from ooc_train.training.steps.choice import trainer_for
from ooc_train.training.steps.trainer import Trainer
from ooc_train.version import __version__

if TYPE_CHECKING:
    from ooc_train.training.run.event_files import EventFiles


@takes(RunOptions, TrainingOptions)
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
    devices: int = RunOptions.devices,
    progress: Progress | None = None,
    more_outputs: Mapping[str, Path | None] | None = RunOptions.more_outputs,
    **options: Any,
) -> dict[str, Any]:
    """Train a model on the file at ``path`` and write it to the folder ``run``.

    ``options`` are those of `TrainingOptions`, which documents them: ``model``, ``epochs``,
    ``batch_size``, ``learning_rate``, ``seed`` and so on.  If the file has a validation split,
    training stops after ``epochs``, or when the loss on it, or the figure of ``monitor``, has not
    improved for 2 epochs (``patience``), and the best weights are kept.  Otherwise ``epochs`` must
    be given, and the last weights are kept.  The same file, options and number of threads give the
    same weights, bit for bit.

    Where epochs are long, or ``validate_every`` asks for it, points inside them are scored, too, on
    a sample of the validation rows (see `inner_validations`).  They stop nothing: in the end the
    best of them is scored on all validation rows, and its weights are kept if it is better than the
    best end of an epoch.

    The state of the training is saved in the run folder every ``checkpoint_every``, a number of
    steps or a time such as ``"5m"``, and after each epoch.  With ``resume`` the training continues
    from the last whole checkpoint, to the weights that it would have had without the interruption;
    if there is none, it begins anew.  ``epochs`` may then be more than before; all other options
    must be the same.  A complete run continues unless it stopped early; then its report is
    returned.  In the main thread Ctrl-C and SIGTERM save a checkpoint before they raise
    `Interrupted`, which is a KeyboardInterrupt.  With ``force`` an existing run is replaced when
    the new one is complete, see `replacement`; until then ``resume`` continues the new one.

    With ``init_from`` the model begins as that of another run, see `continuing`; and ``mix`` takes
    shares by file, such as ``{"old.h5": 0.3}``, see `mixing`.

    ``memory_bytes`` bounds a window of rows and the prefetched batches, not the model, or Keras.
    It changes neither the order of the rows nor the weights.

    With ``verify``, rows are compared with their checksums when they are first read.  With
    ``tensorboard``, the figures of each epoch are also written for it, see `event_files`.

    ``more_outputs`` are files that the caller will write, by what they are: they may be no inputs,
    and may not lie in the run folder.

    With several ``devices`` each takes a part of every batch, see `distributed_steps`.

    ``callbacks`` are called as by ``fit``.  On resume, a learning rate that they have set is
    restored; their own state is not.

    Returns the report: ``epochs`` (for each a dictionary of ``seconds`` and ``rows_per_second`` of
    its training, ``input_wait_share``, the share of these seconds in which steps waited for rows,
    ``loss``, ``accuracy``, ``val_loss``, ``val_accuracy``, ``val_macro_f1``, from 20 classes on
    ``val_top_5_accuracy``, and ``learning_rate`` if a schedule changes it), ``validations`` (for
    each inside an epoch its ``epoch``, such as 1.3, ``step``, ``rows`` and validation figures),
    ``best_epoch`` (counted from 1: the one in which, or at whose end, the weights that are kept
    were those of the model), ``best`` (their ``epoch``, such as 1.3 or 2, and figures of all
    validation rows), ``steps``, ``seconds`` of all ``sessions`` (those that died count up to their
    last checkpoint), ``checkpoint_seconds`` and ``validation_seconds`` in which this session stood
    still for checkpoints and validated, the sizes and the memory figures, ``memory_budget_bytes``
    (what ``memory_bytes`` was, or ``None``), ``memory_over_time`` of this session, see
    `MemoryMonitor.over_time`, ``environment``, ``embeddings`` (``file``, ``dimension``, ``terms``,
    ``found``, ``coverage``; or ``None``), ``init_from`` (``run``, ``digest`` of its model,
    ``data``, ``new_classes``; or ``None``), and ``digests`` of the run's
    files, see `run.seal`.  Afterwards a page for people is drawn, see `scores.page`, for which the
    validation rows are read once more; the run is complete without it.

    Memory: the model, its optimizer and its best epoch, which are three times the weights again
    (for sepcnn four, with their moving average; with validations inside epochs one more); one
    window of 32 MB and 8 MB of prefetched batches; while a checkpoint is written, all but the best
    weights once more; and TensorFlow, unless the model is ``mlp`` and its optimizer another than
    ``adam``.

    Raises InputError or FormatError if a file cannot be used; OptionError if an option cannot be
    used, or if the loss stops being finite; OutputError if the folder cannot be written, or another
    training writes to it; and BudgetError, with the amount that suffices, if ``memory_bytes`` is
    too little, or if the machine or this process's cgroup has less memory than a training takes.
    """
    began = time.perf_counter()
    of_run, options = taken_apart(RunOptions, options)
    chosen = made(TrainingOptions, options, call="train", others=(RunOptions,))
    if memory_bytes is not None:
        of_run["memory_bytes"] = memory_bytes
    given = {
        "force": force,
        "resume": resume,
        "checkpoint_every": checkpoint_every,
        "verify": verify,
        "tensorboard": tensorboard,
        "devices": devices,
        "more_outputs": more_outputs,
    }
    path = located(path)
    here = made(RunOptions, of_run | given, call="train")
    progress = progress or usual_progress()
    check_outputs(
        more_outputs or {},
        [*files_read(path, chosen), *_files_of_origin(chosen.init_from, Path(run))],
        folders=[Path(run)],
        force=force,
        resume=resume,
    )
    with (
        MemoryMonitor() as monitor,
        compiling_elsewhere(None, progress),
        opened_inputs(path, chosen, verify=verify) as inputs,
        writing(run, force=force, resume=resume) as folder,
    ):
        store = inputs.store
        plan, done = _planned(inputs, folder, chosen, here, progress)
        if done:
            progress.finish()
            folder.take_place()  # unless it was killed just before
            return done
        if folder.replaces:
            progress.message(
                f"{folder.replaces} stays as it is until the new run, in {folder.path}, is complete"
            )
        check_floor(in_keras=plan.needs_keras or tensorboard)
        session = Session(folder, progress, began=began)
        if resume:
            session.find_checkpoint(plan.settings)
        report = _train(plan, store, session, here.interval, monitor, tensorboard=tensorboard)
        report |= {
            "seconds": session.seconds,
            "sessions": session.number,
            "peak_rss_bytes": monitor.peak_rss_bytes,
            "peak_anon_bytes": monitor.peak_anon_bytes,
            "memory_budget_bytes": here.memory_bytes,
            "memory_over_time": monitor.over_time(),
            "environment": environment(),
        }
        write_config(folder.path, path, run, chosen, here)
        report = folder.complete(report)
        folder.take_place()
        draw_page(folder.path, store, progress)
    progress.finish()
    return report


def _files_of_origin(origin: str | os.PathLike[str] | None, run: Path) -> list[Path]:
    """The files of the run that a training continues from, unless it takes that one's place."""
    if origin is None or os.path.realpath(origin) == os.path.realpath(run):
        return []
    return files_of(origin)


def _planned(
    inputs: TrainingInputs,
    folder: RunWriter,
    chosen: TrainingOptions,
    here: RunOptions,
    progress: Progress,
) -> tuple[TrainingPlan, dict[str, Any] | None]:
    """The plan; and the report of a resumed run that is complete, if there is no more to train."""
    # Of a complete run all files are checked before anything in them is believed.
    report = folder.report() if here.resume and folder.is_complete else None
    before = folder.settings() if here.resume else None
    if before and chosen.epochs is None:
        chosen = replace(chosen, epochs=before["epochs"])
    plan = TrainingPlan.of(
        inputs.store,
        chosen,
        memory_bytes=here.memory_bytes,
        others=inputs.others,
        origin=inputs.origin,
        n_devices=here.devices,
    )
    if before:
        check_settings(before, plan.settings, folder.path)
    reason = _nothing_to_do(folder.path, before, report, plan) if before and report else None
    if reason:
        progress.message(reason)
    return plan, report if reason else None


def _nothing_to_do(
    run: Path, before: Mapping[str, Any], report: Mapping[str, Any], plan: TrainingPlan
) -> str | None:
    """The reason why a complete run does not continue; ``None`` if there is more to train."""
    n_epochs = len(report["epochs"])
    if n_epochs < before["epochs"]:
        return f"the run {run} is complete: it stopped early, after epoch {n_epochs}"
    if plan.epochs == before["epochs"]:
        return f"the run {run} is complete; more --epochs would continue it"
    return None


def _train(
    plan: TrainingPlan,
    store: Store,
    session: Session,
    every: Interval,
    monitor: MemoryMonitor,
    *,
    tensorboard: bool,
) -> dict[str, Any]:
    """Train, and write all but the report.  Returns it, without the figures of the whole call."""
    folder, progress = session.folder, session.progress
    _tell_missing_classes(plan, store, progress)
    pretrained = None if session.checkpoint else _pretrained(plan, store, progress)
    if pretrained:
        session.embeddings = pretrained.report
    if plan.needs_keras or tensorboard:
        # Only now that all that can be checked without it has been: it takes 5 seconds.
        progress.start("loading TensorFlow", None, "")
    if plan.spec.is_network and not plan.needs_keras:
        from ooc_train.training.trial import prepare_kernels  # noqa: PLC0415 - other models need none

        progress.start("compiling", None, "")
        prepare_kernels(store["train"].read(0, 1))
    with _scope(plan):
        model = _model(plan, session.embeddings, pretrained)
    if plan.origin and not session.checkpoint:
        plan.origin.give_weights(model, store)
    trainer = trainer_for(plan, model)
    events = _event_files(folder.path) if tensorboard else None
    baseline = monitor.sample()
    settings = {**plan.settings, "versions": _versions(plan)}
    if not session.checkpoint:
        session.begin(settings, store)
    with Saver(folder.checkpoints, every, facts=session.facts, warn=progress.message) as saver:
        loop = Loop(trainer, store, plan, saver, progress)
        if session.checkpoint:
            _restore(loop, trainer, session.checkpoint, plan.model)
            session.go_on(settings, store)
        kept = loop.run(lambda epochs: session.write_history(epochs, events))
    folder.write_history(loop.history)
    folder.write_model(trainer.model)
    return {
        "rows": len(store["train"]),
        "validation_rows": len(store.splits.get("validation", ())),
        "n_columns": store.n_columns,
        "n_classes": store.n_classes,
        "model": plan.model,
        "batch_size": plan.options.batch_size,
        "baseline_rss_bytes": baseline.rss_bytes,
        "baseline_anon_bytes": baseline.anon_bytes,
        "embeddings": session.embeddings,
        "init_from": plan.origin.report(store) if plan.origin else None,
        "epochs": list(loop.history),
        "validations": list(loop.validations),
        "best_epoch": math.ceil(kept.epoch),
        "best": {"epoch": kept.epoch, **kept.figures},
        "steps": trainer.n_steps,
        "checkpoint_seconds": saver.seconds_stopped,
        "validation_seconds": loop.validation_seconds,
    }


def _tell_missing_classes(plan: TrainingPlan, store: Store, progress: Progress) -> None:
    """Tell which classes have no row to train on.  Reads the train labels once."""
    counts = plan.rows.class_counts()
    missing = [label for label, n in zip(store.class_labels, counts, strict=True) if not n]
    if missing:
        more = f" and {len(missing) - 3:,} more" if len(missing) > 3 else ""
        progress.message(
            f"no train row is of class {', '.join(missing[:3])}{more}; it cannot be learned"
        )


def _pretrained(
    plan: TrainingPlan, store: Store, progress: Progress
) -> PretrainedEmbeddings | None:
    """The word vectors of the file's terms, if a file of word vectors was given."""
    path = plan.options.embeddings
    if path is None:
        return None
    progress.start("reading embeddings", None, "lines")
    terms = store.group("vectorizer").strings("terms")
    found = read_embeddings(Path(path), terms, progress=progress)
    progress.message(
        f"{path}: {found.n_found:,} of {counted(len(terms), 'term')} found "
        f"({found.n_found / len(terms):.1%}), {counted(found.matrix.shape[1], 'dimension')}"
    )
    return found


def _scope(plan: TrainingPlan) -> AbstractContextManager[object]:
    """The block in which the model is made, on the devices that train it."""
    if plan.n_devices == 1:
        return nullcontext()
    from ooc_train.training.steps.devices import scope_of  # noqa: PLC0415 - TensorFlow

    return scope_of(plan.n_devices)


def _model(
    plan: TrainingPlan,
    embeddings: dict[str, Any] | None,
    pretrained: PretrainedEmbeddings | None,
) -> Model:
    """The model before its first step.

    With ``embeddings``, what the report says of pretrained ones, it has their dimension; their
    values are those of ``pretrained``, or, where a checkpoint holds them, still to be restored.
    """
    options = plan.model_options
    if embeddings:
        options["embeddings"] = pretrained.matrix if pretrained else None
        options["embedding_dimension"] = embeddings["dimension"]
    return plan.spec.model(plan.shape, **options)


def _restore(loop: Loop, trainer: Trainer, checkpoint: Checkpoint, model: str) -> None:
    """Give the loop the state in a checkpoint.

    Raises OptionError if it is that of another model, FormatError if no training has saved it.
    """
    fresh, _ = loop.snapshot()
    weights = trainer.weights()
    best = {
        f"{kind}/weights/{i}": weight
        for kind in ("stopping", "inside")
        for i, weight in enumerate(weights)
    }
    found = checkpoint.arrays
    for name, array in {**best, **fresh}.items():
        before = found.get(name)
        if before is None and name in best:  # there was no validation of this kind yet
            continue
        if before is None or (before.shape, before.dtype) != (array.shape, array.dtype):
            raise OptionError(
                f"the model {model} has other weights than when the run began; give --resume the "
                "same, or begin anew in another folder"
            )
        if array.ndim and array.dtype.kind == "f" and not np.isfinite(before).all():
            raise FormatError(f"{checkpoint.path} has numbers that are not finite; {DELETE_IT}")
    try:
        loop.restore(checkpoint)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise FormatError(
            f"{checkpoint.path} does not hold the state of this training: {error}; {DELETE_IT}"
        ) from error


def _event_files(run: Path) -> "EventFiles":
    """The files for TensorBoard.  Imports TensorFlow."""
    from ooc_train.training.models import backend  # noqa: PLC0415 - 5 seconds

    backend.load()  # quietly, or with a sentence where there is none
    from ooc_train.training.run.event_files import EventFiles  # noqa: PLC0415

    return EventFiles(run / TENSORBOARD)


def _versions(plan: TrainingPlan) -> dict[str, Any]:
    """The versions, and the processors, that the last bits of a weight may depend on."""
    versions = {"ooc-train": __version__, "NumPy": np.__version__}
    if not plan.needs_keras:
        return {**versions, "Numba": version("numba")}
    from ooc_train.training.models.backend import keras, tf  # noqa: PLC0415 - 5 seconds

    return {
        **versions,
        "TensorFlow": tf.__version__,
        "Keras": keras.__version__,
        "processors": n_processors(),
        "devices": plan.n_devices,
    }
