"""`score_split`: the scores of a model on a split, whose rows are read once, in batches."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ooc_train.dtypes import I64
from ooc_train.progress import Progress
from ooc_train.reading.rows import Batch
from ooc_train.reading.sampler import WINDOW_SLICES, slice_rows_for
from ooc_train.reading.split import Split
from ooc_train.reading.store import Store
from ooc_train.remote.url import Url
from ooc_train.training.models.model import Model
from ooc_train.training.run.folder import Run
from ooc_train.training.scores.confused import ConfusedRows
from ooc_train.training.scores.row_text import describe_row
from ooc_train.training.scores.tally import Scoring
from ooc_train.training.steps.choice import evaluator_for


def evaluation_batches(
    split: Split,
    batch_size: int,
    *,
    pads_as_needed: bool,
    slices: Iterable[tuple[int, int]] | None = None,
) -> Iterator[tuple[I64, Batch]]:
    """All rows of a split, or of its ``slices``, in batches, with the rows' numbers in the file.

    Rows come in the file's order; with ``pads_as_needed`` they are sorted by length within each
    window, so that little is padded.  At a URL a window is asked for at once, by many requests.
    """
    is_remote = isinstance(split.path, Url)
    n_rows, window_rows = batch_size, slice_rows_for(split.row_bytes) * WINDOW_SLICES
    if pads_as_needed:
        n_rows = max(n_rows, window_rows)
    elif is_remote:
        n_rows *= max(1, window_rows // n_rows)
    for window in _windows([(0, len(split))] if slices is None else slices, n_rows):
        if is_remote:
            deque(split.expecting(window), maxlen=0)
        loaded = split.read_slices(window)
        numbers = np.concatenate([np.arange(*each) for each in window])
        if n_rows == batch_size and not pads_as_needed:
            yield numbers, loaded
            continue
        order = np.arange(len(numbers))
        if pads_as_needed:
            order = np.argsort(loaded.rows.lengths, kind="stable")
        for first in range(0, len(order), batch_size):
            chosen = order[first : first + batch_size]
            yield numbers[chosen], loaded.take(chosen)


def _windows(slices: Iterable[tuple[int, int]], n_rows: int) -> Iterator[list[tuple[int, int]]]:
    """The slices, cut where necessary, in lists that have ``n_rows`` each, the last one fewer.

    >>> list(_windows([(0, 5), (8, 9)], 4))
    [[(0, 4)], [(4, 5), (8, 9)]]
    """
    window: list[tuple[int, int]] = []
    n_free = n_rows
    for first, last in slices:
        start = first
        while start < last:
            stop = min(start + n_free, last)
            window.append((start, stop))
            n_free -= stop - start
            start = stop
            if not n_free:
                yield window
                window, n_free = [], n_rows
    if window:
        yield window


def score_split(
    run: Run,
    model: Model,
    store: Store,
    name: str,
    *,
    batch_size: int,
    progress: Progress,
) -> dict[str, Any]:
    """The scores of a run's model on the split of that name, which has rows; see `evaluate`."""
    split = store[name]
    width = None if run.pads_as_needed else split.width
    evaluator = evaluator_for(model, split.layout, width)
    scoring, texts = Scoring(split.n_classes), store.samples(name)
    confused = ConfusedRows(texts)
    progress.start("evaluating", len(split), "rows")
    batches = evaluation_batches(split, batch_size, pads_as_needed=run.pads_as_needed)
    for numbers, batch in batches:
        loss, probabilities = evaluator(batch)
        scoring.add(numbers, batch.labels, probabilities, loss)
        confused.add(numbers, batch.labels, probabilities)
        progress.advance(len(numbers))
    result = {"split": name} | scoring.result()
    result["classes"] = [
        {"label": label, "name": class_name, **score}
        for label, class_name, score in zip(
            store.class_labels, store.class_names, result["classes"], strict=True
        )
    ]
    for pair in result["confused_pairs"] or ():
        for example in pair["examples"]:
            row = example["row"]
            example["text"] = texts.get(row) or describe_row(store, split, row)
    if texts:
        result["confused_rows"] = {"of": len(texts), "rows": confused.result()}
    return result
