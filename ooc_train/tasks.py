"""Tasks on an executor, whose results come in the order of the items."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Pool(NamedTuple):
    """An executor, and how many tasks it does at once."""

    executor: Executor
    n_workers: int


@dataclass(frozen=True)
class Workers:
    """An executor in the place of threads: it runs ``n`` tasks at once, some in each process.

    ``n_sharing`` processes share the memory budget, this one included; where each has a budget of
    its own, it is 1.  ``memory_bytes`` is what the smallest of them may use, if that is known.
    """

    pool: Executor
    n: int
    n_a_process: int = 1
    n_sharing: int = 1
    memory_bytes: int | None = None


@dataclass(frozen=True)
class SharedFolder:
    """The folder that tasks work in, below one that the user knows.

    ``what`` lies in it and ``remedy`` is what to do where workers do not share it, for messages.
    Workers of a cluster call ``forget`` when they are not needed any more.
    """

    path: Path
    what: str
    remedy: str
    forget: Callable[[], None] | None = None


def _never(item: object, result: object) -> None:
    """No function: the result holds."""


def results_in_order(
    pool: Executor,
    function: Callable[[Item], Result],
    items: Iterable[Item],
    n_workers: int,
    size: Callable[[Item], int],
    most: int,
    again: Callable[[Item, Result], Callable[[], Result] | None] = _never,
) -> Iterator[tuple[Item, Result]]:
    """Each item with its result: one for each worker is under way, and one more.

    Fewer are where the sum of their sizes would be above ``most``; an item above it is under way
    alone.

    Where a result does not hold, now that all before it are known, ``again`` returns a function
    that gives one that does.  It is called when nothing else is under way.
    """

    def first() -> tuple[Item, Result]:
        item, future = waiting.popleft()
        result = future.result()
        instead = again(item, result)
        if instead is None:
            return item, result
        for _, other in waiting:
            if not other.done():
                other.exception()  # which is told in its turn
        return item, instead()

    waiting: deque[tuple[Item, Future[Result]]] = deque()
    try:
        for item in items:
            while waiting and size(item) + sum(size(one) for one, _ in waiting) > most:
                yield first()
            waiting.append((item, pool.submit(function, item)))
            while waiting and (len(waiting) > n_workers or waiting[0][1].done()):
                yield first()
            if size(item) > most:
                while waiting:
                    yield first()
        while waiting:
            yield first()
    finally:
        for _, future in waiting:
            future.cancel()
