"""One session of a training: from the options to a trained model, in one process."""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ooc_train.atomic import reason
from ooc_train.errors import OptionError
from ooc_train.file.schema import read_strings
from ooc_train.memory import Memory, measure
from ooc_train.progress import Progress
from ooc_train.reading.store import Store
from ooc_train.training.models.embeddings import PretrainedEmbeddings, read_embeddings
from ooc_train.training.models.user import DataShape
from ooc_train.training.options import (
    DROPOUT_RATE,
    EMBEDDING_DIMENSION,
    LAYERS,
    UNITS,
    TrainingOptions,
)
from ooc_train.training.run.checkpoints import Checkpoint
from ooc_train.training.run.folder import TENSORBOARD
from ooc_train.training.run.interval import Interval
from ooc_train.training.run.resuming import changed_versions
from ooc_train.training.run.saver import Saver
from ooc_train.training.run.writer import RunWriter
from ooc_train.version import __version__

if TYPE_CHECKING:
    from ooc_train.training.loop import Loop
    from ooc_train.training.models.backend import keras
    from ooc_train.training.run.event_files import EventFiles


class Session:
    """One session of a training, which may have had others before; from when it is made."""

    def __init__(self, *, tensorboard: bool = False) -> None:
        self._tensorboard = tensorboard
        self._began = time.perf_counter()
        self._checkpoint: Checkpoint | None = None
        self._settings: dict[str, Any] = {}
        self._embeddings: dict[str, Any] | None = None
        self._seconds_before = 0.0
        self.number = 1

    def find(self, folder: RunWriter, progress: Progress) -> None:
        """Look for a checkpoint to go on from."""
        self._checkpoint, errors = folder.checkpoints.newest()
        for error in errors:
            progress.message(f"{error}; an older checkpoint is used if there is one")
        if not self._checkpoint:
            progress.message(f"{folder.path} has no checkpoint; the training begins anew")
            return
        facts = self._checkpoint.facts
        self._embeddings = facts["embeddings"]
        self._seconds_before = facts["seconds"]
        self.number = facts["sessions"] + 1
        folder.checkpoints.remove_after(self._checkpoint.n_steps)

    @property
    def seconds(self) -> float:
        """Of all sessions so far; of those that died, up to their last checkpoint."""
        return self._seconds_before + time.perf_counter() - self._began

    def facts(self) -> dict[str, Any]:
        """What a checkpoint says of the session."""
        return {
            "settings": self._settings,
            "embeddings": self._embeddings,
            "seconds": self.seconds,
            "sessions": self.number,
        }

    def train(
        self,
        folder: RunWriter,
        store: Store,
        options: TrainingOptions,
        settings: dict[str, Any],
        every: Interval,
        n_ahead: int,
        progress: Progress,
    ) -> dict[str, Any]:
        """Train, and write all but the report; the report, without what the whole call took."""
        pretrained = None if self._checkpoint else _pretrained(store, options, progress)
        if pretrained:
            self._embeddings = pretrained.report
        progress.start("loading TensorFlow", None, "")
        # Only here, when all that can be checked without it has been: it takes 5 seconds.
        from ooc_train.training.loop import Loop  # noqa: PLC0415
        from ooc_train.training.steps.choice import trainer_for  # noqa: PLC0415

        trainer = trainer_for(self._model(store, options, pretrained), store, options)
        baseline = measure()
        self._settings = settings | {"versions": _versions()}
        if self._checkpoint:
            self._warn_of_versions(progress)
            folder.go_on(self._settings)
        else:
            folder.begin(self._settings, store)
        events = self._event_files(folder)
        with Saver(folder.checkpoints, every, facts=self.facts, warn=progress.message) as saver:
            loop = Loop(trainer, store, options, saver, n_ahead, progress)
            self._restore(loop, options)
            best_epoch = loop.run(lambda epochs: _write_history(folder, epochs, events, progress))
        folder.write_history(loop.history)
        folder.write_model(trainer.model)
        return _report(store, options, baseline) | {
            "embeddings": self._embeddings,
            "epochs": list(loop.history),
            "best_epoch": best_epoch,
            "steps": trainer.n_steps,
            "checkpoint_seconds": saver.seconds_stopped,
        }

    def _model(
        self, store: Store, options: TrainingOptions, pretrained: PretrainedEmbeddings | None
    ) -> "keras.Model":
        from ooc_train.training.models.networks import build_model  # noqa: PLC0415

        shape = DataShape(
            store.features, store.n_columns, store.max_length, store.n_classes, options.seed
        )
        dimension = options.embedding_dimension or EMBEDDING_DIMENSION
        if self._embeddings:
            dimension = self._embeddings["dimension"]
        return build_model(
            options.model_for(store.features),
            shape,
            dimension=dimension,
            embeddings=pretrained.matrix if pretrained else None,
            layers=options.layers or LAYERS,
            units=options.units or UNITS,
            dropout_rate=DROPOUT_RATE if options.dropout_rate is None else options.dropout_rate,
        )

    def _event_files(self, folder: RunWriter) -> "EventFiles | None":
        if not self._tensorboard:
            return None
        from ooc_train.training.run.event_files import EventFiles  # noqa: PLC0415 - TensorFlow

        return EventFiles(folder.path / TENSORBOARD)

    def _restore(self, loop: "Loop", options: TrainingOptions) -> None:
        """Give the loop what the checkpoint holds, which is then forgotten."""
        checkpoint, self._checkpoint = self._checkpoint, None
        if not checkpoint:
            return
        fresh, _ = loop.snapshot()
        for name, array in fresh.items():
            before = checkpoint.arrays.get(name)
            if before is None or before.shape != array.shape:
                raise OptionError(
                    f"the model {options.model} has other weights than when the run began; give "
                    "--resume the same, or begin anew in another folder"
                )
        loop.restore(checkpoint)

    def _warn_of_versions(self, progress: Progress) -> None:
        changed = self._checkpoint and changed_versions(
            self._checkpoint.facts["settings"], self._settings
        )
        if changed:
            progress.message(f"goes on elsewhere than it began, so that bits may differ: {changed}")


def _write_history(
    folder: RunWriter, epochs: Sequence[Any], events: "EventFiles | None", progress: Progress
) -> None:
    """Write the history, or say that this did not do; the checkpoints hold it, too."""
    try:
        folder.write_history(epochs)
        if events:
            events.write(len(epochs), epochs[-1])
    except OSError as error:
        progress.message(
            f"the history could not be written to {folder.path}: {reason(error)}; "
            "training goes on, and tries again after the next epoch"
        )


def _versions() -> dict[str, Any]:
    """What the last bits of a weight may depend on."""
    from ooc_train.training.models.backend import keras, tf  # noqa: PLC0415

    return {
        "ooc-train": __version__,
        "TensorFlow": tf.__version__,
        "Keras": keras.__version__,
        "NumPy": np.__version__,
        "processors": _n_processors(),
    }


def _pretrained(
    store: Store, options: TrainingOptions, progress: Progress
) -> PretrainedEmbeddings | None:
    """The word vectors of the file's terms, where a file of such was given."""
    if options.embeddings is None:
        return None
    progress.start("reading embeddings", None, "lines")
    terms = read_strings(store.file, "vectorizer/terms")
    found = read_embeddings(Path(options.embeddings), terms, progress=progress)
    progress.message(
        f"{options.embeddings}: {found.n_found:,} of {len(terms):,} terms found "
        f"({found.n_found / len(terms):.1%}), {found.matrix.shape[1]} dimensions"
    )
    return found


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


def _n_processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
