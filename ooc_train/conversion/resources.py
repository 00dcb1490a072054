"""The resources of a conversion: its memory by purpose, and its workers."""

import functools
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from ooc_train.conversion.sources.files.rejects import MAX_ROW_BYTES
from ooc_train.conversion.sources.parts import Division
from ooc_train.conversion.sources.room import Room
from ooc_train.conversion.sources.source import Source
from ooc_train.conversion.storage.journal import Journal
from ooc_train.environment import n_processors
from ooc_train.errors import BudgetError
from ooc_train.progress import PhasedProgress
from ooc_train.tasks import Item, Pool, Result, results_in_order

_MIN_BLOCK_BYTES = 2**18
# Peak memory of a block: 5 times its text (the parser's buffers, the text, folded text), 24 bytes
# for each token (hash, bounds, number twice), and 16 for each term (hash and record).  Terms of a
# row are looked up together: 20 bytes for each (hash, bounds, number).
_BLOCK_MULTIPLE, _TOKEN_BYTES, _TERM_BYTES, _LOOKED_UP_BYTES = 5, 24, 16, 20
# In temporary files a term takes 2 or 3 bytes in a row, and before 3 to 8 if it is no listed token.
_RECORD_BYTES, _NUMBER_BYTES = 5, 2
_MAX_DICTIONARY_BYTES = 2**28
_READ_MULTIPLE = 10  # while a long row is read
_PARTS_A_WORKER = 8  # so that all end at about the same time
_MOST_SENT = 16  # blocks under way, which this process holds
_BUDGET_SHARE = 10 / 7  # of what is added to a budget, at least so much is for blocks


class Needs(Protocol):
    """The memory and disk that the rows of one kind of features need."""

    @property
    def block_multiple(self) -> int:
        """The peak memory of a block while it is converted, as a multiple of its size."""

    @property
    def row_multiple(self) -> int:
        """The same of a block that is one long row."""

    @property
    def max_block_bytes(self) -> int:
        """The largest size of a block; larger ones would not be faster."""

    def temporary_bytes(self, n_bytes: int, /) -> int:
        """The estimated size, rather too high, of temporary files for ``n_bytes`` of rows."""

    def output_bytes(self, n_bytes: int, /) -> int:
        """The estimated size, rather too high, of the result for ``n_bytes`` of rows."""


class TextNeeds(NamedTuple):
    """The memory and disk that texts need, in proportion to their size.

    A token takes at least ``least_bytes`` of the text, and ``usual_bytes`` on average, which is
    rather too low.  Each token begins ``terms_a_token`` terms.
    """

    least_bytes: int
    usual_bytes: int
    terms_a_token: int

    @property
    def max_block_bytes(self) -> int:
        """The largest size of a block; larger ones would not be faster."""
        return 2**22

    @property
    def block_multiple(self) -> int:
        """The peak memory of a block while it is converted, as a multiple of its text."""
        return self._multiple(_TERM_BYTES)

    @property
    def row_multiple(self) -> int:
        """The same of a block that is one long row, whose terms are all looked up at once."""
        return self._multiple(_TERM_BYTES + _LOOKED_UP_BYTES)

    def _multiple(self, term_bytes: int) -> int:
        a_token = _TOKEN_BYTES + term_bytes * self.terms_a_token
        return _BLOCK_MULTIPLE + -(-a_token // self.least_bytes)

    def temporary_bytes(self, n_text_bytes: int) -> int:
        """The estimated size, rather too high, of temporary files."""
        n_numbers_bytes = _NUMBER_BYTES * n_text_bytes // self.usual_bytes
        return n_numbers_bytes + _RECORD_BYTES * self.n_terms(n_text_bytes)

    def output_bytes(self, n_text_bytes: int) -> int:
        """The estimated size, rather too high, of the result."""
        return n_text_bytes

    def n_terms(self, n_text_bytes: int) -> int:
        """The estimated number of terms, rather too high."""
        return n_text_bytes * self.terms_a_token // self.usual_bytes


class Largest(NamedTuple):
    """The source that takes the most memory: its path, and what it takes.

    ``held_bytes`` are taken beside blocks while it is read; ``row_bytes`` is the size of each of
    its rows, 0 where they differ.
    """

    path: Path
    held_bytes: int
    row_bytes: int

    @classmethod
    def of(cls, sources: Iterable[Source]) -> "Largest":
        """The same of some sources."""
        found = [cls(source.path, source.held_bytes, source.row_bytes) for source in sources]
        return max(found, key=lambda one: one.held_bytes + one.row_bytes)


_SMALL = Largest(Path(), 0, 0)


def _small(item: object) -> int:  # noqa: ARG001 - of all items
    """The size of what takes little memory."""
    return 0


def _advice(budget_bytes: int, free_bytes: int, needed_bytes: int) -> str:
    """How to get ``needed_bytes`` where a budget leaves ``free_bytes`` for a row."""
    budget = budget_bytes + (needed_bytes - free_bytes) * _BUDGET_SHARE
    return f"give --memory {budget / 1e6 + 1:.0f}MB, or leave rows so long out with --max-row-bytes"


@dataclass(frozen=True)
class MemoryPlan:
    """A memory budget by purpose.  No result of a conversion depends on it.

    ``texts_in_parts`` says that tasks read texts themselves, where the sources can be divided: that
    is a second reading, but all workers share it.
    ``room`` is for a long row, which is converted alone; ``tie_bytes`` for terms that tie.
    """

    n_workers: int
    block_bytes: int
    table_bytes: int
    bucket_bytes: int
    dictionary_bytes: int
    texts_in_parts: bool = False
    room: Room | None = None
    tie_bytes: int = sys.maxsize

    @property
    def numbers(self) -> dict[str, int]:
        """The numbers that decide what is a task, by name; `renumbered` takes them."""
        return {each.name: getattr(self, each.name) for each in fields(self)[:6]}

    def renumbered(self, numbers: Mapping[str, Any]) -> "MemoryPlan":
        """The plan of a conversion that is resumed: its tasks are those of before."""
        return MemoryPlan(**numbers, room=self.room, tie_bytes=self.tie_bytes)

    @property
    def group_bytes(self) -> int:
        """The size of adjacent partitions that are read together, beside a table."""
        return self.table_bytes // 4

    @classmethod
    def divide(
        cls,
        budget_bytes: int,
        baseline_bytes: int,
        *,
        needs: Needs,
        workers: int | None = None,
        max_row_bytes: int = MAX_ROW_BYTES,
        largest: Largest = _SMALL,
        n_sharing: int = 1,
    ) -> "MemoryPlan":
        """Divide what ``budget_bytes`` leaves above ``baseline_bytes``, which are taken already.

        By default there is a worker for each processor that this process may use, if the budget
        allows so many.  ``n_sharing`` processes share the budget equally, and this is the plan of
        each.

        Raises ``BudgetError`` with the smallest budget that would do.
        """
        budget_bytes //= n_sharing
        multiple = needs.block_multiple
        least_block = max(_MIN_BLOCK_BYTES, largest.row_bytes)
        reading = largest.held_bytes + 4 * least_block * multiple
        least = baseline_bytes + reading
        if max_row_bytes > MAX_ROW_BYTES:  # the others are small beside any budget
            least = max(least, baseline_bytes + _READ_MULTIPLE * max_row_bytes)
        if budget_bytes < least:
            takes = f"the program itself takes {baseline_bytes / 1e6:.0f} MB"
            if max(largest.held_bytes, largest.row_bytes) > _MIN_BLOCK_BYTES:
                takes += f", and rows of {largest.path} {reading / 1e6:,.0f} MB"
            raise BudgetError(
                f"a memory budget of {n_sharing * budget_bytes / 1e6:.0f} MB is too small"
                f"{f' for {n_sharing} processes' if n_sharing > 1 else ''}, since {takes}; give "
                f"--memory {n_sharing * least / 1e6:.0f}MB or more"
            )
        # A fifth stays free for memory that the allocator holds back.
        free = (budget_bytes - baseline_bytes - largest.held_bytes) * 4 // 5
        dictionary_bytes = min(free // 8, _MAX_DICTIONARY_BYTES)
        free -= dictionary_bytes
        affordable = free // (2 * least_block * multiple)
        n_workers = max(1, min(workers or n_processors(), affordable))
        # One more block is parsed, and one more waits, while all workers are busy.
        block_bytes = free // (n_workers + 2) // multiple
        return cls(
            n_workers=n_workers,
            block_bytes=max(least_block, min(block_bytes, needs.max_block_bytes)),
            table_bytes=free // (2 * n_workers),
            # A bucket is in memory twice while it is read, and as many are under way as blocks.
            bucket_bytes=min(free // (4 * (n_workers + 2)), 2**26),
            dictionary_bytes=dictionary_bytes,
            room=Room(free, needs.row_multiple, functools.partial(_advice, budget_bytes, free)),
            tie_bytes=free,
        )


@dataclass(frozen=True)
class Resources:
    """The resources that the steps of a conversion share.

    ``workers`` do tasks, wherever that is, and ``threads`` those of this process.  ``temp_dir`` is
    the user's folder for temporary files, ``folder`` the one in it that is the conversion's own.
    ``journal`` keeps the results of tasks, where the conversion ``is_resumable``.
    """

    plan: MemoryPlan
    workers: Pool
    threads: Pool
    temp_dir: Path
    folder: Path
    progress: PhasedProgress
    is_resumable: bool = False
    journal: Journal = field(default_factory=Journal)

    def in_order(
        self,
        function: Callable[[Item], Result],
        items: Iterable[Item],
        size: Callable[[Item], int] = _small,
        usual_bytes: int | None = None,
    ) -> Iterator[Result]:
        """The results in the order of the items, as many under way as memory allows.

        That is one for each worker, and one more.  Items whose ``size`` is above ``usual_bytes``,
        by default that of a block, count as so many more: a very large one is under way alone.
        """
        for _, result in self.pairs(function, items, size, usual_bytes):
            yield result

    def pairs(
        self,
        function: Callable[[Item], Result],
        items: Iterable[Item],
        size: Callable[[Item], int] = _small,
        usual_bytes: int | None = None,
        again: Callable[[Item, Result], Item | None] | None = None,
    ) -> Iterator[tuple[Item, Result]]:
        """Each item with its result, otherwise like `in_order`.

        Where a result does not hold, ``again`` returns the item that is taken instead, here in this
        process.
        """
        step = self.journal.step()
        pool, n_workers = step.over(self.workers.executor), self.workers.n_workers
        most = _most(min(n_workers, _MOST_SENT), usual_bytes or self.plan.block_bytes)

        def once_more(item: Item, result: Result) -> Callable[[], Result] | None:
            other = again(item, result) if again else None
            return None if other is None else lambda: function(other)

        yield from step.noted(
            results_in_order(pool, function, items, n_workers, size, most, once_more)
        )

    def division(self, n_bytes: int, expansion: int) -> Division:
        """How sources of ``n_bytes`` in all are divided: some parts for each worker.

        Rows may be ``expansion`` times larger than in the files.
        """
        n_workers, block_bytes = self.workers.n_workers, self.plan.block_bytes
        wanted = max(_MIN_BLOCK_BYTES, n_bytes // (_PARTS_A_WORKER * n_workers))
        most = _most(min(n_workers, _MOST_SENT), block_bytes) // min(n_workers, _MOST_SENT)
        return Division(min(block_bytes // expansion, wanted), most, block_bytes)

    def begun(self, function: Callable[..., Result], *given: Any) -> Callable[[], Result]:
        """A task that begins at once, as a function that waits for its result."""
        step = self.journal.step()
        future = step.over(self.workers.executor).submit(function, *given)

        def result() -> Result:
            ((_, found),) = step.noted(iter([(None, future.result())]))
            return found

        return result

    def large_in_order(
        self,
        function: Callable[[Item], Result],
        items: Iterable[Item],
        size: Callable[[Item], int],
        usual_bytes: int,
    ) -> Iterator[Result]:
        """Large results, which threads of this process make and nothing keeps, like `in_order`."""
        pool, n_workers = self.threads
        most = _most(n_workers, usual_bytes)
        pairs = results_in_order(pool, function, items, n_workers, size, most)
        for _, result in pairs:
            yield result


def _most(n_workers: int, usual_bytes: int) -> int:
    """The size of all items that are under way."""
    # A block ends with the row that begins in it, so most are a bit larger than is usual.
    return (n_workers + 1) * usual_bytes * 9 // 8
