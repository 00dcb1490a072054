"""Prefetching: a thread makes items ahead of their use."""

import contextlib
import queue
import threading
import time
from collections.abc import Iterator
from typing import Generic, TypeVar

from ooc_train.threads import start

Item = TypeVar("Item")


class Prefetch(Generic[Item]):
    """The items of a generator, in its order, made by a thread while earlier items are used.

    At most ``depth`` items wait, and one more is being made; the depth does not change the items.
    The thread ends with the ``with`` block, or before.  An exception of the generator is raised
    where its next item would have come.

    >>> with Prefetch((10 * i for i in range(3)), depth=2) as items:
    ...     list(items)
    [0, 10, 20]
    """

    def __init__(self, items: Iterator[Item], depth: int) -> None:
        self.seconds_waited = 0.0
        """How long the user of the items has waited for them so far."""
        self._items = items
        self._ready: queue.Queue[Item | _End] = queue.Queue(depth)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._make, name="prefetch", daemon=True)

    def __enter__(self) -> "Prefetch[Item]":
        start(self._thread)
        return self

    def __exit__(self, *error: object) -> None:
        self._stopped.set()
        # An empty queue has room for the item that the thread may be about to put; that is its last
        # item, since the thread then sees that it is stopped.
        with contextlib.suppress(queue.Empty):
            while True:
                self._ready.get_nowait()
        self._thread.join()

    def __iter__(self) -> Iterator[Item]:
        while True:
            began = time.perf_counter()
            item = self._ready.get()
            self.seconds_waited += time.perf_counter() - began
            if isinstance(item, _End):
                if item.error:
                    raise item.error
                return
            yield item

    def _make(self) -> None:
        end = _End(None)
        try:
            for item in self._items:
                self._ready.put(item)
                if self._stopped.is_set():
                    return
        except BaseException as error:  # noqa: BLE001 - raised again where the items are used
            end = _End(error)
        finally:
            # Here rather than wherever the generator is garbage: it may hold open what it reads.
            close = getattr(self._items, "close", None)
            if close:
                close()
        self._ready.put(end)


class _End:
    """Stands after the last item."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error
