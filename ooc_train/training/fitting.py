"""`train`: from a converted file to a run folder."""

import time
from pathlib import Path
from typing import Any

from ooc_train import __version__
from ooc_train.errors import OptionError
from ooc_train.memory import Memory, MemoryMonitor, measure
from ooc_train.progress import Progress, Silent
from ooc_train.store import Store
from ooc_train.store import open as open_store
from ooc_train.training import run_folder
from ooc_train.training.options import MODELS, MOST_EPOCHS, TrainingOptions


def train(  # noqa: PLR0913 - the one place where all options meet
    path: str | Path,
    run: str | Path,
    *,
    model: str = "auto",
    epochs: int | None = None,
    batch_size: int = 128,
    learning_rate: float = 1e-3,
    seed: int = 0,
    force: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Train a model on the file at ``path`` and write it to the folder ``run``.

    Where the file has a validation split, training stops when the loss on it has not fallen for
    2 epochs, or after ``epochs`` (1000 if not given), and the best epoch's weights are kept.
    Where it has none, ``epochs`` must be given, and the last weights are kept.  ``model`` is
    ``"mlp"``, or ``"auto"``: the default for the file's kind of features.  The same file,
    options and number of threads give the same weights, bit for bit.

    Returns the report: ``epochs`` (for each a dictionary of ``seconds`` and ``rows_per_second``
    of its training, ``loss``, ``accuracy``, ``val_loss``, ``val_accuracy``), ``best_epoch``
    (from 1), ``steps``, ``seconds``, the memory figures, and the sizes.  Memory: TensorFlow, the
    model with its optimizer, twice the weights again, one window of 32 MB and one batch.

    Raises InputError or FormatError if the file cannot be used, OptionError if an option cannot
    be, or if the loss stops being finite, and OutputError if the folder cannot be written.
    """
    began = time.perf_counter()
    options = TrainingOptions(model, epochs, batch_size, learning_rate, seed)
    progress = progress or Silent()
    with (
        MemoryMonitor() as monitor,
        open_store(path) as store,
        run_folder.new_run(run, force=force) as folder,
    ):
        _check_trainable(store, options)
        report = _train_into(folder, store, options, progress)
        report |= {
            "seconds": time.perf_counter() - began,
            "peak_rss_bytes": monitor.peak_rss_bytes,
            "peak_anon_bytes": monitor.peak_anon_bytes,
        }
        run_folder.write_json(folder / run_folder.REPORT, report)
    progress.finish()
    return report


def _check_trainable(store: Store, options: TrainingOptions) -> None:
    if not len(store["train"]):
        raise OptionError(f"{store.path} has no train rows; convert a source that has some")
    if options.epochs is None and not len(store.splits.get("validation", ())):
        raise OptionError(
            f"{store.path} has no validation split to stop early by; give --epochs, or convert "
            "with --validation-fraction"
        )


def _train_into(
    folder: Path, store: Store, options: TrainingOptions, progress: Progress
) -> dict[str, Any]:
    """Train and write all but the report; the report, without what the whole call took."""
    progress.start("loading TensorFlow", None, "")
    # Only here, when all that can be checked without it has been: it takes 5 seconds.
    from ooc_train.training.loop import Loop  # noqa: PLC0415
    from ooc_train.training.models import BUILDERS  # noqa: PLC0415
    from ooc_train.training.steps import Trainer  # noqa: PLC0415

    build = BUILDERS[MODELS[options.model]]
    model = build(store.n_columns, store.n_classes, seed=options.seed)
    trainer = Trainer(model, learning_rate=options.learning_rate, seed=options.seed)
    baseline = measure()
    run_folder.write_json(folder / run_folder.SETTINGS, _settings(store, options))
    run_folder.copy_vectorizer(store, folder)
    epochs: list[dict[str, Any]] = []

    def after_epoch(figures: dict[str, Any]) -> None:
        epochs.append(figures)
        run_folder.append_history(folder, len(epochs), figures)

    best_epoch = Loop(trainer, store, options, progress).run(after_epoch)
    model.save(folder / run_folder.MODEL)
    return _report(store, options, baseline) | {
        "epochs": epochs,
        "best_epoch": best_epoch,
        "steps": trainer.n_steps,
    }


def _settings(store: Store, options: TrainingOptions) -> dict[str, Any]:
    return {
        "version": __version__,
        "data": store.path.name,
        "features": store.features,
        "n_columns": store.n_columns,
        "n_classes": store.n_classes,
        "model": MODELS[options.model],
        "epochs": options.epochs or MOST_EPOCHS,
        "batch_size": options.batch_size,
        "learning_rate": options.learning_rate,
        "seed": options.seed,
    }


def _report(store: Store, options: TrainingOptions, baseline: Memory) -> dict[str, Any]:
    return {
        "rows": len(store["train"]),
        "validation_rows": len(store.splits.get("validation", ())),
        "n_columns": store.n_columns,
        "n_classes": store.n_classes,
        "model": MODELS[options.model],
        "batch_size": options.batch_size,
        "baseline_rss_bytes": baseline.rss_bytes,
        "baseline_anon_bytes": baseline.anon_bytes,
    }
