"""`Validator`: scores the weights that a model has in training, on validation rows."""

from collections.abc import Callable, Iterable, Sequence

from ooc_train.dtypes import I64, AnyArray
from ooc_train.reading.rows import Batch
from ooc_train.reading.split import Split
from ooc_train.training.options import VAL_LOSS, VAL_TOP_5
from ooc_train.training.scores.split_scores import evaluation_batches
from ooc_train.training.scores.tally import ClassTally
from ooc_train.training.standing import Figures
from ooc_train.training.steps.choice import Evaluators
from ooc_train.training.steps.trainer import Totals


class Validator:
    """Scores a model's weights on rows of a split.  Memory: one window of rows."""

    def __init__(
        self, split: Split, evaluators: Evaluators, batch_size: int, *, pads_as_needed: bool
    ) -> None:
        self._split = split
        self._evaluators = evaluators
        self._batch_size = batch_size
        self._pads_as_needed = pads_as_needed

    def score(
        self,
        after_batch: Callable[[float, Batch, I64], None],
        slices: Iterable[tuple[int, int]] | None = None,
        weights: Sequence[AnyArray] | None = None,
    ) -> Figures:
        """The figures of the trainer's current weights on all rows, or on those of ``slices``.

        ``weights`` are other ones, or, where they are at hand, the same.
        ``after_batch`` is called with the mean loss of each batch, the batch, and the numbers of
        its rows; what it raises ends the scoring.
        """
        totals, tally = Totals(), ClassTally(self._split.n_classes)
        evaluate = self._evaluators(weights)
        batches = evaluation_batches(
            self._split, self._batch_size, pads_as_needed=self._pads_as_needed, slices=slices
        )
        for rows, batch in batches:
            loss, probabilities = evaluate(batch)
            after_batch(loss, batch, rows)
            totals.add(n_rows=len(rows), mean_loss=loss)
            tally.add(batch.labels, probabilities)
        figures = {
            VAL_LOSS: totals.loss,
            "val_accuracy": tally.accuracy,
            "val_macro_f1": tally.macro_f1,
        }
        top_5 = tally.top_k_accuracy
        return figures if top_5 is None else figures | {VAL_TOP_5: top_5}


UNVALIDATED: Figures = {VAL_LOSS: None, "val_accuracy": None, "val_macro_f1": None}
"""The figures where there are no validation rows."""
