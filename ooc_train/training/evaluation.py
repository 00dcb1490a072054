"""`evaluate`: how well a run's model does on a split of a converted file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ooc_train.errors import InputError, OptionError
from ooc_train.progress import Progress, Silent
from ooc_train.rows import Batch, IntArray
from ooc_train.sampler import WINDOW_SLICES, slice_rows_for
from ooc_train.splits import Split
from ooc_train.store import open as open_store
from ooc_train.training.run_folder import Run, open_run
from ooc_train.training.scoring import Scoring


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

    Returns, of all rows: ``split``, ``rows``, ``accuracy``, ``baseline_accuracy`` (that of naming
    always the class with the most rows), ``loss`` (mean cross-entropy) and ``macro_f1``, the mean
    over the classes that have rows or predictions; for 20 classes or more ``top_k_accuracy`` (a
    dictionary of ``k``, 5, and ``accuracy``: how often a row's class is among the ``k`` most
    probable ones).

    ``classes`` is, for each class, a dictionary of ``label``, ``name``, ``precision``, ``recall``,
    ``f1`` and ``support``, its rows; a ratio without rows is 0.  ``confusion`` are rows counted by
    their class and then by the predicted one; ``confused_pairs`` the 20 pairs of ``class`` and
    ``predicted`` with the most ``rows``, and as ``examples`` up to 3 rows of each, of high
    ``probability`` of the wrong class.  Both are ``None`` for more than 1,024 classes.

    Of two classes also ``roc_auc``, and for each of them ``average_precision`` (the area under
    its precision-recall curve) and ``best_threshold`` (``probability``, ``precision``, ``recall``
    and ``f1`` where taking rows for the class gives the highest F1); see `ranking`.  The areas are
    exact up to 262,144 different probabilities; with more, they differ from the exact ones by
    ``roc_auc_error`` and ``average_precision_error`` at most.  ``curves`` has points of both
    curves for each class.

    Memory: TensorFlow, one batch, for sequences a window of 32 MB, and what `scoring` takes.

    Raises InputError or FormatError if run or file cannot be used or do not fit each other.
    """
    progress = progress or Silent()
    opened = open_run(run)
    with open_store(path) as store:
        opened.check_matches(store)
        size = opened.settings["batch_size"] if batch_size is None else batch_size
        if size < 1:
            raise OptionError(f"the batch size must be at least 1, not {size}")
        if not len(store[split]):
            raise InputError(f"split {split!r} of {path} has no rows; choose another split")
        result = _score(opened, store[split], size, progress)
    progress.finish()
    labels, names = opened.class_labels, opened.class_names
    classes = [
        {"label": label, "name": name, **score}
        for label, name, score in zip(labels, names, result["classes"], strict=True)
    ]
    return {"split": split} | result | {"classes": classes}


def evaluation_batches(
    split: Split, batch_size: int, *, pads_as_needed: bool
) -> Iterator[tuple[IntArray, Batch]]:
    """Each row of a split once, in batches, with the rows' numbers.

    In the file's order; or, for little padding, within each window of it by length.
    """
    window = batch_size
    if pads_as_needed:
        window = max(window, slice_rows_for(split.row_bytes) * WINDOW_SLICES)
    for start in range(0, len(split), window):
        loaded = split.read_slices([(start, min(start + window, len(split)))])
        if not pads_as_needed:
            yield start + np.arange(len(loaded.labels)), loaded
            continue
        order = np.argsort(loaded.rows.lengths, kind="stable")
        for first in range(0, len(order), batch_size):
            chosen = order[first : first + batch_size]
            yield start + chosen, loaded.take(chosen)


def _score(run: Run, split: Split, batch_size: int, progress: Progress) -> dict[str, Any]:
    from ooc_train.training.feeding import feed_for  # noqa: PLC0415 - imports TensorFlow
    from ooc_train.training.keras_steps import Evaluator  # noqa: PLC0415 - imports TensorFlow

    width = None if run.pads_as_needed else split.width
    evaluator = Evaluator(feed_for(run.load_model(), split.features, width))
    scoring = Scoring(split.n_classes)
    progress.start("evaluating", len(split), "rows")
    for numbers, batch in evaluation_batches(split, batch_size, pads_as_needed=run.pads_as_needed):
        loss, probabilities = evaluator(batch)
        scoring.add(numbers, batch.labels, probabilities, loss)
        progress.advance(len(numbers))
    return scoring.result()
