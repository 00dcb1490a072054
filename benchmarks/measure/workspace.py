"""A temporary folder with room enough, gone afterwards whatever happens."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ooc_train.errors import BudgetError

_RESERVE_BYTES = 200 * 10**6


@contextlib.contextmanager
def workspace(parent: Path, needed_bytes: int) -> Iterator[Path]:
    """A new folder below `parent`, deleted with all that is in it, also on Ctrl-C.

    Raises `BudgetError` before anything is written when `parent` has less than `needed_bytes`
    and a reserve.
    """
    parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(parent).free
    if free < needed_bytes + _RESERVE_BYTES:
        raise BudgetError(
            f"{parent} has {free / 1e9:.1f} GB free, and "
            f"{(needed_bytes + _RESERVE_BYTES) / 1e9:.1f} GB are needed for a while; give a folder "
            f"on another disk with --work, or fewer --rows"
        )
    with tempfile.TemporaryDirectory(prefix="benchmark-", dir=parent) as folder:
        yield Path(folder)
