"""Advice in words: what to try next, by the report of a training and its scores."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ooc_train.counts import counted

_FEW_ROWS_ERROR = 0.02
_GAP = 0.1
_LITTLE = 0.02
_UNEVEN = 5
_NAMES_SHOWN = 3


def advice_for(
    settings: Mapping[str, Any],
    training: Mapping[str, Any],
    scores: Mapping[str, Any] | None,
    class_rows: Sequence[int],
) -> list[str]:
    """Sentences, the most important first; commands stand between backticks.

    ``scores`` are those on the validation rows, or ``None``; ``class_rows`` are the train rows of
    each class.
    """
    found = [*_about_epochs(settings, training)]
    if scores:
        found = [*_about_scores(scores, class_rows), *found, *_about_gaps(training, scores)]
    return found or ["Nothing stands out. Score the test rows, once, with `ooc-evaluate`."]


def _about_scores(scores: Mapping[str, Any], class_rows: Sequence[int]) -> Iterator[str]:
    n_rows, accuracy = scores["rows"], scores["accuracy"]
    if accuracy <= scores["baseline_accuracy"] + _LITTLE:
        yield (
            f"The accuracy is hardly above that of the most frequent class alone "
            f"({scores['baseline_accuracy']:.3f}). Look at rows and labels with `ooc-inspect`; if "
            f"they are right, try another `--learning-rate`."
        )
    confusion = scores.get("confusion")
    if confusion:
        predicted = np.array(confusion).sum(axis=0)
        never = [
            one["name"]
            for one, n in zip(scores["classes"], predicted.tolist(), strict=True)
            if not n and one["support"]
        ]
        if never:
            yield (
                f"{_listed(never)} {'is' if len(never) == 1 else 'are'} never predicted. Give rare "
                f"classes more weight, `--class-weight balanced`, or more rows."
            )
        elif min(class_rows) * _UNEVEN < max(class_rows) and _worst(scores) < accuracy - 2 * _GAP:
            yield (
                f"Classes have {min(class_rows):,} to {max(class_rows):,} train rows, and the "
                f"worst F1 is {_worst(scores):.2f}. Try `--class-weight balanced`."
            )
    error = 1.96 * math.sqrt(accuracy * (1 - accuracy) / n_rows)
    if error > _FEW_ROWS_ERROR:
        said = f"{scores['split']} row"
        yield (
            f"{counted(n_rows, said)} tell the accuracy to ±{error:.3f} only: smaller "
            f"differences between runs mean nothing."
        )


def _about_epochs(settings: Mapping[str, Any], training: Mapping[str, Any]) -> Iterator[str]:
    epochs = training["epochs"]
    is_validated = bool(epochs) and epochs[-1].get("val_loss") is not None
    kept = training.get("best", {}).get("epoch", training["best_epoch"])
    if is_validated and kept >= len(epochs) and len(epochs) >= settings["epochs"]:
        yield (
            f"The best epoch is the last, {len(epochs)}: the model was still learning. Train on "
            f"with `--resume --epochs {2 * len(epochs)}`."
        )
    elif is_validated and kept <= 1 < len(epochs):
        rate = settings["learning_rate"]
        yield (
            f"The best weights are those of epoch {kept:g}: it learns fast, and then the training "
            f"rows by heart. Try `--learning-rate {rate / 3:.2g}`."
        )


def _about_gaps(training: Mapping[str, Any], scores: Mapping[str, Any]) -> Iterator[str]:
    epochs = training["epochs"]
    kept = min(len(epochs), max(1, math.ceil(training["best_epoch"])))
    learned = epochs[kept - 1].get("accuracy") if epochs else None
    if learned is not None and scores["split"] != "train" and learned - scores["accuracy"] > _GAP:
        yield (
            f"The accuracy is {learned:.2f} on train rows and {scores['accuracy']:.2f} on "
            f"{scores['split']} rows. More rows help most; else try `--dropout-rate 0.5`, or fewer "
            f"terms, `ooc-convert --top-k 5000`."
        )


def _worst(scores: Mapping[str, Any]) -> float:
    return min(one["f1"] for one in scores["classes"] if one["support"])


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMES_SHOWN:,} more" if len(names) > _NAMES_SHOWN else ""
    return ", ".join(names[:_NAMES_SHOWN]) + more
