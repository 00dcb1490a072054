"""The learning rate of each step: a function of its number and of the epochs before it.

So a schedule has no state to save.  The rates are those of Keras's ``CosineDecay``, with its
linear warm-up, and ``ReduceLROnPlateau``.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """Learning rates by step and by the validation figures of earlier epochs.

    >>> cosine = Schedule(0.1, warmup_steps=2, decay_steps=4)
    >>> [round(cosine.rate(step), 3) for step in range(7)]
    [0.0, 0.05, 0.1, 0.085, 0.05, 0.015, 0.0]
    """

    learning_rate: float
    warmup_steps: int = 0
    """The first steps, in which the rate rises linearly from 0."""
    decay_steps: int | None = None
    """Steps after the warm-up in which the rate falls to 0, as half a cosine wave; ``None``: it
    stays."""
    factor: float = 1.0
    """Multiplies the rate after each plateau: ``patience`` epochs without improvement."""
    patience: int = 1
    n_exempt: int = 0
    """The first epochs, which do not count as epochs without improvement."""

    @property
    def is_constant(self) -> bool:
        """Whether all steps have the same rate."""
        return not self.warmup_steps and self.decay_steps is None and self.factor == 1

    def rate(self, step: int, n_plateaus: int = 0) -> float:
        """The learning rate of a step, counted from 0, after ``n_plateaus``."""
        rate = self.learning_rate * self.factor**n_plateaus
        if step < self.warmup_steps:
            return rate * step / self.warmup_steps
        if self.decay_steps is None:
            return rate
        share = min(1, (step - self.warmup_steps) / self.decay_steps)
        return rate * 0.5 * (1 + math.cos(math.pi * share))

    def n_plateaus(self, history: Sequence[float]) -> int:
        """The number of plateaus in a history of values by epoch; lower values are better."""
        best, n_without, n_plateaus = math.inf, 0, 0
        for number, value in enumerate(history, start=1):
            if value < best:
                best, n_without = value, 0
            elif number > self.n_exempt:
                n_without += 1
            if n_without == self.patience:
                n_without, n_plateaus = 0, n_plateaus + 1
        return n_plateaus
