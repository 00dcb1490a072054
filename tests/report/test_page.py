"""The page of a run: complete, self-contained, in the reader's colours, and never in the way."""

import importlib.util
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import numpy as np
import pytest

from ooc_train.errors import OutputError
from ooc_train.report import drawing
from ooc_train.report.document import page
from ooc_train.report.drawing import write_page
from ooc_train.report.figures import confusion
from ooc_train.training.scores.tally import Scoring

SVG = re.compile(r"<svg.*?</svg>", re.DOTALL)
VOID = {"meta", "br", "link", "img"}
NAMES = ["<b>&", "$x_1$", "日本", '"quoted"']


class Checker(HTMLParser):
    """Tags that are closed in the order in which they were opened, and the text outside of SVG."""

    def __init__(self):
        super().__init__()
        self.open, self.text, self.attributes = [], [], []

    def handle_starttag(self, tag, attrs):
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def evaluation(n_classes, n_rows=600, names=NAMES):
    rng = np.random.default_rng(0)
    labels = rng.integers(n_classes, size=n_rows)
    odds = rng.normal(size=(n_rows, n_classes))
    odds[np.arange(n_rows), labels] += 1.5
    shares = np.exp(odds)
    scoring = Scoring(n_classes)
    shares = (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)
    scoring.add(np.arange(n_rows), labels, shares, 0.7)
    result = scoring.result()
    for number, score in enumerate(result["classes"]):
        score["label"] = score["name"] = names[number] if number < len(names) else f"class {number}"
    for pair in result["confused_pairs"]:
        for example in pair["examples"]:
            example["text"] = f"terms of <{example['row']}>"
    return {"split": "validation"} | result


def training(n_epochs=3, **others):
    epochs = [
        {"seconds": 1.5, "rows_per_second": 1000.0 + i, "loss": 1 / (i + 1), "accuracy": 0.5,
         "val_loss": 1.1 / (i + 1), "val_accuracy": 0.4} for i in range(n_epochs)
    ]  # fmt: skip
    return {
        "epochs": epochs, "best_epoch": n_epochs, "rows": 5400, "seconds": 75.0,
        "peak_rss_bytes": 612_000_000, "peak_anon_bytes": 301_000_000,
        "baseline_rss_bytes": 560_000_000, "memory_budget_bytes": 1_000_000_000,
        "memory_over_time": {"seconds": [1, 2, 3], "rss_bytes": [3e8, 5e8, 6e8],
                             "anon_bytes": [1e8, 2e8, 3e8]},
        "environment": {"python": "3.11.7"},
    } | others  # fmt: skip


SETTINGS = {"model": "mlp", "data": "a&b.h5", "features": "ngram", "learning_rate": 0.001}


def content(n_classes=4, **parts):
    return {
        "title": "run <1>", "settings": SETTINGS, "training": training(),
        "evaluation": evaluation(n_classes),
    } | parts  # fmt: skip


def checked(text):
    """The page's text outside of its figures; that it is well formed is asserted."""
    checker = Checker()
    checker.feed(text)
    assert not checker.open
    assert text.startswith("<!DOCTYPE html>")
    # Nothing is loaded from anywhere: it opens offline.
    links = [(k, v) for k, v in checker.attributes if k in ("src", "href", "xlink:href")]
    assert all(value.startswith("#") for _, value in links)
    assert "url(http" not in text
    assert "@import" not in text
    assert "default-src 'none'" in text
    for svg in SVG.findall(text):
        ET.fromstring(svg)
        # Light and dark: all colours are the page's.
        assert not re.search(r"(fill|stroke): ?#", svg.replace("fill: #ffffff; opacity: 0", ""))
        assert "var(--ink)" in svg
    return " ".join(" ".join(checker.text).split())


@pytest.mark.parametrize(("n_classes", "n_figures"), [(2, 7), (4, 5), (57, 5), (70, 5)])
@pytest.mark.slow
def test_a_page_has_its_figures_and_tables(n_classes, n_figures):
    parts = content(n_classes)
    text = page(parts)
    words = checked(text)
    assert len(SVG.findall(text)) == n_figures
    assert {"ROC, area" in words, "Precision by recall" in words} == {n_classes == 2}
    assert ("only the 64 of 70 classes" in words) == (n_classes == 70)
    for said in ("run <1>", "<b>&", "a&b.h5", "0.001", "python 3.11.7", "1 min 15 s", "612 MB",
                 "Confusion matrix", "3 of 3 epoch kept", "Scores by class", "1,001 rows/s",
                 "301 MB anonymous", "before the first row", "the same with --memory"):  # fmt: skip
        assert said in words
    pair = parts["evaluation"]["confused_pairs"][0]
    names = [score["name"] for score in parts["evaluation"]["classes"]]
    assert f"{names[pair['class']]} → {names[pair['predicted']]}" in words
    example = pair["examples"][0]
    assert (
        f"row {example['row']:,} ({example['probability']:.2f}): terms of <{example['row']}>"
        in words
    )
    for score in parts["evaluation"]["classes"]:
        assert f"{score['f1']:.4f}" in words


@pytest.mark.slow
def test_a_page_has_the_validations_inside_epochs():
    inside = [
        {"epoch": 0.5 + i, "step": 5, "rows": 1088, "val_loss": 0.6, "val_accuracy": 0.5}
        for i in range(3)
    ]
    kept = {"epoch": 1.5, "val_loss": 0.6, "val_accuracy": 0.5}
    text = page(content(training=training(validations=inside, best=kept)))
    assert "1.5 of 3 epoch kept" in checked(text)
    assert text.count(">1,088 validation rows</span>") == 2  # of the loss and of the accuracy


@pytest.mark.slow
def test_a_page_has_what_else_its_epochs_say():
    plain = training()
    more = training()
    for number, epoch in enumerate(more["epochs"]):
        epoch |= {"val_macro_f1": 0.4, "val_top_5_accuracy": 0.9, "learning_rate": 1e-3 / 2**number}
    assert "Learning rate" not in checked(page(content(training=plain)))
    text = page(content(training=more))
    assert "Learning rate" in checked(text)
    for said in ("validation, macro F1</span>", "validation, top 5</span>", "0.001</text>"):
        assert f">{said}" in text
        assert f">{said}" not in page(content(training=plain))


def test_a_page_has_terms_advice_and_the_command():
    terms = [
        {"class": NAMES[0], "terms": [{"term": "<i>", "effect": 4.0}, {"term": "b", "effect": 1}]},
        {"class": NAMES[1], "terms": []},
    ]
    rows = {"train": [100, 2, 30, 4], "test": [9, 8, 7, 6]}
    more = {"advice": ["Try `--learning-rate 1` & more."], "command": "ooc-train 'a&b.h5' -o r",
            "date": "2024-01-02 03:04", "terms": terms, "class_rows": rows,
            "class_names": NAMES}  # fmt: skip
    text = page(content(**more))
    words = checked(text)
    for said in ("What to try next", "Try --learning-rate 1 & more.", "ooc-train 'a&b.h5' -o r",
                 "2024-01-02 03:04", "Terms that speak most for each class", "<i>",
                 "+4.0"):  # fmt: skip
        assert said in words
    assert "<code>--learning-rate 1</code>" in text
    assert text.index('width:100.0%"') < text.index('width:25.0%"')  # bars of one scale
    table = text[text.index("Scores by class") :]
    assert table.index("<td>100</td>") < table.index("<td>30</td>")
    words = checked(page(content(evaluation=None, **more)))
    assert "Rows by class" in words
    assert "Scores by class" not in words


def test_settings_are_those_that_people_chose():
    words = checked(page(content(settings=SETTINGS | {
        "fingerprint": "abcdef", "pads_as_needed": True, "callbacks": [], "epochs": 1000,
        "patience": 2, "weight_decay": 0.0, "lr_factor": None, "batch_size": 64,
        "n_columns": 20000, "n_classes": 4,
    })))  # fmt: skip
    for said in ("batch size 64", "patience 2", "columns 20,000", "features ngram"):
        assert said in words
    settings = words[words.index("Settings") :]
    for unsaid in ("abcdef", "pads", "callbacks", "1000", "weight decay", "lr factor"):
        assert unsaid not in settings


def test_no_card_stands_alone_beside_an_empty_place():
    for n_classes in (2, 4):
        for left_out in ({}, {"memory_over_time": None}, {"epochs": training()["epochs"][:1]}):
            text = page(content(n_classes, training=training(1) | left_out))
            cards = text[text.index('<div class="cards">') :]
            for group in cards.split('<section class="wide">'):
                assert group.count("<section>") % 2 == 0


def test_an_epoch_that_compiled_is_left_out_of_the_speed_and_said():
    slow = training(4)
    slow["epochs"][0]["rows_per_second"] = 3
    words = checked(page(content(training=slow)))
    assert "epoch 1, with 3 rows/s, compiled kernels and is left out" in words
    assert "left out" not in checked(page(content(training=training(4))))


def test_the_matrix_shows_every_count_and_name():
    counts = [[12, 3, 0, 0], [0, 7, 1, 0], [0, 0, 2500, 0], [5, 0, 0, 9]]
    drawn = "".join(ET.fromstring(confusion(counts, NAMES)).itertext())
    for said in ("12", "2,500", "7", *NAMES):
        assert said in drawn
    many = [[2500 if i == j else 0 for j in range(30)] for i in range(30)]
    assert "2.5k" in "".join(ET.fromstring(confusion(many, NAMES + 26 * ["x"])).itertext())


def test_a_page_without_epochs_scores_or_memory():
    words = checked(page(content(evaluation=None)))
    assert "not evaluated, since there are no validation rows" in words
    assert "Confusion" not in words
    parts = training(1, memory_over_time={"seconds": [], "rss_bytes": [], "anon_bytes": []},
                     peak_rss_bytes=None, peak_anon_bytes=None)  # fmt: skip
    parts["epochs"][0] |= {"val_loss": None, "val_accuracy": None}
    text = page(content(training=parts))
    assert "Memory of the training" not in checked(text)
    assert ">validation</span>" not in text
    checked(page(content(training=None)))


def test_of_very_many_classes_there_is_no_matrix():
    scores = evaluation(4) | {"confusion": None, "confused_pairs": None}
    words = checked(page(content(evaluation=scores)))
    assert "Confusion" not in words
    assert "Scores by class" in words


def test_the_same_content_gives_the_same_page():
    assert page(content()) == page(content())


@pytest.fixture(autouse=True)
def drawn_elsewhere(monkeypatch):
    """As in a library, whatever commands this process has run."""
    monkeypatch.setattr(drawing, "draws_here", False)


@pytest.mark.slow
def test_a_library_has_another_process_draw_it():
    code = "import sys, ooc_train.report, ooc_train.training; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize("here", [False, pytest.param(True, id="as in commands")])
def test_a_page_is_drawn_or_the_one_before_stays(tmp_path, monkeypatch, here):
    monkeypatch.setattr(drawing, "draws_here", here)
    if here:
        monkeypatch.setattr(subprocess, "run", None)
    path = tmp_path / "report.html"
    write_page(content(), path)
    checked(path.read_text("utf-8"))
    path.write_text("the one before")
    with pytest.raises(OutputError, match=r"report\.html could not be drawn: KeyError: 'settings'"):
        write_page({"title": "x", "evaluation": None, "training": None}, path)
    assert path.read_text() == "the one before"
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]


def test_the_process_takes_no_modules_from_the_current_folder(tmp_path, monkeypatch):
    (tmp_path / "json.py").write_text("raise RuntimeError('taken')")
    monkeypatch.chdir(tmp_path)
    write_page(content(), tmp_path / "report.html")
    checked((tmp_path / "report.html").read_text("utf-8"))


def test_without_the_library_one_sentence_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    message = r"report\.html is not drawn, since it takes matplotlib; install it with pip install"
    with pytest.raises(OutputError, match=message):
        write_page(content(), tmp_path / "report.html")
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_said_with_its_folder(tmp_path, monkeypatch):
    drawn = subprocess.CompletedProcess([], 0, bytes(5000), b"")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: drawn)
    with (
        pytest.importorskip("tests.full_disk").limited_files(1000),
        pytest.raises(OutputError, match=rf"report\.html was not written: .* at {tmp_path}; free"),
    ):
        write_page(content(), tmp_path / "report.html")
    assert not list(tmp_path.iterdir())
