"""Memory of the rows on their way into a model: a window, and the prefetched batches.

The file decides the window's size, since the order of rows must not depend on the memory at hand;
a budget decides how many batches wait for their steps.
"""

from collections.abc import Sequence

from ooc_train.errors import BudgetError
from ooc_train.memory import usable_bytes
from ooc_train.reading.sampler import WINDOW_SLICES, slice_rows_for
from ooc_train.reading.split import Split
from ooc_train.reading.store import Store

DEFAULT_AHEAD_BYTES = 4_000_000
MOST_AHEAD = 32
"""Most batches prefetched; longer queues gained nothing."""
FLOOR_BYTES, KERAS_FLOOR_BYTES = 64_000_000, 400_000_000
"""With less, the kernel kills the training of a small network, and that of Keras and TensorFlow."""
# Bytes of an entry of sparse rows: by row and by column in deferred Adam's steps, or as a tensor's
# coordinates and value.
_PREPARED_ENTRY_BYTES, _TENSOR_ENTRY_BYTES = 28, 20
_WINDOW_MARGIN = 1.25  # for windows of long rows


def batches_ahead(
    stores: Sequence[Store],
    batch_size: int,
    prepared_row_bytes: float,
    memory_bytes: int | None,
) -> int:
    """The number of batches of train rows that may be prefetched, at least 1.

    ``memory_bytes`` is for one window of each file and all batches in memory; ``None`` for the
    usual amount.  Batches are as those of the first file.
    Raises BudgetError, with the least that suffices, where it is too little.
    """
    split = stores[0]["train"]
    batch_bytes = batch_size * (split.row_bytes + prepared_row_bytes)
    if memory_bytes is None:
        return int(min(max(DEFAULT_AHEAD_BYTES // batch_bytes, 1), MOST_AHEAD))
    # One batch is in use, and one is being prepared.
    fixed_bytes = sum(_window_bytes(store["train"]) for store in stores) + 2 * batch_bytes
    n_ahead = int((memory_bytes - fixed_bytes) // batch_bytes)
    if n_ahead < 1:
        names = " and of ".join(str(store.path) for store in stores)
        least = -(-(fixed_bytes + batch_bytes) // 1_000_000)
        raise BudgetError(
            f"{memory_bytes / 1e6:,.1f} MB do not hold a window of {names} and three batches; "
            f"give --memory at least {least:.0f}MB, or a smaller --batch-size"
        )
    return min(n_ahead, MOST_AHEAD)


def prepared_row_bytes(split: Split, *, is_deferred: bool, is_sparse: bool) -> float:
    """Memory of an average row as a training step takes it.

    ``is_deferred`` says that the steps are those of deferred Adam, ``is_sparse`` that they take
    sparse rows as they are; all others take dense ones.
    """
    n_entries = split.n_entries / split.n_rows
    if is_deferred:
        return _PREPARED_ENTRY_BYTES * n_entries
    if is_sparse:
        return _TENSOR_ENTRY_BYTES * n_entries
    return 4 * split.width


def check_floor(*, in_keras: bool) -> None:
    """Raise BudgetError where this process may use less than a training takes at least.

    ``in_keras`` says that Keras and TensorFlow are loaded for it.
    """
    usable, floor = usable_bytes(), KERAS_FLOOR_BYTES if in_keras else FLOOR_BYTES
    if usable < floor:
        by = " by Keras and TensorFlow" if in_keras else ""
        raise BudgetError(
            f"this process may use {usable / 1e6:,.0f} MB of memory, the machine's or its "
            f"cgroup's, and training{by} takes at least {floor / 1e6:,.0f} MB; train where there "
            "is more"
        )


def _window_bytes(split: Split) -> float:
    n_rows = min(split.n_rows, slice_rows_for(split.row_bytes) * WINDOW_SLICES)
    return _WINDOW_MARGIN * n_rows * split.row_bytes
