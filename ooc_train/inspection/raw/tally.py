"""Rows that a conversion would reject, counted by reason."""

import re
from collections import Counter
from typing import Any

from ooc_train.conversion.sources.files.rejects import Place, Reject

_MOST_REASONS = 20
_MORE = "other reasons"
_QUOTED = re.compile(r"'(?:[^'\\\\]|\\\\.)*'")


class RejectTally:
    """The rejected rows by reason, without what is quoted in it, with the first place of each.

    Memory: that of 20 reasons.
    """

    def __init__(self) -> None:
        self.count = 0
        self._rows: Counter[str] = Counter()
        self._firsts: dict[str, str] = {}

    def add(self, place: Place, reject: Reject) -> None:
        """Count one rejected row."""
        self.count += 1
        reason = _QUOTED.sub("'…'", reject.reason)
        if reason not in self._firsts and len(self._firsts) >= _MOST_REASONS:
            reason = _MORE
        self._rows[reason] += 1
        self._firsts.setdefault(reason, f"{place}: {reject.reason}")

    @property
    def examples(self) -> str:
        """The first row of some reasons."""
        return "; ".join(list(self._firsts.values())[:3])

    @property
    def report(self) -> dict[str, Any]:
        """The figures: ``rows``, and ``reasons``, the most frequent first."""
        reasons = [
            {"reason": reason, "rows": n_rows, "first": self._firsts[reason]}
            for reason, n_rows in self._rows.most_common()
        ]
        return {"rows": self.count, "reasons": reasons}
