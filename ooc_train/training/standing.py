"""`Standing`: how far a training has come, and the figures that it has measured so far."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import NoneType
from typing import Any

from ooc_train.training.options import VAL_LOSS
from ooc_train.training.steps.trainer import Totals

Figures = dict[str, Any]
"""The figures of an epoch or of a validation, by their names in the report."""
_NUMBERS = ("epoch", "step", "seconds", "seconds_waited")
_OF_EPOCH = {"seconds", "rows_per_second", "loss", "accuracy", VAL_LOSS, "val_accuracy"}
_OF_VALIDATION = {"epoch", "step", "rows", VAL_LOSS, "val_accuracy"}
_FIGURES = {int, float, NoneType}


def kept_figures(report: Mapping[str, Any]) -> Figures:
    """The figures of the weights that a training kept, with their ``epoch``, from its report.

    Those of the train rows are of the whole epoch.  Reports of before have no ``best``.
    """
    epoch: int = report["best_epoch"]
    return {"epoch": epoch, **report["epochs"][epoch - 1], **report.get("best", {})}


@dataclass
class Standing:
    """How far a training has come; JSON can hold it."""

    epoch: int = 0
    """Whole epochs done, validation included."""
    step: int = 0
    """Steps done of the current epoch, which ``seconds`` and ``totals`` belong to."""
    seconds: float = 0.0
    seconds_waited: float = 0.0
    totals: Totals = field(default_factory=Totals)
    history: list[Figures] = field(default_factory=list)
    """The figures of each epoch done."""
    validations: list[Figures] = field(default_factory=list)
    """The figures of each validation inside an epoch."""

    @property
    def figures(self) -> Figures:
        """The figures of the current epoch's training."""
        return {
            "seconds": self.seconds,
            "rows_per_second": self.totals.n_rows / self.seconds,
            "input_wait_share": self.seconds_waited / self.seconds,
            "loss": self.totals.loss,
            "accuracy": self.totals.accuracy,
        }

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> "Standing":
        """The standing that `asdict` turned into ``facts``.

        Raises TypeError or ValueError if no standing gives these.
        """
        standing = cls(**{**facts, "totals": Totals(**facts["totals"])})
        numbers = [*facts["totals"].values(), *(getattr(standing, name) for name in _NUMBERS)]
        if not all(type(n) in (int, float) and 0 <= n < math.inf for n in numbers):
            raise ValueError("its sums are no numbers from 0 on")
        if len(standing.history) != standing.epoch:
            raise ValueError(f"it has {len(standing.history)} of {standing.epoch} epochs")
        for found, needed in (
            (standing.history, _OF_EPOCH),
            (standing.validations, _OF_VALIDATION),
        ):
            for figures in found:
                if not figures.keys() >= needed or {*map(type, figures.values())} - _FIGURES:
                    raise ValueError("an epoch lacks a figure, or one is no number")
        return standing

    def after_epoch(self, figures: Figures) -> "Standing":
        """The standing at the beginning of the next epoch; ``figures`` are those of this one."""
        return Standing(
            epoch=self.epoch + 1,
            history=[*self.history, figures],
            validations=self.validations,
        )
