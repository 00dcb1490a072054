"""All that a training reads, open: its file, those mixed in, and the run it begins with."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ooc_train.reading.store import Store
from ooc_train.reading.store import open as open_store
from ooc_train.training.continuing import Origin, opened_origin
from ooc_train.training.mix_shares import parse_mix
from ooc_train.training.mixing import Other
from ooc_train.training.options import TrainingOptions


@dataclass(frozen=True)
class TrainingInputs:
    """The open inputs of a training."""

    store: Store
    others: Sequence[Other]
    """The files whose rows are mixed with those of ``store``."""
    origin: Origin | None
    """The run whose model the training begins with."""


@contextmanager
def opened_inputs(
    path: str | Path, options: TrainingOptions, *, verify: bool
) -> Iterator[TrainingInputs]:
    """The inputs of a training on the file at ``path``, open during the block.

    Raises what `open_store` and `open_run` do.
    """
    with ExitStack() as stack:
        store = stack.enter_context(open_store(path, verify=verify))
        others = [
            Other(stack.enter_context(open_store(mixed, verify=verify)), share)
            for mixed, share in parse_mix(options.mix)
        ]
        origin = stack.enter_context(opened_origin(options.init_from))
        yield TrainingInputs(store, others, origin)
