"""The page and the picture of rows, converted or not, and what stands in them."""

import numpy as np
import pytest
from sklearn.feature_selection import chi2, f_classif

import ooc_train
from ooc_train.cli import inspect as command
from ooc_train.errors import OutputError
from ooc_train.inspection import column_terms
from ooc_train.inspection.column_terms import telling_columns
from ooc_train.inspection.overview import draw_exploration
from ooc_train.inspection.page import write_description
from ooc_train.inspection.raw.advice import advice_for
from ooc_train.report.data_document import data_page
from ooc_train.report.lengths import binned
from tests.corpora import random_rows, write_rows
from tests.files import write_sequences
from tests.report.test_page import checked

pytest.importorskip("matplotlib")


def explored(**parts):
    """A report of `explore`, as far as pages show it."""
    none = {"train": 0, "test": 0}
    return {
        "rows": 300, "seconds": 1.5, "features": "ngram",
        "classes": [{"label": "1", "name": "<good>", "rows": {"train": 150, "test": 60}},
                    {"label": "2", "name": "bad", "rows": {"train": 50, "test": 40}}],
        "splits": {"train": {"rows": 200, "lengths": {1: 50, 3: 100, 9: 50}},
                   "test": {"rows": 100, "lengths": {2: 100}}},
        "guide": {"rows": 200, "median_words": 3.0, "ratio": 66.7, "advised": "ngram",
                  "epoch_seconds": {"ngram": 0.1, "sequence": 2.0}},
        "terms": {"missed_rows": 3,
                  "frequent": [{"term": f"t{i}", "rows": 90 - i, "share": 0.45} for i in range(30)],
                  "telling": [{"class": 1, "terms": [
                      {"term": "<awful>", "rows": 20, "share": 0.4, "elsewhere": 0.01,
                       "score": 9.0}]}]},
        "duplicates": {"repeated": none, "leaked": {"train": 0, "test": 7},
                       "nearly_repeated": none, "nearly_leaked": {"train": 0, "test": 2},
                       "conflicting": 4,
                       "examples": {"leaked": [
                           {"row": "test.csv, line 1", "other": "train.csv, line 9",
                            "similarity": 1.0, "text": "the <same>", "other_text": "the <same>"}],
                           "nearly_leaked": [
                           {"row": "test.csv, line 2", "other": "train.csv, line 8",
                            "similarity": 0.9, "text": None, "other_text": "nearly so"}]}},
        "rejects": {"rows": 120, "reasons": [
            {"reason": "no label", "rows": 120, "first": "train.csv, line 5: no label"}]},
        "cost": {"sample_rows": 200, "convert_seconds": 90.0, "temporary_bytes": 5_000_000,
                 "output_bytes": 7_000_000, "memory_budget_bytes": 10**9, "epoch_seconds": 1.0,
                 "training_bytes": 10**8},
        "files": [{"name": "train.csv", "split": "train", "rows": 320}],
    } | parts  # fmt: skip


def content(**parts):
    report = explored(**parts)
    return report | {"title": "train.csv", "said": "300 rows", "unit": "words",
                     "advice": advice_for(report)}  # fmt: skip


def test_the_page_has_all_of_the_report():
    words = checked(data_page(content()))
    for said in (
        "200 train rows", "<good>", "75.0%", "67 ratio", "<awful>", "40% / 1%", "3 rows too low",
        "test: a text that a train row has 7 7.0%", "test.csv, line 1 = train.csv, line 9",
        "the <same>", "≈ (0.90)", "nearly so", "several classes 4", "no label",
        "train.csv, line 5: no label", "1 min 30 s", "What it would take", "median 3",
    ):  # fmt: skip
        assert said in words, said


def test_a_page_of_numbers_has_no_words():
    none = {"guide": None, "terms": None, "cost": None, "unit": "entries",
            "splits": {"train": {"rows": 200}, "test": {"rows": 100}}}  # fmt: skip
    words = checked(data_page(content(**none)))
    assert "Words in a row" not in words
    assert "guide" not in words


SIGNS = [
    ({}, "7 test rows are train rows, too, and 2 test rows are nearly train rows: scores on them"),
    ({}, "Texts with rows of several classes: 4."),
    ({}, "--max-rejects 120"),
    ({"guide": explored()["guide"] | {"advised": "sequence", "ratio": 2000}}, "above 1,500"),
    ({"classes": [{"name": "a", "rows": {"train": 190, "test": 9}},
                  {"name": "b", "rows": {"train": 10, "test": 0}}]}, "10 to 190 train rows"),
    ({"classes": [{"name": "a", "rows": {"train": 190, "test": 9}},
                  {"name": "b", "rows": {"train": 10, "test": 0}}]}, "test rows: 1, such as b"),
]  # fmt: skip


@pytest.mark.parametrize(("parts", "said"), SIGNS)
def test_each_sign_has_its_advice(parts, said):
    assert said in " ".join(advice_for(explored(**parts)))


def test_where_nothing_stands_out_that_is_said():
    none = {"train": 0, "test": 0}
    duplicates = dict.fromkeys(("repeated", "leaked", "nearly_repeated", "nearly_leaked"), none)
    calm = explored(duplicates=duplicates | {"conflicting": 0, "examples": {}},
                    rejects={"rows": 0, "reasons": []})  # fmt: skip
    (said,) = advice_for(calm)
    assert said.startswith("Nothing stands out")
    page = {"title": "x", "said": "y", "unit": "words", "advice": [said]}
    assert "None, neither within a split" in checked(data_page(calm | page))


@pytest.mark.parametrize("seed", range(20))
def test_bins_count_every_row_once_and_all_have_one_width(seed):
    rng = np.random.default_rng(seed)
    lengths = rng.geometric(1 / rng.integers(2, 3000), size=rng.integers(1, 5000))
    values, counts = np.unique(lengths, return_counts=True)
    bins = binned(dict(zip(values.tolist(), counts.tolist(), strict=True)))
    assert 1 <= len(bins.counts) <= 40
    assert sum(bins.counts) + bins.n_longer == len(lengths)
    assert bins.n_longer <= 0.005 * len(lengths)
    assert bins.median == np.median(lengths)
    assert bins.longest == lengths.max()
    end = len(bins.counts) * bins.width
    expected, _ = np.histogram(lengths, np.arange(0, end + 1, bins.width))
    inside = np.histogram(lengths[lengths < end], np.arange(0, end + 1, bins.width))[0]
    assert bins.counts == inside.tolist()
    assert str(bins.width).strip("0") in ("1", "2", "5")
    assert expected.sum() >= inside.sum()


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    write_rows(folder / "rows.csv", random_rows(200))
    ooc_train.convert(folder / "rows.csv", folder / "rows.h5")
    return folder / "rows.h5"


@pytest.mark.parametrize("score", ["f_classif", "chi2", "none"])
def test_telling_columns_are_those_of_the_score_that_selected_them(tmp_path, monkeypatch, score):
    write_rows(tmp_path / "rows.csv", random_rows(200))
    ooc_train.convert(tmp_path / "rows.csv", tmp_path / "rows.h5", score=score, top_k=60)
    monkeypatch.setattr(column_terms, "_ROWS_AT_ONCE", 17)
    with ooc_train.open(tmp_path / "rows.h5") as data:
        found = telling_columns(data)
        rows, labels = data["train"][:]
        terms = data.terms
    values = rows.to_dense().astype(float)
    if score == "none":
        values = (values > 0).astype(float)
    assert [one["class"] for one in found] == list(range(labels.max() + 1))
    assert ooc_train.inspect(tmp_path / "rows.h5", terms=True)["terms"]["telling"] == found
    for one in found:
        is_own = labels == one["class"]
        scores = (chi2 if score == "chi2" else f_classif)(values, is_own)[0]
        more = (values[is_own] > 0).mean(axis=0) > (values[~is_own] > 0).mean(axis=0)
        best = sorted(scores[more], reverse=True)[: len(one["terms"])]
        assert [term["score"] for term in one["terms"]] == pytest.approx(best, rel=1e-4)
        for term in one["terms"]:
            assert term["score"] == pytest.approx(scores[terms.index(term["term"])], rel=1e-4)
    monkeypatch.setattr(column_terms, "_MOST_COUNTS", 10)
    with ooc_train.open(tmp_path / "rows.h5") as data:
        assert telling_columns(data) == []


def test_the_command_writes_the_page_of_a_file_and_of_rows(converted, tmp_path, capsys):
    assert command.main([str(converted), "--html", str(tmp_path / "a.html")]) == 0
    words = checked((tmp_path / "a.html").read_text("utf-8"))
    for said in ("rows.h5", "Rows by class", "Entries in a row", "Terms that tell most",
                 "by the score that selected them"):  # fmt: skip
        assert said in words
    source = converted.with_name("rows.csv")
    arguments = [str(source), "--html", str(tmp_path / "b.html"), "--plot", str(tmp_path / "b.svg")]
    assert command.main(arguments) == 0
    words = checked((tmp_path / "b.html").read_text("utf-8"))
    for said in ("Duplicates", "What it would take", "Words in a row", "Terms in most rows"):
        assert said in words
    picture = (tmp_path / "b.svg").read_text("utf-8")
    for said in ("rows by class", "lengths of train rows", "terms that tell most about each class"):
        assert f"<!-- {said} -->" in picture
    capsys.readouterr()
    assert command.main(arguments) == 1
    assert "exists" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--plot=o.gif", "o.gif is no picture; its name must end in .png, .svg, .pdf"),
        ("--verify --html=o.html", "--verify draws nothing; leave out --html and --plot"),
    ],
)
def test_what_cannot_be_drawn_is_said_before_all_else(
    converted, monkeypatch, capsys, option, message
):
    for read in ("describe.inspect", "raw.explore.explore", "verify.verify"):
        monkeypatch.setattr(f"ooc_train.inspection.{read}", None)
    for path in (converted, converted.with_name("rows.csv")):
        assert command.main([str(path), *option.split()]) > 0
        said = capsys.readouterr().err
        assert message in said or "--verify is for a converted file" in said


def test_of_sequences_there_are_tokens(tmp_path):
    path = write_sequences(tmp_path / "s.h5", train=40)
    found = ooc_train.inspect(path, terms=True)
    write_description(path, found, tmp_path / "s.html", force=False)
    assert "Tokens in a row" in checked((tmp_path / "s.html").read_text("utf-8"))


def test_a_picture_of_rows_is_drawn_whole_or_not_at_all(tmp_path):
    with pytest.raises(OutputError, match=r"o\.gif is no picture"):
        draw_exploration(explored(), "t", tmp_path / "o.gif")
    draw_exploration(explored(terms=None), "t", tmp_path / "o.pdf")
    assert [path.name for path in tmp_path.iterdir()] == ["o.pdf"]
