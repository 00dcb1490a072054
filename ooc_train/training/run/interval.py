"""`Interval`: how often a training saves its state."""

import re
from dataclasses import dataclass

from ooc_train.errors import OptionError

DEFAULT_EVERY = "5m"
_UNITS = {"s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True)
class Interval:
    """The steps, or the seconds, from one checkpoint to the next."""

    steps: int | None = None
    seconds: float | None = None

    @classmethod
    def parse(cls, text: str | int) -> "Interval":
        """An interval from ``"500"``, steps, or a time such as ``"5m"``, ``"30s"`` or ``"1.5h"``.

        >>> Interval.parse("500"), Interval.parse("5m")
        (Interval(steps=500, seconds=None), Interval(steps=None, seconds=300.0))
        """
        match = re.fullmatch(r"(\d+|\d+\.\d+(?=\w))([smh]?)", str(text).strip())
        if not match or float(match[1]) == 0:
            raise OptionError(
                f"{text!r} is no interval for checkpoints; write a number of steps, such as 500, "
                "or a time, such as 30s, 5m or 1h"
            )
        if not match[2]:
            return cls(steps=int(match[1]))
        return cls(seconds=float(match[1]) * _UNITS[match[2]])
