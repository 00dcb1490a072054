"""The page of a run, ``report.html``, which `ooc_train.report` draws from its files and scores."""

from pathlib import Path
from typing import Any

from ooc_train.errors import OutputError
from ooc_train.progress import Progress
from ooc_train.reading.store import Store
from ooc_train.report.drawing import check_library, write_page
from ooc_train.training.run.folder import PAGE, Run, open_run
from ooc_train.training.scores.split_scores import score_split


def draw_page(run: Path, store: Store, progress: Progress) -> None:
    """Write the page of a complete run, with its scores on the validation rows if there are any.

    Errors are only reported to ``progress``: the run is complete without its page.
    """
    page = run / PAGE
    try:
        check_library(page)
        # The function of a user's model is one that this training was asked for.
        with open_run(run, trust_code=True) as opened:
            scores = None
            if len(store.splits.get("validation", ())):
                batch_size = opened.settings["batch_size"]
                scores = score_split(
                    opened,
                    opened.load_model(),
                    store,
                    "validation",
                    batch_size=batch_size,
                    progress=progress,
                )
            progress.start("drawing", None, "")
            write_page(page_content(opened, scores), page)
    except OutputError as error:
        progress.message(str(error))
    except Exception as error:  # noqa: BLE001 - whatever it is, the run is complete
        progress.message(f"{page} could not be drawn: {type(error).__name__}: {error}")


def page_content(run: Run, scores: dict[str, Any] | None) -> dict[str, Any]:
    """The content of a complete run's page, with the scores of `score_split` if there are any."""
    return {
        "title": run.path.absolute().name,
        "settings": run.settings,
        "training": run.report,
        "evaluation": scores,
    }
