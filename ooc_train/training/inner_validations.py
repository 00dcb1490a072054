"""The points inside an epoch at which a training validates, and the rows that it scores there.

The end of an epoch is scored on all validation rows.  Points inside an epoch are scored on a sample
of these, the same rows each time, so that two points differ by their weights alone.  How many
points and rows there are follows from counts, never from speeds: the same file and options give the
same weights on any machine, and after any interruption.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from ooc_train.training.options import AUTO

MOST_POINTS = 9
"""Most points inside an epoch that ``auto`` chooses: with the end, one each tenth."""
LEAST_ROWS = 768
"""Rows of the smallest sample that still tells two points apart."""
SLICE_ROWS = 64
"""Consecutive rows of a sample: few, since a file may be sorted; several, for fast reading."""
_SHARE = 0.025
"""Share of an epoch's time that its points may take.  With the best of them scored on all rows at
the end of the training, that is some 3 %."""
_ROW_COST = 0.65
"""Time of scoring a row, as a multiple of that of training on it."""
_POINT_ROWS = 2600
"""Rows that take as long to score as the rest of a point's work: the weights of all columns."""


@dataclass(frozen=True)
class InnerValidations:
    """Points inside each epoch, its end left out, and the sample of validation rows they score."""

    n_points: int
    every_steps: float
    """Steps from one point to the next, at least 1."""
    n_rows: int
    """Rows of the sample: a multiple of `SLICE_ROWS`, or all validation rows."""
    n_validation_rows: int

    @classmethod
    def of(
        cls, every: str | float, *, n_steps: int, n_train_rows: int, n_validation_rows: int
    ) -> "InnerValidations":
        """The points that ``--validate-every`` stands for, in epochs of ``n_steps``.

        >>> counts = {"n_steps": 8000, "n_train_rows": 10**6, "n_validation_rows": 10**5}
        >>> inner = InnerValidations.of("auto", **counts)
        >>> inner.n_points, inner.n_rows
        (9, 1664)
        >>> InnerValidations.of(0.1, **counts).n_points
        9
        """
        affordable = int(n_train_rows * _SHARE / _ROW_COST)
        if every == AUTO:
            least = min(LEAST_ROWS, n_validation_rows) + _POINT_ROWS
            n_points = min(MOST_POINTS, n_steps - 1, affordable // least)
            every_steps = n_steps / (n_points + 1)
        else:
            n_points = math.ceil(min(n_steps, 1 / float(every))) - 1
            every_steps = max(1, n_steps * float(every))
        if not n_points or not n_validation_rows:
            return cls(0, n_steps, 0, n_validation_rows)
        n_rows = max(LEAST_ROWS, affordable // n_points - _POINT_ROWS) // SLICE_ROWS * SLICE_ROWS
        return cls(n_points, every_steps, min(n_rows, n_validation_rows), n_validation_rows)

    def is_point(self, step: int) -> bool:
        """Whether the sample is scored after ``step`` steps of an epoch."""
        number = math.ceil(step / self.every_steps)
        return 1 <= number <= self.n_points and number * self.every_steps < step + 1

    def sample(self) -> Iterator[tuple[int, int]]:
        """Slices ``(start, stop)`` of validation rows, evenly spaced in their file."""
        if self.n_rows == self.n_validation_rows:
            yield 0, self.n_rows
            return
        n_slices = self.n_rows // SLICE_ROWS
        for number in range(n_slices):
            start = number * self.n_validation_rows // n_slices
            yield start, start + SLICE_ROWS
