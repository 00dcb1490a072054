"""The influence of single columns on a `Network`'s classes: by the weights, and in given rows.

The measure is the log-odds of a class, ``ln(p / (1 - p))``, which is the class's logit minus the
log of the summed exponentials of all others.  Of two classes it is the one logit, or its negative.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, cast

import numpy as np

from ooc_train.dtypes import F32, F64, I64
from ooc_train.reading.rows import SparseRows
from ooc_train.training.models.keras_form import Layer
from ooc_train.training.models.network import Network
from ooc_train.training.steps.networks import dense_logits

_NUMBERS_AT_ONCE = 2**20
"""The float32 numbers of one intermediate array."""


class Strongest(NamedTuple):
    """The columns that raise the log-odds of a class most, and by how much, in falling order."""

    columns: I64
    effects: F64


def log_odds(logits: F32, classes: I64) -> F64:
    """The log-odds of a class for each row, ``(n_rows,)``.

    ``logits`` are ``(n_rows, n_outputs)``, and ``classes`` ``(n_rows,)``, one for each row.

    >>> log_odds(np.array([[2.0], [2.0]], np.float32), np.array([0, 1])).tolist()
    [-2.0, 2.0]
    """
    exact = logits.astype(np.float64)
    if exact.shape[1] == 1:
        return np.where(classes == 1, exact[:, 0], -exact[:, 0])
    rows = np.arange(len(exact))
    own = exact[rows, classes]
    exact[rows, classes] = -np.inf
    highest = exact.max(axis=1)
    return own - highest - np.log(np.exp(exact - highest[:, np.newaxis]).sum(axis=1))


def strongest_columns(network: Network, classes: Sequence[int], n: int) -> list[Strongest]:
    """For each of the ``classes``, the ``n`` columns that by themselves raise its log-odds most.

    A column's effect is that of a row that has 1 in it and nothing else, compared with an empty
    row.  Columns without an effect, or with a negative one, are left out.

    Memory: some megabytes.
    """
    first, *later = network.layers
    empty = _outputs(first.bias[np.newaxis], later)
    best = [Strongest(np.empty(0, np.int64), np.empty(0)) for _ in classes]
    step = max(1, _NUMBERS_AT_ONCE // max(network.sizes[1:]))
    for start in range(0, len(first.kernel), step):
        logits = _outputs(first.kernel[start : start + step] + first.bias, later)
        columns = np.arange(start, start + len(logits))
        for i, number in enumerate(classes):
            of_all = np.full(len(logits), number)
            effects = log_odds(logits, of_all) - log_odds(empty, of_all[:1])
            best[i] = _best(best[i], Strongest(columns, effects), n)
    return best


def effects_in(layers: Sequence[Layer], rows: SparseRows, classes: I64) -> F64:
    """The effect of each entry of some rows on the log-odds of its row's class: ``(n_entries,)``.

    That is by how much these fall when the entry is taken out and all others stay as they are.
    ``classes`` are ``(n_rows,)``.  Memory: some megabytes, or the longest row's entries times the
    units of the largest layer.
    """
    effects = np.empty(rows.n_entries)
    first, *later = layers
    for start, stop in _parts(rows.indptr, max(layer.bias.size for layer in layers)):
        part, own = cast(SparseRows, rows[start:stop]), classes[start:stop]
        moved = part.values[:, np.newaxis] * first.kernel[part.indices.astype(np.int64)]
        row_of = part.row_numbers()
        before = _sums(moved, part.indptr) + first.bias
        whole = log_odds(_outputs(before, later), own)
        without = log_odds(_outputs(before[row_of] - moved, later), own[row_of])
        effects[rows.indptr[start] : rows.indptr[stop]] = whole[row_of] - without
    return effects


def _outputs(first_sums: F32, later: Sequence[Layer]) -> F32:
    """The logits of rows, given what the first layer adds up for them, its bias included."""
    return dense_logits(np.maximum(first_sums, 0), later) if later else first_sums


def _best(one: Strongest, other: Strongest, n: int) -> Strongest:
    columns = np.concatenate([one.columns, other.columns])
    effects = np.concatenate([one.effects, other.effects])
    order = np.argsort(-effects, kind="stable")[:n]
    order = order[effects[order] > 0]
    return Strongest(columns[order], effects[order])


def _parts(indptr: I64, n_units: int) -> Iterator[tuple[int, int]]:
    """Ranges of rows, all but single ones with at most so many entries as fit an array."""
    most = max(1, _NUMBERS_AT_ONCE // n_units)
    start = 0
    while start < len(indptr) - 1:
        stop = int(np.searchsorted(indptr, indptr[start] + most, "right")) - 1
        stop = max(start + 1, stop)
        yield start, stop
        start = stop


def _sums(numbers: F32, indptr: I64) -> F32:
    """The sums of the rows of each range: ``(n_ranges, n_columns) float32``."""
    sums = np.zeros((len(indptr) - 1, numbers.shape[1]), np.float32)
    filled = np.flatnonzero(np.diff(indptr))
    if filled.size:
        sums[filled] = np.add.reduceat(numbers, indptr[filled], axis=0)
    return sums
