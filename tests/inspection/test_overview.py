"""The picture of a file: what is counted for it, and that it is drawn whole or not at all."""

import importlib.util

import numpy as np
import pytest

import ooc_train
from ooc_train.cli import inspect as inspect_command
from ooc_train.errors import OutputError
from ooc_train.inspection import overview
from ooc_train.report.panels import FORMATS
from tests.files import write_sequences, write_toy


@pytest.fixture
def ngrams(tmp_path):
    """A converted file: class b has two rows more than class a."""
    rows = [f'"{"ab"[i % 2]}","common word{i % 3}"\n' for i in range(40)] + ['"b","common"\n'] * 2
    (tmp_path / "rows.csv").write_text("".join(rows))
    path = tmp_path / "rows.h5"
    ooc_train.convert(tmp_path / "rows.csv", path, features="ngram", validation_fraction=0)
    return path


def test_lengths_are_those_of_all_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(overview, "LABELS_AT_ONCE", 7)
    with ooc_train.open(write_toy(tmp_path / "toy.h5", train=50)) as data:
        counts = overview.row_lengths(data["train"])
        lengths = np.diff(data["train"].read(0, 50).indptr)
    np.testing.assert_array_equal(counts, np.bincount(lengths))


def test_the_most_frequent_terms_come_first(ngrams):
    with ooc_train.open(ngrams) as data:
        panel = overview.most_frequent(data.group("vectorizer"), 3)
    assert panel.unit == "rows"
    assert panel.terms == ["common", "common word0", "word0"]  # of those that tie the first columns
    assert panel.counts.tolist() == [42, 14, 14]


def test_classes_are_those_with_the_most_rows(ngrams, monkeypatch):
    monkeypatch.setattr(overview, "MOST_CLASSES", 1)
    with ooc_train.open(ngrams) as data:
        classes, *_ = overview.panels_of(data)
    assert classes.names == ["b"]
    assert classes.counts["train"].tolist() == [22]
    assert classes.n_more == 1


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.slow
def test_the_command_draws(suffix, ngrams, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    picture = tmp_path / f"overview{suffix}"
    assert inspect_command.main([str(ngrams), "--plot", str(picture)]) == 0
    assert "features: ngram" in capsys.readouterr().out
    begins = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}[suffix]
    assert picture.read_bytes().startswith(begins)


def test_sequences_are_drawn_with_what_they_have(tmp_path):
    pytest.importorskip("matplotlib")
    path = write_sequences(tmp_path / "rows.h5", train=30)
    overview.draw_overview(path, tmp_path / "overview.svg")
    text = (tmp_path / "overview.svg").read_text("utf-8")
    assert "<!-- rows by class -->" in text
    assert "<!-- lengths of train rows -->" in text


def test_a_full_disk_is_said_for_a_pdf_too(ngrams, tmp_path):
    pytest.importorskip("matplotlib")
    full = pytest.importorskip("tests.full_disk")
    with (
        full.limited_files(1000),
        pytest.raises(OutputError, match=r"o\.pdf, the plot, was not written: a file grew beyond"),
    ):
        overview.draw_overview(ngrams, tmp_path / "o.pdf")
    assert not (tmp_path / "o.pdf").exists()


def test_what_cannot_be_drawn_is_said(ngrams, tmp_path, monkeypatch):
    with pytest.raises(OutputError, match=r"overview\.gif is no picture; its name must end in"):
        overview.draw_overview(ngrams, tmp_path / "overview.gif")
    if importlib.util.find_spec("matplotlib"):
        with pytest.raises(
            OutputError, match=r"overview\.png, the plot, cannot be written, since the"
        ):
            overview.draw_overview(ngrams, tmp_path / "absent/overview.png")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(OutputError, match=r"overview\.png is not drawn, since it takes matplotlib"):
        overview.draw_overview(ngrams, tmp_path / "overview.png")
    assert [path.name for path in tmp_path.glob("*overview*")] == []
