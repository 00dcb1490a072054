"""The page of a run as HTML: its figures, tables and words, in their order."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any

import numpy as np

from ooc_train.report import figures
from ooc_train.visible import visible

MAX_MATRIX_CLASSES = 64
PAIRS_SHOWN = 12


def page(content: Mapping[str, Any]) -> str:
    """The whole page.

    ``content`` has a ``title``; ``settings``, the run's ``settings.json``; ``training``, the report
    of `train`, or ``None``; and ``evaluation``, the result of `evaluate`, or ``None``.
    """
    style = files("ooc_train.report").joinpath("page.css").read_text("utf-8")
    title = _escaped(content["title"])
    evaluation, training = content["evaluation"], content["training"]
    sections = [
        *(_training_sections(training) if training else ()),
        *(_evaluation_sections(evaluation) if evaluation else ()),
        *_background_sections(content["settings"], training),
    ]
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title} · ooc-train</title>
<style>
{style}</style>
</head>
<body><main>
<h1>{title}</h1>
<p class="quiet">{_escaped(_subtitle(content))}</p>
{_tiles(evaluation, training)}
<div class="cards">
{"".join(sections)}</div>
</main></body>
</html>
"""


def _subtitle(content: Mapping[str, Any]) -> str:
    settings, evaluation = content["settings"], content["evaluation"]
    text = f"{settings['model']} trained on {settings['data']}, {settings['features']} features"
    if not evaluation:
        return f"{text}; not evaluated, since there are no validation rows"
    return f"{text}; scores on the {evaluation['rows']:,} {evaluation['split']} rows"


def _tiles(evaluation: Mapping[str, Any] | None, training: Mapping[str, Any] | None) -> str:
    figures_of: dict[str, str] = {}
    if evaluation:
        figures_of["accuracy"] = f"{evaluation['accuracy']:.4f}"
        figures_of["most frequent class alone"] = f"{evaluation['baseline_accuracy']:.4f}"
        figures_of["macro F1"] = f"{evaluation['macro_f1']:.4f}"
        if "top_k_accuracy" in evaluation:
            top = evaluation["top_k_accuracy"]
            figures_of[f"among the {top['k']} most probable"] = f"{top['accuracy']:.4f}"
        if evaluation.get("roc_auc") is not None:
            figures_of["ROC area"] = f"{evaluation['roc_auc']:.4f}"
        figures_of["loss"] = f"{evaluation['loss']:.4f}"
    if training:
        epochs = training["epochs"]
        rates = [epoch["rows_per_second"] for epoch in epochs]
        figures_of["train rows"] = f"{training['rows']:,}"
        figures_of["epoch kept"] = f"{_kept(training):g} of {len(epochs)}"
        figures_of["rows/s"] = f"{np.median(rates):,.0f}" if rates else "–"
        figures_of["time"] = _duration(training["seconds"])
        if training.get("peak_rss_bytes"):
            figures_of["peak resident memory"] = _megabytes(training["peak_rss_bytes"])
            figures_of["peak anonymous memory"] = _megabytes(training["peak_anon_bytes"])
    items = (
        f"<li><b>{_escaped(value)}</b>{_escaped(name)}</li>" for name, value in figures_of.items()
    )
    return f'<ul class="tiles">{"".join(items)}</ul>'


def _kept(training: Mapping[str, Any]) -> float:
    """When the weights that were kept were the model's, in epochs from the beginning."""
    epoch: float = training.get("best", {}).get("epoch", training["best_epoch"])
    return epoch


def _training_sections(training: Mapping[str, Any]) -> Iterator[str]:
    epochs = training["epochs"]
    for figure in ("loss", "accuracy"):
        inside = training.get("validations", ())
        drawn = figures.curves(epochs, figure, _kept(training), inside)
        yield _figure(f"{figure.capitalize()} by epoch", drawn)
    if any("learning_rate" in epoch for epoch in epochs):
        yield _figure("Learning rate", figures.learning_rate(epochs))
    yield _figure("Training speed", figures.speed(epochs))
    over_time = training.get("memory_over_time")
    if over_time and over_time["seconds"]:
        levels = {
            "budget": training.get("memory_budget_bytes"),
            "resident before the first row": training.get("baseline_rss_bytes"),
        }
        known = {name: level for name, level in levels.items() if level}
        yield _figure("Memory of the training", figures.memory(over_time, known))


def _evaluation_sections(evaluation: Mapping[str, Any]) -> Iterator[str]:
    classes, split = evaluation["classes"], evaluation["split"]
    names = [score["name"] for score in classes]
    if evaluation.get("roc_auc") is not None:
        curves = evaluation["curves"]
        yield _figure(f"ROC, area {evaluation['roc_auc']:.4f}", figures.roc(curves[1], names))
        yield _figure("Precision by recall", figures.precision_by_recall(curves, names))
        yield _section("Thresholds", _threshold_table(classes), f"{split} rows")
    if evaluation["confusion"]:
        yield _matrix(evaluation, names)
    yield _section("Scores by class", _class_table(classes), f"{split} rows")
    if evaluation["confused_pairs"]:
        said = "with examples that have a high probability of the wrong class"
        yield _section("Most confused", _pair_table(evaluation, names), said, wide=True)


def _background_sections(
    settings: Mapping[str, Any], training: Mapping[str, Any] | None
) -> Iterator[str]:
    yield _section("Settings", _definitions(settings))
    environment = (training or {}).get("environment")
    if environment:
        yield _section("Environment", _definitions(environment))


def _matrix(evaluation: Mapping[str, Any], names: Sequence[str]) -> str:
    """The confusion matrix, limited to the classes with the most errors if there are many."""
    counts = np.array(evaluation["confusion"])
    shown = np.arange(len(names))
    said = "classes down, predicted classes across; darker cells hold more of their class's rows"
    if len(names) > MAX_MATRIX_CLASSES:
        wrong = counts.sum(axis=0) + counts.sum(axis=1) - 2 * np.diag(counts)
        shown = np.sort(np.argsort(-wrong, kind="stable")[:MAX_MATRIX_CLASSES])
        said += f"; only the {len(shown)} of {len(names):,} classes with the most errors"
    part = counts[np.ix_(shown, shown)].tolist()
    drawn = figures.confusion(part, [names[i] for i in shown.tolist()])
    body = f'<div class="scroll matrix">{drawn}</div>'
    return _section("Confusion matrix", body, said, wide=len(shown) > 6)


def _threshold_table(classes: Sequence[Mapping[str, Any]]) -> str:
    """For each of two classes, the scores at the threshold 0.5 and at that of the highest F1."""
    head = ("class", "average precision", "F1 at 0.5", "best F1", "from", "precision", "recall")
    lines = []
    for score in classes:
        best = score["best_threshold"]
        values = (score["average_precision"], score["f1"], best["f1"], best["probability"],
                  best["precision"], best["recall"])  # fmt: skip
        numbers = ("–" if value is None else f"{value:.4f}" for value in values)
        lines.append(_line(map(_cell, [score["name"], *numbers])))
    advice = '<p class="quiet">Choose a threshold on validation rows, not on test rows.</p>'
    return _table(head, lines) + advice


def _class_table(classes: Sequence[Mapping[str, Any]]) -> str:
    lines = []
    for score in classes:
        f1 = f"{score['f1']:.4f}"
        cells = (
            score["name"],
            f"{score['support']:,}",
            f"{score['precision']:.4f}",
            f"{score['recall']:.4f}",
        )
        bar = f'<td>{f1}<meter value="{f1}"></meter></td>'
        lines.append(_line([*map(_cell, cells), bar]))
    return _table(("class", "rows", "precision", "recall", "F1"), lines)


def _pair_table(evaluation: Mapping[str, Any], names: Sequence[str]) -> str:
    """A line for each pair of classes, with examples below it."""
    lines = []
    for pair in evaluation["confused_pairs"][:PAIRS_SHOWN]:
        own, other = pair["class"], pair["predicted"]
        share = pair["rows"] / evaluation["classes"][own]["support"]
        cells = (f"{names[own]} → {names[other]}", f"{pair['rows']:,}", f"{share:.1%}")
        examples = (
            f"<div>row {example['row']:,} ({example['probability']:.2f}): "
            f"{_escaped(example['text'])}</div>"
            for example in pair["examples"]
        )
        lines.append(f'<tr class="pair">{"".join(map(_cell, cells))}</tr>')
        lines.append(f'<tr><td class="text" colspan="3">{"".join(examples)}</td></tr>')
    return _table(("class → predicted", "rows", "of the class"), lines)


def _table(head: Iterable[str], lines: Iterable[str]) -> str:
    titles = "".join(f"<th>{_escaped(title)}</th>" for title in head)
    return (
        f'<div class="scroll"><table><thead><tr>{titles}</tr></thead>\n<tbody>'
        + "\n".join(lines)
        + "</tbody></table></div>"
    )


def _line(cells: Iterable[str]) -> str:
    return f"<tr>{''.join(cells)}</tr>"


def _escaped(text: str) -> str:
    return escape(visible(text))


def _cell(text: str) -> str:
    return f"<td>{_escaped(text)}</td>"


def _definitions(values: Mapping[str, Any]) -> str:
    pairs = (
        f"<dt>{_escaped(name.replace('_', ' '))}</dt><dd>{_escaped(str(value))}</dd>"
        for name, value in values.items()
        if value is not None and not isinstance(value, Mapping)
    )
    return f"<dl>{''.join(pairs)}</dl>"


def _figure(title: str, svg: str) -> str:
    return _section(title, f'<div class="figure">{svg}</div>')


def _section(title: str, body: str, said: str = "", *, wide: bool = False) -> str:
    attribute = ' class="wide"' if wide else ""
    line = f'<p class="quiet">{_escaped(said)}</p>' if said else ""
    return f"<section{attribute}><h2>{_escaped(title)}</h2>{line}{body}</section>\n"


def _duration(seconds: float) -> str:
    """A length of time for people.

    >>> _duration(12.34), _duration(75), _duration(7300)
    ('12.3 s', '1 min 15 s', '2 h 1 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def _megabytes(n_bytes: float) -> str:
    return f"{n_bytes / 1e6:,.0f} MB"
