"""`train`: from a converted file to a run folder."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ooc_train import __version__
from ooc_train.errors import OptionError
from ooc_train.format import read_strings
from ooc_train.memory import Memory, MemoryMonitor, measure
from ooc_train.progress import Progress, Silent
from ooc_train.store import Store
from ooc_train.store import open as open_store
from ooc_train.training import run_folder
from ooc_train.training.embeddings import PretrainedEmbeddings, read_embeddings
from ooc_train.training.options import EMBEDDING_DIMENSION, MOST_EPOCHS, TrainingOptions
from ooc_train.training.steps import Trainer
from ooc_train.training.user_models import DataShape

if TYPE_CHECKING:
    from ooc_train.training.backend import keras


def train(  # noqa: PLR0913 - the one place where all options meet
    path: str | Path,
    run: str | Path,
    *,
    model: str = "auto",
    epochs: int | None = None,
    batch_size: int = 128,
    learning_rate: float = 1e-3,
    seed: int = 0,
    bucket_by_length: bool = False,
    embedding_dimension: int | None = None,
    embeddings: str | Path | None = None,
    freeze_embeddings: int | None = None,
    force: bool = False,
    verify: bool = True,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Train a model on the file at ``path`` and write it to the folder ``run``.

    Where the file has a validation split, training stops when the loss on it has not fallen for
    2 epochs, or after ``epochs`` (1000 if not given), and the best epoch's weights are kept.
    Where it has none, ``epochs`` must be given, and the last weights are kept.  ``model`` is
    ``"mlp"`` for n-grams, ``"sepcnn"`` for sequences, ``"auto"`` for that of the two which fits,
    or a function of yours as ``"package.module:function"``, see `user_models.DataShape`.  The
    same file, options and number of threads give the same weights, bit for bit.

    Of sequences: with ``bucket_by_length`` the rows of a batch are of near length, and padded only
    as far as the longest of them.  sepcnn begins with random word vectors of
    ``embedding_dimension`` numbers (200 if not given), or with those of the file ``embeddings``,
    see `embeddings`, which stay as they are for ``freeze_embeddings`` epochs (1 if not given) and
    are trained with the rest afterwards; only then may training stop early.

    With ``verify``, rows are compared with their checksums when they are first read.

    Returns the report: ``epochs`` (for each a dictionary of ``seconds`` and ``rows_per_second``
    of its training, ``input_wait_share``, the share of these seconds that steps waited for rows,
    ``loss``, ``accuracy``, ``val_loss``, ``val_accuracy``), ``best_epoch``
    (from 1), ``steps``, ``seconds``, the memory figures, the sizes, and ``embeddings`` (``file``,
    ``dimension``, ``terms``, ``found``, ``coverage``; or ``None``).  Memory: TensorFlow, the
    model, its optimizer and its best epoch, three times the weights again (for sepcnn four, with
    their running mean), one window of 32 MB and one batch.

    Raises InputError or FormatError if a file cannot be used, OptionError if an option cannot
    be, or if the loss stops being finite, and OutputError if the folder cannot be written.
    """
    began = time.perf_counter()
    options = TrainingOptions(
        model,
        epochs,
        batch_size,
        learning_rate,
        seed,
        bucket_by_length,
        embedding_dimension,
        Path(embeddings) if embeddings else None,
        freeze_embeddings,
    )
    progress = progress or Silent()
    with (
        MemoryMonitor() as monitor,
        open_store(path, verify=verify) as store,
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
    options.model_for(store.features)
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
    pretrained = _pretrained(store, options, progress)
    progress.start("loading TensorFlow", None, "")
    # Only here, when all that can be checked without it has been: it takes 5 seconds.
    from ooc_train.training.loop import Loop  # noqa: PLC0415
    from ooc_train.training.models import build_model  # noqa: PLC0415

    name = options.model_for(store.features)
    shape = DataShape(
        store.features, store.n_columns, store.max_length, store.n_classes, options.seed
    )
    model = build_model(
        name,
        shape,
        dimension=options.embedding_dimension or EMBEDDING_DIMENSION,
        embeddings=pretrained.matrix if pretrained else None,
    )
    trainer = _trainer(model, store, options)
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
        "embeddings": pretrained.report if pretrained else None,
        "epochs": epochs,
        "best_epoch": best_epoch,
        "steps": trainer.n_steps,
    }


def _pretrained(
    store: Store, options: TrainingOptions, progress: Progress
) -> PretrainedEmbeddings | None:
    """The word vectors of the file's terms, where a file of such was given."""
    if options.embeddings is None:
        return None
    progress.start("reading embeddings", None, "lines")
    terms = read_strings(store.file, "vectorizer/terms")
    found = read_embeddings(options.embeddings, terms, seed=options.seed, progress=progress)
    progress.message(
        f"{options.embeddings}: {found.n_found:,} of {len(terms):,} terms found "
        f"({found.n_found / len(terms):.1%}), {found.matrix.shape[1]} dimensions"
    )
    return found


def _trainer(model: "keras.Model", store: Store, options: TrainingOptions) -> Trainer:
    from ooc_train.training.feeding import feed_for  # noqa: PLC0415
    from ooc_train.training.keras_steps import KerasTrainer  # noqa: PLC0415

    width = None if options.bucket_by_length else store["train"].width
    frozen = model.get_layer("embedding").weights if options.frozen_epochs else ()
    return KerasTrainer(
        feed_for(model, store.features, width),
        learning_rate=options.learning_rate,
        seed=options.seed,
        frozen=frozen,
    )


def _settings(store: Store, options: TrainingOptions) -> dict[str, Any]:
    return {
        "version": __version__,
        "data": store.path.name,
        "features": store.features,
        "n_columns": store.n_columns,
        "max_length": store.max_length,
        "n_classes": store.n_classes,
        "model": options.model_for(store.features),
        "epochs": options.epochs or MOST_EPOCHS,
        "batch_size": options.batch_size,
        "learning_rate": options.learning_rate,
        "seed": options.seed,
        "bucket_by_length": options.bucket_by_length,
        "pads_as_needed": options.pads_as_needed(store.features),
        "embedding_dimension": options.embedding_dimension,
        "embeddings": options.embeddings.name if options.embeddings else None,
        "frozen_epochs": options.frozen_epochs,
    }


def _report(store: Store, options: TrainingOptions, baseline: Memory) -> dict[str, Any]:
    return {
        "rows": len(store["train"]),
        "validation_rows": len(store.splits.get("validation", ())),
        "n_columns": store.n_columns,
        "n_classes": store.n_classes,
        "model": options.model_for(store.features),
        "batch_size": options.batch_size,
        "baseline_rss_bytes": baseline.rss_bytes,
        "baseline_anon_bytes": baseline.anon_bytes,
    }
