"""`evaluate`: how well a run's model does on a split of a converted file."""

from pathlib import Path
from typing import Any

from ooc_train.errors import InputError
from ooc_train.progress import Progress, Silent
from ooc_train.reading.store import open as open_store
from ooc_train.training.run.folder import open_run
from ooc_train.training.scores.options import EvaluateOptions
from ooc_train.training.scores.page import check_page, write_run_page
from ooc_train.training.scores.split_scores import score_split


def evaluate(
    run: str | Path,
    path: str | Path,
    *,
    split: str = EvaluateOptions.split,
    batch_size: int | None = EvaluateOptions.batch_size,
    html: str | Path | None = EvaluateOptions.html,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Compare what a run's model predicts for a split with its labels, reading it once.

    ``batch_size`` is that of the training if not given; it changes the speed, not the result.
    ``html`` is a file to write the scores to as a page with figures, beside those of the training.

    Returns, of all rows: ``split``, ``rows``, ``accuracy``, ``baseline_accuracy`` (that of naming
    always the class with the most rows), ``loss`` (mean cross-entropy) and ``macro_f1``, the mean
    over the classes that have rows or predictions; for 20 classes or more ``top_k_accuracy`` (a
    dictionary of ``k``, 5, and ``accuracy``: how often a row's class is among the ``k`` most
    probable ones).

    ``classes`` is, for each class, a dictionary of ``label``, ``name``, ``precision``, ``recall``,
    ``f1`` and ``support``, its rows; a ratio without rows is 0.  ``confusion`` are rows counted by
    their class and then by the predicted one; ``confused_pairs`` the 20 pairs of ``class`` and
    ``predicted`` with the most ``rows``, and as ``examples`` up to 3 rows of each, of high
    ``probability`` of the wrong class, with what of the ``text`` is in the file, see `examples`.
    Both are ``None`` for more than 1,024 classes.

    Of two classes also ``roc_auc``, and for each of them ``average_precision`` (the area under
    its precision-recall curve) and ``best_threshold`` (``probability``, ``precision``, ``recall``
    and ``f1`` where taking rows for the class gives the highest F1); see `ranking`.  The areas are
    exact up to 262,144 different probabilities; with more, they differ from the exact ones by
    ``roc_auc_error`` and ``average_precision_error`` at most.  ``curves`` has points of both
    curves for each class.

    Memory: TensorFlow, one batch, for sequences a window of 32 MB, and what `scoring` takes.

    Raises InputError or FormatError if run or file cannot be used or do not fit each other, and
    OutputError if the page cannot be written.
    """
    EvaluateOptions(split=split, batch_size=batch_size, html=html)  # which checks them
    progress = progress or Silent()
    opened = open_run(run)
    if html is not None:
        check_page(Path(html))
    with open_store(path) as store:
        opened.check_matches(store)
        size = opened.settings["batch_size"] if batch_size is None else batch_size
        if not len(store[split]):
            raise InputError(f"split {split!r} of {path} has no rows; choose another split")
        result = score_split(
            opened.load_model(),
            store,
            split,
            batch_size=size,
            pads_as_needed=opened.pads_as_needed,
            progress=progress,
        )
    if html is not None:
        progress.start("drawing", None, "")
        write_run_page(opened.path, result, Path(html))
    progress.finish()
    return result
