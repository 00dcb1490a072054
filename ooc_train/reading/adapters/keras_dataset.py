"""Batches as a ``keras.utils.PyDataset``."""

import threading
from collections.abc import Iterator
from typing import Any

import keras

from ooc_train.dtypes import I64, AnyArray
from ooc_train.reading.batches import EpochBatches
from ooc_train.reading.rows import Batch

_MOST_AHEAD = 32


class KerasDataset(keras.utils.PyDataset):  # type: ignore[misc]
    """Batch ``i`` of the epoch, dense, is ``dataset[i]``; the end of an epoch begins the next.

    Asking for batches about in their order, as several workers of Keras do, is fast; any other
    batch costs the reading of a window.  Memory: those that are passed over, at most 32, are kept
    until they are asked for.
    """

    def __init__(self, batches: EpochBatches, **workers: Any) -> None:
        super().__init__(**workers)
        self._batches = batches
        self._lock = threading.Lock()
        self._restart(0)

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        for name in ("_lock", "_rest", "_ahead"):  # another process begins anew
            del state[name]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state
        self._lock = threading.Lock()
        self._restart(0)

    def __repr__(self) -> str:
        return f"<Keras dataset of {self._batches!r}>"

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, step: int) -> tuple[AnyArray, I64]:
        with self._lock:
            batch = self._ahead.pop(step, None) or self._read(step)
        return batch.rows.to_dense(), batch.labels

    def on_epoch_end(self) -> None:
        """Go on with the next epoch."""
        with self._lock:
            self._batches = self._batches.at_epoch(self._batches.epoch + 1)
            self._restart(0)

    def _read(self, step: int) -> Batch:
        if not 0 <= step - self._next_step <= _MOST_AHEAD - len(self._ahead):
            self._restart(step)
        while self._next_step < step:
            self._ahead[self._next_step] = next(self._rest)
            self._next_step += 1
        self._next_step += 1
        return next(self._rest)

    def _restart(self, step: int) -> None:
        self._next_step = step
        self._rest: Iterator[Batch] = self._batches.from_step(step)
        self._ahead: dict[int, Batch] = {}
