"""The guide's rule for the kind of features: its figures, its choice, and options against it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ooc_train
from ooc_train.cli import convert as command
from ooc_train.conversion.auto import measure_rows
from ooc_train.conversion.sources.files.rejects import RejectFile
from ooc_train.conversion.sources.find import find_source
from ooc_train.conversion.sources.layout import LayoutOptions
from ooc_train.errors import InputError, OptionError
from ooc_train.progress import Silent
from tests.corpora import random_rows, text_of, write_rows


def figures_of(folder, rows):
    source = find_source(write_rows(folder / "rows.csv", rows), LayoutOptions())
    return measure_rows([source], RejectFile(folder / "rejects", 0), Silent())


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


@pytest.mark.parametrize(
    ("n_rows", "features"), [(2998, "ngram"), (2999, "ngram"), (3000, "sequence")]
)
@pytest.mark.slow
def test_the_choice_and_its_figures(tmp_path, n_rows, features):
    source = write_rows(tmp_path / "train.csv", rows_of_two_words(n_rows))  # a comma and a word
    report = ooc_train.convert(source, tmp_path / "o.h5")
    assert report["features"] == features
    assert report["auto"] == {"rows": n_rows, "median_words": 2.0, "ratio": n_rows / 2}
    forced = ooc_train.convert(source, tmp_path / "same.h5", features=features)
    assert "auto" not in forced
    assert (tmp_path / "same.h5").read_bytes() == (tmp_path / "o.h5").read_bytes()


def test_the_command_says_what_it_chose(tmp_path, capsys):
    source = write_rows(tmp_path / "train.csv", rows_of_two_words(40))
    assert command.main([str(source), "-o", str(tmp_path / "o.h5")]) == 0
    assert (
        "ngram features were chosen: 40 rows, 2 words in a median row, ratio 20"
        in capsys.readouterr().out
    )


def test_options_of_the_other_kind(tmp_path):
    few = write_rows(tmp_path / "few.csv", rows_of_two_words(40))
    many = write_rows(tmp_path / "many.csv", rows_of_two_words(3000))
    with pytest.raises(OptionError, match="call for ngram features, which have no --max-length;"):
        ooc_train.convert(few, tmp_path / "o.h5", max_length=9)
    with pytest.raises(OptionError, match="no --min-df, --ngrams; .* give --features explicitly"):
        ooc_train.convert(many, tmp_path / "o.h5", ngrams=(1, 1), min_df=1)
    assert ooc_train.convert(many, tmp_path / "o.h5", top_k=9)["n_features"] == 8
    assert ooc_train.convert(few, tmp_path / "o.h5", top_k=9, force=True)["n_features"] == 9


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


def test_rejects_of_the_first_look_are_counted_once(tmp_path):
    source = tmp_path / "train.csv"
    write_rows(source, random_rows(40))
    with source.open("a") as file:
        file.write('"1","too few"\n' * 3)
    report = ooc_train.convert(source, tmp_path / "o.h5")
    assert report["rejected_rows"] == 3
    assert len((tmp_path / "o.h5.rejected.csv").read_text().splitlines()) == 4
    with pytest.raises(InputError, match="more than 2 rows cannot be used"):
        ooc_train.convert(source, tmp_path / "o.h5", max_rejects=2, force=True)
