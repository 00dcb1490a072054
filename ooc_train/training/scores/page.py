"""The page of a run, ``report.html``, which `ooc_train.report` draws from its files and scores."""

from datetime import datetime
from pathlib import Path
from typing import Any

from ooc_train.errors import OutputError
from ooc_train.file.group import FileGroup
from ooc_train.progress import Progress
from ooc_train.reading.store import Store
from ooc_train.report.drawing import check_library, write_page
from ooc_train.training.models.model import Model
from ooc_train.training.models.network import Network
from ooc_train.training.run.command import command_for
from ooc_train.training.run.folder import PAGE, REPORT, Run, open_run
from ooc_train.training.scores.advice import advice_for
from ooc_train.training.scores.split_scores import score_split
from ooc_train.training.steps.influence import strongest_columns

MOST_CLASSES = 200
"""The most classes whose rows are listed."""
MOST_TERM_CLASSES, N_TERMS = 30, 10
"""The most classes whose strongest terms are listed, and the terms of each."""


def draw_page(run: Path, store: Store, progress: Progress) -> None:
    """Write the page of a complete run, with its scores on the validation rows if there are any.

    Errors are only reported to ``progress``: the run is complete without its page.
    """
    page = run / PAGE
    try:
        check_library(page)
        # The function of a user's model is one that this training was asked for.
        with open_run(run, trust_code=True) as opened:
            model, scores = opened.load_model(), None
            if len(store.splits.get("validation", ())):
                batch_size = opened.settings["batch_size"]
                scores = score_split(
                    opened, model, store, "validation", batch_size=batch_size, progress=progress
                )
            progress.start("drawing", None, "")
            write_page(page_content(opened, model, store, scores), page)
    except OutputError as error:
        progress.message(str(error))
    except Exception as error:  # noqa: BLE001 - whatever it is, the run is complete
        progress.message(f"{page} could not be drawn: {type(error).__name__}: {error}")


def page_content(
    run: Run, model: Model, store: Store, scores: dict[str, Any] | None
) -> dict[str, Any]:
    """The content of a complete run's page, with the scores of `score_split` if there are any.

    ``store`` is the file that the scores are of.  Reads its labels.
    """
    rows = {name: split.class_counts().tolist() for name, split in store.splits.items()}
    completed = datetime.fromtimestamp((run.path / REPORT).stat().st_mtime).astimezone()
    is_own = scores is None or scores["split"] == "validation"
    return {
        "title": run.path.absolute().name,
        "date": completed.strftime("%Y-%m-%d %H:%M"),
        "settings": run.settings,
        "training": run.report,
        "evaluation": scores,
        "advice": advice_for(run.settings, run.report, scores, rows["train"]) if is_own else [],
        "command": command_for(run.settings, run.path.absolute().name),
        "class_names": store.class_names,
        "class_rows": rows if len(store.class_names) <= MOST_CLASSES else None,
        "terms": _strongest_terms(run, model, rows["train"]),
    }


def _strongest_terms(run: Run, model: Model, class_rows: list[int]) -> list[dict[str, Any]] | None:
    """The terms that speak most for each of the largest classes, by the weights of a network."""
    if run.features != "ngram" or not isinstance(model, Network):
        return None
    largest = sorted(range(len(class_rows)), key=lambda number: -class_rows[number])
    shown = sorted(largest[:MOST_TERM_CLASSES])
    vectorizer = FileGroup(run.vectorizer_file, "vectorizer")
    return [
        {
            "class": run.class_names[number],
            "terms": [
                {"term": term, "effect": float(effect)}
                for term, effect in zip(
                    vectorizer.some_strings("terms", best.columns.tolist()),
                    best.effects.tolist(),
                    strict=True,
                )
            ],
        }
        for number, best in zip(shown, strongest_columns(model, shown, N_TERMS), strict=True)
    ]
