"""The page of a run: drawn when the run is complete, and never a reason for it not to be."""

import re
from html import escape

import numpy as np
import pytest

from ooc_train import convert, load, memory
from ooc_train.cli import evaluate as command
from ooc_train.errors import OutputError
from ooc_train.progress import Silent
from ooc_train.reading.store import open as open_store
from ooc_train.training import train as fitting
from ooc_train.training.run.folder import open_run
from ooc_train.training.scores import page as run_page
from ooc_train.training.scores.evaluate import evaluate
from ooc_train.training.scores.row_text import describe_row
from ooc_train.training.train import train
from tests.files import Toy, write_sequences, write_toy


class Messages(Silent):
    """A ``Progress`` that keeps what it is told."""

    def __init__(self):
        self.said = []

    def message(self, text):
        self.said.append(text)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run, and when its page would have been drawn."""
    folder = tmp_path_factory.mktemp("page")
    path = write_toy(folder / "toy.h5", toy=Toy(n_classes=3), train=300, validation=90, test=60)
    asked = []

    def draw_page(run, store, progress):
        open_run(run)  # complete
        asked.append((run, len(store["validation"].read(0, 90))))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitting, "draw_page", draw_page)
        patch.setattr(memory, "SAMPLE_SECONDS", 0.002)  # for some points of a short training
        train(path, folder / "run", epochs=2)
    assert asked == [(folder / "run", 90)]
    return folder


def test_the_page_has_the_scores_of_the_validation_rows(folder):
    messages = Messages()
    with open_store(folder / "toy.h5") as store:
        run_page.draw_page(folder / "run", store, messages)
    assert not messages.said
    text = (folder / "run" / "report.html").read_text("utf-8")
    scores = evaluate(folder / "run", folder / "toy.h5", split="validation")
    assert "scores on the 90 validation rows" in text
    assert f"<b>{scores['accuracy']:.4f}</b>" in text
    with open_run(folder / "run") as run, open_store(folder / "toy.h5") as store:
        content = run_page.page_content(run, run.load_model(), store, scores)
        assert content["class_rows"]["train"] == store["train"].class_counts().tolist()
    for one in content["terms"]:
        assert 0 < len(one["terms"]) <= run_page.N_TERMS
        assert f">{one['terms'][0]['term']}</span>" in text
    pair = scores["confused_pairs"][0]
    names = [score["name"] for score in scores["classes"]]
    assert f"{names[pair['class']]} → {names[pair['predicted']]}" in text
    assert re.search(r"row \d+ \(0\.\d\d\): term0000\d\d", text)
    for title in ("Loss by epoch", "Memory of the training", "Environment", "learning rate",
                  "Terms that speak most for each class", "What to try next",
                  "ooc-train toy.h5 -o run --epochs 2"):  # fmt: skip
        assert title in text


def test_the_page_has_the_texts_that_are_most_certainly_confused(tmp_path):
    random = np.random.default_rng(0)
    rows = [(str(i % 2), f"<b>text</b> {i} " + " ".join(random.choice(list("abcdef"), 9)))
            for i in range(300)]  # fmt: skip
    convert([(text, label) for label, text in rows], tmp_path / "rows.h5", validation_fraction=0.3)
    train(tmp_path / "rows.h5", tmp_path / "run", epochs=1)
    scores = evaluate(tmp_path / "run", tmp_path / "rows.h5", split="validation")
    with open_store(tmp_path / "rows.h5") as store:
        texts, labels = store.samples("validation"), store["validation"].labels
        run_page.draw_page(tmp_path / "run", store, Silent())
    shown = load(tmp_path / "run").predict_proba([texts[row] for row in sorted(texts)])
    expected = {
        row: float(p.max())
        for row, p in zip(sorted(texts), shown, strict=True)
        if p.argmax() != labels[row]
    }
    found = scores["confused_rows"]
    assert found["of"] == len(texts) == 90
    assert {one["row"] for one in found["rows"]} <= set(expected)
    assert len(found["rows"]) == min(len(expected), 50)
    certainties = [one["probability"] for one in found["rows"]]
    assert certainties == pytest.approx(sorted(expected.values(), reverse=True)[:50], abs=1e-6)
    for one in found["rows"]:
        assert one["text"] == texts[one["row"]]
        assert (one["class"], one["predicted"]) == (labels[one["row"]], 1 - labels[one["row"]])
    page = (tmp_path / "run" / "report.html").read_text("utf-8")
    assert "Texts taken for another class" in page
    assert escape(found["rows"][0]["text"]) in page
    assert "<b>text</b>" not in page
    examples = [e for pair in scores["confused_pairs"] for e in pair["examples"]]
    assert {e["text"] for e in examples} <= set(texts.values())


def test_of_a_run_without_validation_rows_the_page_shows_the_training(folder, tmp_path):
    path = write_toy(tmp_path / "toy.h5", toy=Toy(n_classes=3), train=100)
    messages = Messages()
    with open_store(path) as store:
        run_page.draw_page(folder / "run", store, messages)
    text = (folder / "run" / "report.html").read_text("utf-8")
    assert not messages.said
    assert "Loss by epoch" in text
    assert "Confusion matrix" not in text


@pytest.mark.parametrize(
    ("error", "said"),
    [(OutputError("no library"), "no library"), (ZeroDivisionError("x"), "ZeroDivisionError: x")],
)
def test_what_goes_wrong_is_said_and_nothing_else(folder, monkeypatch, error, said):
    def fail(*arguments):
        raise error

    monkeypatch.setattr(run_page, "write_page", fail)
    messages = Messages()
    with open_store(folder / "toy.h5") as store:
        run_page.draw_page(folder / "run", store, messages)
    assert len(messages.said) == 1
    assert said in messages.said[0]
    open_run(folder / "run")


@pytest.mark.slow
def test_the_command_makes_one_of_a_split(folder, tmp_path, capsys):
    arguments = [str(folder / "run"), str(folder / "toy.h5"), "--html", str(tmp_path / "t.html")]
    assert command.main(arguments) == 0
    text = (tmp_path / "t.html").read_text("utf-8")
    assert "scores on the 60 test rows" in text
    assert "Loss by epoch" in text
    capsys.readouterr()
    arguments[-1] = str(tmp_path / "none" / "t.html")
    assert command.main(arguments) == 1
    assert "t.html, the page, cannot be written, since the folder " in capsys.readouterr().err


def test_rows_are_described_by_their_highest_terms_or_first_words(tmp_path):
    with open_store(write_toy(tmp_path / "n.h5", train=30)) as store:
        rows = store["train"].read(0, 30)
        number = int(rows.lengths.argmax())
        row = rows[number : number + 1]
        best = row.indices[(-row.values).argsort(kind="stable")][:8]
        expected = ", ".join(f"term{column:06}" for column in best)
        assert describe_row(store, store["train"], number) == expected
    with open_store(write_sequences(tmp_path / "s.h5", train=30)) as store:
        tokens = store["train"].read(4, 5).tokens
        expected = " ".join(f"term{token - 1}" for token in tokens.tolist())
        assert describe_row(store, store["train"], 4) == expected
