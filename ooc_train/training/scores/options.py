"""The options of `evaluate`."""

import os
from dataclasses import dataclass

from ooc_train.options import at_least, check, option
from ooc_train.outputs import OutputOptions
from ooc_train.training.run.options import OpenOptions

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions(OutputOptions, OpenOptions):
    """The options of `evaluate`.  Raises OptionError if one is out of range."""

    split: str = option("test", "the rows to evaluate on", choices=SPLITS)
    batch_size: int | None = option(
        None, "rows evaluated at a time", fallback="as in training", limits=at_least(1)
    )
    html: str | os.PathLike[str] | None = option(
        None, "write the scores to FILE as a page with figures that opens offline; needs matplotlib"
    )

    def __post_init__(self) -> None:
        check(self)
