"""Text whose kind of features is not named: n-grams, and what the guide advises."""

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ooc_train
from ooc_train.cli import convert as command
from ooc_train.conversion.auto import Figures, MeasuredCorpus
from ooc_train.conversion.sources.files.rejects import RejectFile
from ooc_train.conversion.sources.find import find_source
from ooc_train.conversion.sources.layout import LayoutOptions
from ooc_train.errors import InputError, OptionError
from tests.corpora import random_rows, text_of, write_rows


def figures_of(folder, rows):
    source = find_source(write_rows(folder / "rows.csv", rows), LayoutOptions())
    corpus = MeasuredCorpus({"train": [source]}, RejectFile(folder / "rejects", 0), 2**12)
    for _ in range(2):  # a conversion that fails for a collision reads again
        list(corpus.blocks())
    return corpus.figures


def test_the_figures_are_the_guides(tmp_path):
    for n_rows in (7, 8, 200):
        rows = random_rows(n_rows)
        figures = figures_of(tmp_path, rows)
        median = np.median([len(text_of(row).split()) for row in rows])
        assert figures.rows == n_rows
        assert figures.median_words == median
        assert figures.ratio == n_rows / median


characters = st.characters(codec="utf-8", exclude_characters="\0")
spaced = st.text(st.one_of(st.sampled_from("ab \t\n\x1c\x85\xa0\u2003\u3000\u200b"), characters))


@given(spaced)
@pytest.mark.slow
def test_words_are_those_of_python(tmp_path_factory, text):
    folder = tmp_path_factory.mktemp("words")
    rows = [("1", "x", text)]
    assert figures_of(folder, rows).median_words == len(text_of(rows[0]).split())


def test_no_white_space_lies_beyond_the_table():
    assert max(point for point in range(0x110000) if chr(point).isspace()) == 0x3000


def rows_of_two_words(n_rows):
    return [("12"[i % 2], "", f"word{i % 20}") for i in range(n_rows)]


@pytest.mark.parametrize(("n_rows", "advised"), [(2999, "ngram"), (3000, "sequence")])
def test_the_guides_rule_advises(n_rows, advised):
    assert Figures.of(Counter({2: n_rows})).advised == advised


def test_the_epochs_of_both_kinds_are_estimated():
    """As measured: 2 seconds and 13 minutes for 200,000 reviews of 100 words, some very long."""
    reviews = Figures.of(Counter({100: 199_999, 900: 1}))
    assert reviews.epoch_seconds["ngram"] == pytest.approx(2, rel=0.2)
    assert reviews.epoch_seconds["sequence"] == pytest.approx(13 * 60, rel=0.2)
    short = Figures.of(Counter({100: 200_000}))  # padding is to the longest row
    assert short.epoch_seconds["sequence"] == pytest.approx(13 * 60 / 5, rel=0.2)


def test_n_grams_are_made_whatever_the_guide_advises(tmp_path):
    source = write_rows(tmp_path / "train.csv", rows_of_two_words(3000))  # a comma and a word
    test = write_rows(tmp_path / "test.csv", rows_of_two_words(7))
    report = ooc_train.convert(source, tmp_path / "o.h5", test=[test])
    assert report["features"] == "ngram"
    figures = report["auto"]
    assert (figures["rows"], figures["median_words"], figures["ratio"]) == (3000, 2.0, 1500.0)
    assert figures["advised"] == "sequence"
    named = ooc_train.convert(source, tmp_path / "same.h5", test=[test], features="ngram")
    assert "auto" not in named
    assert (tmp_path / "same.h5").read_bytes() == (tmp_path / "o.h5").read_bytes()


@pytest.mark.parametrize(("n_rows", "advised"), [(40, "n-grams, too"), (3000, "sequences")])
def test_the_command_says_what_the_guide_advises(tmp_path, capsys, n_rows, advised):
    source = write_rows(tmp_path / "train.csv", rows_of_two_words(n_rows))
    assert command.main([str(source), "-o", str(tmp_path / "o.h5")]) == 0
    assert (
        f"advises {advised}: {n_rows:,} rows, 2 words in a median row, ratio {n_rows // 2:,} "
        "(sequences from 1,500 on); on two cores an epoch takes about a second with n-grams, "
        in capsys.readouterr().out
    )


def test_options_of_the_other_kind(tmp_path):
    source = write_rows(tmp_path / "train.csv", rows_of_two_words(40))
    with pytest.raises(OptionError, match="become ngram features, which have no --max-length;"):
        ooc_train.convert(source, tmp_path / "o.h5", max_length=9)
    assert ooc_train.convert(source, tmp_path / "o.h5", top_k=9)["n_features"] == 9


def test_the_vectorizers_features_are_the_files(tmp_path):
    few = write_rows(tmp_path / "few.csv", random_rows(40))
    many = write_rows(tmp_path / "many.csv", [*rows_of_two_words(3000), ("3", "", "x")])
    ooc_train.convert(few, tmp_path / "first.h5")
    report = ooc_train.convert(many, tmp_path / "o.h5", vectorizer=tmp_path / "first.h5")
    assert report["features"] == "ngram"
    assert "auto" not in report
    with pytest.raises(OptionError, match="makes ngram features, not sequence; leave out --feat"):
        ooc_train.convert(
            many, tmp_path / "no.h5", vectorizer=tmp_path / "first.h5", features="sequence"
        )


def test_rejects_are_counted_once(tmp_path):
    source = tmp_path / "train.csv"
    write_rows(source, random_rows(40))
    with source.open("a") as file:
        file.write('"1","too few"\n' * 3)
    report = ooc_train.convert(source, tmp_path / "o.h5")
    assert report["rejected_rows"] == 3
    assert len((tmp_path / "o.h5.rejected.csv").read_text().splitlines()) == 4
    with pytest.raises(InputError, match="more than 2 rows cannot be used"):
        ooc_train.convert(source, tmp_path / "o.h5", max_rejects=2, force=True)


SENTENCES = {
    "Chinese": ["这部电影非常好看", "剧情拖沓很无聊", "值得再看一遍", "不推荐给朋友"],
    "Japanese": [
        "とても面白い映画でした",
        "退屈でつまらない",
        "また見たいと思う",
        "おすすめしない",
    ],
    "Thai": ["หนังเรื่องนี้สนุกมาก", "เนื้อเรื่องน่าเบื่อ", "อยากดูอีกครั้ง", "ไม่แนะนำ"],
}


@pytest.mark.parametrize("language", SENTENCES)
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_texts_without_spaces_become_characters(tmp_path, language, name):
    rows = [(str(1 + i % 2), SENTENCES[language][i % 4] + str(i % 5)) for i in range(80)]
    if name == "a.csv":
        (tmp_path / name).write_text("".join(f"{a},{b}\n" for a, b in rows), "utf-8")
    else:
        lines = (json.dumps({"label": a, "text": b}) for a, b in rows)
        (tmp_path / name).write_text("\n".join(lines))
    report = ooc_train.convert(tmp_path / name, tmp_path / "a.h5")
    asked = ooc_train.convert(tmp_path / name, tmp_path / "b.h5", analyzer="char")
    assert report["n_features"] == asked["n_features"] > 20
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    note = "texts have no spaces between words: terms are made of characters (--analyzer char)"
    assert report["notes"] == [f"{tmp_path / name}: {note}"]
    assert asked["notes"] == []
    with pytest.raises(InputError, match="are there spaces between words .else --analyzer char."):
        ooc_train.convert(tmp_path / name, tmp_path / "c.h5", analyzer="word", min_df=50)
    sequences = ooc_train.convert(tmp_path / name, tmp_path / "d.h5", features="sequence")
    assert "--features ngram makes terms of characters" in sequences["notes"][0]
