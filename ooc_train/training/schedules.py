"""The learning rate of each step: a function of its number and of the epochs before, nothing else.

Hence there is nothing to save of it.  The rates are those of Keras's ``CosineDecay``, with its
linear warm-up, and ``ReduceLROnPlateau``.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """Learning rates by step and by what validation has said.

    >>> cosine = Schedule(0.1, warmup_steps=2, decay_steps=4)
    >>> [round(cosine.rate(step), 3) for step in range(7)]
    [0.0, 0.05, 0.1, 0.085, 0.05, 0.015, 0.0]
    """

    learning_rate: float
    warmup_steps: int = 0
    """In which the rate rises from 0, in a line."""
    decay_steps: int | None = None
    """After these, in which it falls to 0, as half a wave of the cosine; ``None``: it stays."""
    factor: float = 1.0
    """What it is multiplied by after each plateau: ``patience`` epochs in vain."""
    patience: int = 1
    n_exempt: int = 0
    """Epochs at the beginning that do not count as those in vain."""

    @property
    def is_constant(self) -> bool:
        """Whether all steps have the same rate."""
        return not self.warmup_steps and self.decay_steps is None and self.factor == 1

    def rate(self, step: int, n_plateaus: int = 0) -> float:
        """That of a step, from 0, after so many plateaus."""
        rate = self.learning_rate * self.factor**n_plateaus
        if step < self.warmup_steps:
            return rate * step / self.warmup_steps
        if self.decay_steps is None:
            return rate
        share = min(1, (step - self.warmup_steps) / self.decay_steps)
        return rate * 0.5 * (1 + math.cos(math.pi * share))

    def n_plateaus(self, history: Sequence[float]) -> int:
        """How many there were in epochs of such values, of which lower ones are better."""
        best, n_in_vain, n_plateaus = math.inf, 0, 0
        for number, value in enumerate(history, start=1):
            if value < best:
                best, n_in_vain = value, 0
            elif number > self.n_exempt:
                n_in_vain += 1
            if n_in_vain == self.patience:
                n_in_vain, n_plateaus = 0, n_plateaus + 1
        return n_plateaus
