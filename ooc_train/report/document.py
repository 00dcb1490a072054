"""The page of a run as HTML: its figures, tables and words, in their order."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ooc_train.counts import counted
from ooc_train.report import figures
from ooc_train.report.elements import (
    Bar,
    Card,
    Tile,
    advice,
    bars,
    card,
    cards,
    cell,
    command_line,
    definitions,
    duration,
    escaped,
    figure,
    line,
    lists,
    megabytes,
    page_of,
    share_cell,
    table,
    tiles,
)

MAX_MATRIX_CLASSES = 64
_NARROW_CLASSES = 14
PAIRS_SHOWN = 12
ROWS_SHOWN = 20
_COMPILING_SHARE = 0.25
"""An epoch that is so much slower than the median one has compiled kernels."""
_INTERNAL = {
    "version", "fingerprint", "pads_as_needed", "schedule_epochs", "callbacks", "frozen_epochs",
    "n_columns", "n_classes", "max_length", "data", "features", "epochs",
}  # fmt: skip
"""Settings that are not shown: those of no interest to people, and those that stand elsewhere."""


def page(content: Mapping[str, Any]) -> str:
    """The whole page.

    ``content`` has a ``title``; ``settings``, the run's ``settings.json``; ``training``, the report
    of `train`, or ``None``; and ``evaluation``, the result of `evaluate`, or ``None``.  It may have
    ``date``, ``advice`` (lines), ``command``, ``class_rows`` (the rows by class of each split) and
    ``terms`` (for some classes those with the largest ``effect``).
    """
    evaluation, training = content["evaluation"], content["training"]
    groups = [
        [*(_training_cards(training) if training else ())],
        [*_evaluation_cards(content), *_class_rows(content)],
        [*_wide_cards(content)],
        [*_background_cards(content)],
    ]
    body = tiles([*_tiles(evaluation, training)]) + advice(content.get("advice", ()))
    return page_of(content["title"], _subtitle(content), body + cards(groups))


def _subtitle(content: Mapping[str, Any]) -> str:
    settings, evaluation = content["settings"], content["evaluation"]
    date = f" at {content['date']}" if content.get("date") else ""
    data = f"{settings['data']}, {settings['features']} features"
    text = f"{settings['model']} trained{date} on {data}"
    if not evaluation:
        return f"{text}; not evaluated, since there are no validation rows"
    return f"{text}; scores on the {evaluation['rows']:,} {evaluation['split']} rows"


def _tiles(
    evaluation: Mapping[str, Any] | None, training: Mapping[str, Any] | None
) -> Iterator[Tile]:
    if evaluation:
        baseline = f"{evaluation['baseline_accuracy']:.4f} by the most frequent class alone"
        yield Tile(f"{evaluation['accuracy']:.4f}", "accuracy", baseline)
        yield Tile(f"{evaluation['macro_f1']:.4f}", "macro F1", "mean over the classes")
        if "top_k_accuracy" in evaluation:
            top = evaluation["top_k_accuracy"]
            yield Tile(f"{top['accuracy']:.4f}", f"among the {top['k']} most probable")
        if evaluation.get("roc_auc") is not None:
            yield Tile(f"{evaluation['roc_auc']:.4f}", "ROC area")
        yield Tile(f"{evaluation['loss']:.4f}", "loss", "mean cross-entropy")
    if training:
        epochs = training["epochs"]
        rates = [epoch["rows_per_second"] for epoch in epochs]
        yield Tile(f"{training['rows']:,}", "train rows")
        yield Tile(f"{_kept(training):g} of {len(epochs)}", "epoch kept")
        rate = f"{np.median(rates):,.0f} rows/s" if rates else ""
        yield Tile(duration(training["seconds"]), "time", rate)
        if training.get("peak_rss_bytes"):
            anonymous = f"{megabytes(training['peak_anon_bytes'])} anonymous"
            yield Tile(megabytes(training["peak_rss_bytes"]), "peak memory", anonymous)


def _kept(training: Mapping[str, Any]) -> float:
    """When the weights that were kept were the model's, in epochs from the beginning."""
    epoch: float = training.get("best", {}).get("epoch", training["best_epoch"])
    return epoch


def _training_cards(training: Mapping[str, Any]) -> Iterator[Card]:
    epochs = training["epochs"]
    for name in ("loss", "accuracy"):
        inside = training.get("validations", ())
        drawn = figures.curves(epochs, name, _kept(training), inside)
        yield figure(f"{name.capitalize()} by epoch", drawn)
    if any("learning_rate" in epoch for epoch in epochs):
        yield figure("Learning rate", figures.learning_rate(epochs))
    if epochs:
        yield _speed(epochs)
    over_time = training.get("memory_over_time")
    if over_time and over_time["seconds"]:
        before, budget = training.get("baseline_rss_bytes"), training.get("memory_budget_bytes")
        levels = {"before the first row": before}
        if before and budget:  # which bounds what rows take beside the model
            levels["the same with --memory"] = before + budget
        known = {name: level for name, level in levels.items() if level}
        yield figure("Memory of the training", figures.memory(over_time, known), "MB")


def _speed(epochs: Sequence[Mapping[str, Any]]) -> Card:
    rates = {number: epoch["rows_per_second"] for number, epoch in enumerate(epochs, 1)}
    said = "rows/s"
    if len(rates) > 2 and rates[1] < _COMPILING_SHARE * float(np.median([*rates.values()])):
        said += f"; epoch 1, with {rates[1]:,.0f} rows/s, compiled kernels and is left out"
        del rates[1]
    return figure("Training speed", figures.speed(rates), said)


def _evaluation_cards(content: Mapping[str, Any]) -> Iterator[Card]:
    evaluation = content["evaluation"]
    if not evaluation:
        return
    classes, split = evaluation["classes"], evaluation["split"]
    names = [score["name"] for score in classes]
    is_ranked = evaluation.get("roc_auc") is not None
    if is_ranked:
        curves, second = evaluation["curves"], names[1]
        said = f"share of {second} that is found, by the share of {names[0]} taken for it"
        area = f"area {evaluation['roc_auc']:.4f}"
        yield figure(f"ROC, {area}", figures.roc(curves[1], names), said)
        drawn = figures.precision_by_recall(curves, names)
        yield figure("Precision by recall", drawn)
    if evaluation["confusion"]:
        yield _matrix(evaluation, names)
    by_split = content.get("class_rows")
    scores = _class_table(classes, split, by_split["train"] if by_split else None)
    if is_ranked:
        scores += f"<h3>Thresholds</h3>{_threshold_table(classes)}"
    yield card("Scores by class", scores, f"on {split} rows")


def _class_rows(content: Mapping[str, Any]) -> Iterator[Card]:
    """The rows by class of each split, where no scores stand beside them."""
    by_split = content.get("class_rows")
    if not by_split or content["evaluation"]:
        return
    most = max(1, *by_split["train"])
    others = [split for split in by_split if split != "train"]
    lines = [
        line(
            [
                cell(name),
                *(cell(f"{by_split[split][number]:,}") for split in others),
                share_cell(f"{by_split['train'][number]:,}", by_split["train"][number] / most),
            ]
        )
        for number, name in enumerate(content["class_names"])
    ]
    yield card("Rows by class", table(("class", *others, "train"), lines))


def _wide_cards(content: Mapping[str, Any]) -> Iterator[Card]:
    terms = content.get("terms")
    if terms:
        yield _terms(terms)
    evaluation = content["evaluation"]
    if evaluation and evaluation["confused_pairs"]:
        names = [score["name"] for score in evaluation["classes"]]
        said = "with examples that have a high probability of the wrong class"
        yield card("Most confused", _pair_table(evaluation, names), said, wide=True)
    if evaluation and evaluation.get("confused_rows", {}).get("rows"):
        yield _confused_rows(evaluation)


def _confused_rows(evaluation: Mapping[str, Any]) -> Card:
    """The texts that were most certainly taken for another class."""
    names = [score["name"] for score in evaluation["classes"]]
    rows, n_texts = evaluation["confused_rows"]["rows"], evaluation["confused_rows"]["of"]
    lines = []
    for one in rows[:ROWS_SHOWN]:
        pair = f"{names[one['class']]} → {names[one['predicted']]}"
        cells = map(cell, (pair, f"{one['probability']:.2f}", f"{one['row']:,}"))
        lines.append(f'<tr class="pair">{"".join(cells)}</tr>')
        lines.append(f'<tr><td class="text" colspan="3">{escaped(one["text"])}</td></tr>')
    said = (
        f"most certain first, among the {n_texts:,} {evaluation['split']} rows whose texts the "
        f"file keeps"
    )
    body = table(("class → predicted", "probability", "row"), lines)
    return card("Texts taken for another class", body, said, wide=True)


def _terms(terms: Sequence[Mapping[str, Any]]) -> Card:
    """For each class the terms that speak most for it."""
    most = max([term["effect"] for one in terms for term in one["terms"]], default=1.0)
    by_class = {
        one["class"]: bars(
            [
                Bar(term["term"], term["effect"] / most, f"{term['effect']:+.1f}")
                for term in one["terms"]
            ]
        )
        for one in terms
    }
    said = (
        "by the weights: how much a text of this term alone raises the log-odds of the class, "
        "compared with an empty text"
    )
    return card("Terms that speak most for each class", lists(by_class), said, wide=True)


def _background_cards(content: Mapping[str, Any]) -> Iterator[Card]:
    settings, training = content["settings"], content["training"]
    yield card("Settings", definitions(_shown_settings(settings)))
    environment = (training or {}).get("environment")
    if environment:
        yield card("Environment", definitions(_plain(environment)))
    if content.get("command"):
        yield card("To train it again", command_line(content["command"]), wide=True)


def _shown_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    shown = {name: value for name, value in settings.items() if name not in _INTERNAL}
    given = {
        name: value for name, value in shown.items() if value not in (None, False, 0, "auto", [])
    }
    sizes = {
        name: f"{settings[key]:,}"
        for name, key in (("columns", "n_columns"), ("classes", "n_classes"))
        if key in settings
    }
    return {"data": settings["data"], "features": settings["features"]} | sizes | _plain(given)


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name.replace("_", " "): value
        for name, value in values.items()
        if value is not None and not isinstance(value, Mapping)
    }


def _matrix(evaluation: Mapping[str, Any], names: Sequence[str]) -> Card:
    """The confusion matrix, limited to the classes with the most errors if there are many."""
    counts = np.array(evaluation["confusion"])
    shown = np.arange(len(names))
    said = "classes down, predicted classes across; darker cells hold more of their class's rows"
    if len(names) > MAX_MATRIX_CLASSES:
        wrong = counts.sum(axis=0) + counts.sum(axis=1) - 2 * np.diag(counts)
        shown = np.sort(np.argsort(-wrong, kind="stable")[:MAX_MATRIX_CLASSES])
        said += f"; only the {len(shown)} of {counted(len(names), 'class')} with the most errors"
    part = counts[np.ix_(shown, shown)].tolist()
    drawn = figures.confusion(part, [names[i] for i in shown.tolist()])
    size = f"--least:{120 + 21 * len(shown)}px; --most:{max(300, 140 + 44 * len(shown))}px"
    body = f'<div class="scroll matrix" style="{size}">{drawn}</div>'
    return card("Confusion matrix", body, said, wide=len(shown) > _NARROW_CLASSES, flexible=False)


def _threshold_table(classes: Sequence[Mapping[str, Any]]) -> str:
    """For each of two classes, the scores at the threshold 0.5 and at that of the highest F1."""
    head = ("class", "average precision", "F1 at 0.5", "best F1", "from", "precision", "recall")
    lines = []
    for score in classes:
        best = score["best_threshold"]
        values = (score["average_precision"], score["f1"], best["f1"], best["probability"],
                  best["precision"], best["recall"])  # fmt: skip
        numbers = ("–" if value is None else f"{value:.4f}" for value in values)
        lines.append(line(map(cell, [score["name"], *numbers])))
    said = '<p class="quiet">Choose a threshold on validation rows, not on test rows.</p>'
    return table(head, lines) + said


def _class_table(
    classes: Sequence[Mapping[str, Any]], split: str, train_rows: Sequence[int] | None
) -> str:
    trained = split != "train" and train_rows
    lines = []
    for number, score in enumerate(classes):
        cells = [cell(score["name"])]
        if trained:
            cells.append(cell(f"{trained[number]:,}"))
        cells += [
            cell(f"{score['support']:,}"),
            cell(f"{score['precision']:.4f}"),
            cell(f"{score['recall']:.4f}"),
            share_cell(f"{score['f1']:.4f}", score["f1"]),
        ]
        lines.append(line(cells))
    rows = ("train rows", "rows") if trained else ("rows",)
    return table(("class", *rows, "precision", "recall", "F1"), lines)


def _pair_table(evaluation: Mapping[str, Any], names: Sequence[str]) -> str:
    """A line for each pair of classes, with examples below it."""
    lines = []
    for pair in evaluation["confused_pairs"][:PAIRS_SHOWN]:
        own, other = pair["class"], pair["predicted"]
        share = pair["rows"] / evaluation["classes"][own]["support"]
        cells = (f"{names[own]} → {names[other]}", f"{pair['rows']:,}", f"{share:.1%}")
        examples = (
            f"<div>row {example['row']:,} ({example['probability']:.2f}): "
            f"{escaped(example['text'])}</div>"
            for example in pair["examples"]
        )
        lines.append(f'<tr class="pair">{"".join(map(cell, cells))}</tr>')
        lines.append(f'<tr><td class="text" colspan="3">{"".join(examples)}</td></tr>')
    return table(("class → predicted", "rows", "of the class"), lines)
