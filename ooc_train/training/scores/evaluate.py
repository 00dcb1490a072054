"""`evaluate`: the scores of a run's model on a split of a converted file."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ooc_train.atomic import output_file
from ooc_train.bars import usual_progress
from ooc_train.errors import InputError
from ooc_train.file.shards import data_files
from ooc_train.kernel_processes import compiling_elsewhere
from ooc_train.outputs import check_outputs
from ooc_train.progress import Progress
from ooc_train.reading.store import open as open_store
from ooc_train.remote.url import located
from ooc_train.report.drawing import check_library, draw
from ooc_train.training.models.model import Model
from ooc_train.training.run.folder import Run, check_order, files_of
from ooc_train.training.run.replacement import open_with
from ooc_train.training.scores.options import EvaluateOptions
from ooc_train.training.scores.page import page_content
from ooc_train.training.scores.split_scores import score_split


def evaluate(  # noqa: PLR0913 - the one place where all options meet
    run: str | Path,
    path: str | Path,
    *,
    split: str = EvaluateOptions.split,
    batch_size: int | None = EvaluateOptions.batch_size,
    html: str | os.PathLike[str] | None = EvaluateOptions.html,
    force: bool = EvaluateOptions.force,
    trust_code: bool = EvaluateOptions.trust_code,
    progress: Progress | None = None,
    more_outputs: Mapping[str, Path | None] | None = EvaluateOptions.more_outputs,
) -> dict[str, Any]:
    """Compare the predictions of a run's model for a split with its labels, reading it once.

    ``batch_size`` is the training's if it is not given; it changes the speed, not the result.
    ``html`` is a file for a page that shows the scores in figures, beside those of the training; it
    is replaced with ``force`` only.  ``more_outputs`` are files that the caller will write, by what
    they are: they, too, may be no inputs.  With ``trust_code`` a run is used whose model is a
    function of its author's, see `open_run`.

    Returns scores over all rows: ``split``, ``rows``, ``accuracy``, ``baseline_accuracy`` (the
    accuracy of always predicting the class with the most rows), ``loss`` (mean cross-entropy) and
    ``macro_f1``, the mean over the classes that have rows or predictions; for 20 classes or more
    ``top_k_accuracy`` (a dictionary of ``k``, 5, and ``accuracy``: how often a row's class is among
    the ``k`` most probable ones).

    ``classes`` has, for each class, a dictionary of ``label``, ``name``, ``precision``, ``recall``,
    ``f1`` and ``support``, its rows; a ratio without rows is 0.  ``confusion`` counts rows by their
    class and then by the predicted one.  ``confused_pairs`` are the 20 pairs of ``class`` and
    ``predicted`` with the most ``rows``; their ``examples`` are up to 3 rows each, with a high
    ``probability`` of the wrong class, and the ``text`` as far as it is in the file, see
    `row_text`.  Both are ``None`` for more than 1,024 classes.  Where the file keeps texts of some
    rows, ``confused_rows`` has how many it keeps of the split (``of``), and up to 50 of these
    ``rows`` that are taken for another class, most certain first: ``row``, ``class``,
    ``predicted``, its ``probability`` and ``text``.

    Two classes also give ``roc_auc``, and for each class ``average_precision`` (the area under its
    precision-recall curve) and ``best_threshold`` (the ``probability`` from which on predicting the
    class gives the highest F1, with ``precision``, ``recall`` and ``f1``); see `ranking`.  The
    areas are exact up to 262,144 different probabilities; with more, their errors are at most
    ``roc_auc_error`` and ``average_precision_error``.  ``curves`` has points of both curves for
    each class.

    Memory: the model, one batch, for sequences a window of 32 MB, that of `tally.Scoring`, and that
    of TensorFlow, unless the model is a multi-layer perceptron.

    Raises InputError or FormatError if run or file cannot be used or do not fit each other,
    OptionError for a batch size below 1, and OutputError if the page cannot be written.
    """
    EvaluateOptions(  # which checks them
        split=split, batch_size=batch_size, html=html, force=force, trust_code=trust_code
    )
    check_order(run, path)
    path = located(path)
    progress, page = progress or usual_progress(), None if html is None else Path(html)
    outputs = {"the page": page, **(more_outputs or {})}
    check_outputs(outputs, [*files_of(run), *data_files(path)], force=force)
    if page:
        check_library(page)
    with open_store(path) as store, compiling_elsewhere(None, progress):

        def load(opened: Run) -> Model:
            opened.check_matches(store)
            if split not in store.splits or not len(store[split]):
                others = [name for name, one in store.splits.items() if len(one)]
                raise InputError(
                    f"{path} has no {split} rows; give --split {others[-1] if others else 'train'}"
                )
            return opened.load_model()

        opened, model = open_with(run, load, trust_code=trust_code)
        size = opened.settings["batch_size"] if batch_size is None else batch_size
        result = score_split(opened, model, store, split, batch_size=size, progress=progress)
        content = page_content(opened, model, store, result) if page else {}
        opened.close()
    if page:
        progress.start("drawing", None, "")
        with output_file(page, "the page", force=force) as part:
            draw(content, part, page)
    progress.finish()
    return result
