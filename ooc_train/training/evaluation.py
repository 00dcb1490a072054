"""`evaluate`: how well a run's model does on a split of a converted file."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ooc_train.batches import Batches
from ooc_train.errors import InputError
from ooc_train.progress import Progress, Silent
from ooc_train.splits import Split
from ooc_train.store import open as open_store
from ooc_train.training.run_folder import Run, open_run
from ooc_train.training.steps import Totals

Counts = npt.NDArray[np.int64]


def evaluate(
    run: str | Path,
    path: str | Path,
    *,
    split: str = "test",
    batch_size: int | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Compare what a run's model predicts for a split with its labels, reading it once.

    ``batch_size`` is that of the training if not given; it changes the speed, not the result.

    Returns ``accuracy``, ``loss`` (mean cross-entropy), ``rows``, ``split``, ``macro_f1``,
    ``classes`` (for each a dictionary of ``label``, ``name``, ``precision``, ``recall``, ``f1``
    and ``support``, its rows; a ratio without rows is 0) and ``confusion``, rows counted by
    their class and then by the predicted one.  Memory: TensorFlow, one batch, for sequences a
    window of 32 MB, and 8 bytes for each pair of classes.

    Raises InputError or FormatError if run or file cannot be used or do not fit each other.
    """
    progress = progress or Silent()
    opened = open_run(run)
    with open_store(path) as store:
        opened.check_matches(store)
        size = opened.settings["batch_size"] if batch_size is None else batch_size
        batches = evaluation_batches(store[split], size, pads_as_needed=opened.pads_as_needed)
        if not len(batches):
            raise InputError(f"split {split!r} of {path} has no rows; choose another split")
        loss, confusion = _count(opened, batches, progress)
    progress.finish()
    scores = class_scores(confusion)
    return {
        "split": split,
        "rows": int(confusion.sum()),
        "accuracy": float(np.trace(confusion) / confusion.sum()),
        "loss": loss,
        "macro_f1": float(np.mean([score["f1"] for score in scores])),
        "classes": [
            {"label": label, "name": name, **score}
            for label, name, score in zip(
                opened.class_labels, opened.class_names, scores, strict=True
            )
        ],
        "confusion": confusion.tolist(),
    }


def evaluation_batches(split: Split, batch_size: int, *, pads_as_needed: bool) -> Batches:
    """Each row of a split once: in the file's order, or for little padding rows of near length."""
    if pads_as_needed:
        return split.batches(batch_size, seed=0, by_length=True)
    return split.batches(batch_size)


def _count(run: Run, batches: Batches, progress: Progress) -> tuple[float, Counts]:
    """The mean loss, and ``(n_classes, n_classes)`` counts by true and by predicted class."""
    from ooc_train.training.feeding import feed_for  # noqa: PLC0415 - imports TensorFlow
    from ooc_train.training.keras_steps import Evaluator  # noqa: PLC0415 - imports TensorFlow

    split = batches.split
    n_classes = split.n_classes
    confusion = np.zeros(n_classes * n_classes, np.int64)
    width = None if run.pads_as_needed else split.width
    evaluator = Evaluator(feed_for(run.load_model(), split.features, width))
    totals = Totals()
    progress.start("evaluating", len(split), "rows")
    for batch in batches:
        loss, predicted = evaluator(batch)
        np.add.at(confusion, batch.labels * n_classes + predicted, 1)
        totals.add(n_rows=len(batch.rows), mean_loss=loss)
        progress.advance(len(batch.rows))
    return totals.loss, confusion.reshape(n_classes, n_classes)


def class_scores(confusion: Counts) -> list[dict[str, Any]]:
    """Precision, recall, F1 and support of each class, from counts by true and predicted class.

    >>> class_scores(np.array([[3, 1], [0, 4]]))[0]
    {'precision': 1.0, 'recall': 0.75, 'f1': 0.8571428571428571, 'support': 4}
    """
    correct, support, predicted = np.diag(confusion), confusion.sum(1), confusion.sum(0)
    ratios = zip(
        _ratio(correct, predicted),
        _ratio(correct, support),
        _ratio(2 * correct, support + predicted),
        support.tolist(),
        strict=True,
    )
    return [
        {"precision": precision, "recall": recall, "f1": f1, "support": n}
        for precision, recall, f1, n in ratios
    ]


def _ratio(numerator: Counts, denominator: Counts) -> list[float]:
    ratios: list[float] = (numerator / np.maximum(denominator, 1)).tolist()
    return ratios
