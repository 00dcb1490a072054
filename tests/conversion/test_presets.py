"""Presets: each on tiny data of its archive's layout, and the escapes undone in both directions."""

import csv
import gzip
import io
import itertools
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ooc_train
from ooc_train.cli import convert as command
from ooc_train.conversion.sources.cleaning import CLEANINGS
from ooc_train.conversion.sources.presets import PRESETS
from ooc_train.conversion.sources.rows import SpelledLabels, TextRows
from ooc_train.errors import InputError, OptionError
from tests.corpora import read_terms, write_folder, write_rows

N_CLASSES = {
    "ag_news": 4,
    "dbpedia": 14,
    "amazon_review_full": 5,
    "amazon_review_polarity": 2,
    "yelp_review_full": 5,
    "yelp_review_polarity": 2,
}
CLEANERS = {
    "escapes": lambda text: re.sub(r'\\([n"])', lambda found: {"n": "\n"}.get(found[1], '"'), text),
    "backslashes": lambda text: text.replace("\\", " "),
}


def rows_of(name, n_rows=60):
    """TextRows as the archive has them: Yelp's have one text, the others two."""
    n_classes = N_CLASSES[name]
    texts = [
        (f"a title {i}", rf"good\nfood \"really\"\nice won\support {i % 7}") for i in range(n_rows)
    ]
    if name.startswith("yelp"):
        texts = [(body,) for _, body in texts]
    return [(str(1 + i % n_classes), *text) for i, text in enumerate(texts)]


def write_archive(folder, name):
    folder.mkdir()
    write_rows(folder / "train.csv", rows_of(name))
    write_rows(folder / "test.csv", rows_of(name, 28))
    return folder


def convert(source, output, **options):
    options = {"features": "sequence", "force": True, **options}
    return ooc_train.convert(source, output, validation_fraction=0, **options)


def names_of(path):
    from h5py import File

    from tests.files import read_strings

    with File(path) as file:
        return read_strings(file, "classes/names")


def test_every_preset_is_tested():
    assert {*N_CLASSES, "imdb"} == PRESETS.keys()


@pytest.mark.parametrize("name", N_CLASSES)
@pytest.mark.slow
def test_presets_find_files_classes_and_clean_texts(tmp_path, name):
    archive = write_archive(tmp_path / "archive", name)
    report = convert(archive, tmp_path / "o.h5", preset=name)
    assert (report["rows"], report["test_rows"], report["rejected_rows"]) == (60, 28, 0)
    assert len(report["classes"]) == N_CLASSES[name]
    assert names_of(tmp_path / "o.h5") == list(PRESETS[name].class_names)
    terms = set(read_terms(tmp_path / "o.h5"))
    cleaning = PRESETS[name].cleaning
    assert ("nfood" in terms) == (cleaning != "escapes")
    assert {"support", "really"} < terms  # a backslash is one of the filtered characters
    # The same texts, cleaned before, give the same features.
    cleaner = CLEANERS.get(cleaning, str)
    plain = [(row[0], *map(cleaner, row[1:])) for row in rows_of(name)]
    convert(write_rows(tmp_path / "plain.csv", plain), tmp_path / "plain.h5")
    assert read_terms(tmp_path / "plain.h5") == read_terms(tmp_path / "o.h5")


def test_names_in_the_archive_or_said_come_before_the_presets(tmp_path):
    archive = write_archive(tmp_path / "archive", "ag_news")
    (archive / "classes.txt").write_text("a\nb\nc\nd\n")
    convert(archive, tmp_path / "o.h5", preset="ag_news")
    assert names_of(tmp_path / "o.h5") == ["a", "b", "c", "d"]
    (tmp_path / "mine.txt").write_text("w\nx\ny\nz\n")
    convert(archive, tmp_path / "o.h5", preset="ag_news", classes=tmp_path / "mine.txt")
    assert names_of(tmp_path / "o.h5") == ["w", "x", "y", "z"]


def test_compressed_files_in_the_archive(tmp_path):
    archive = write_archive(tmp_path / "archive", "dbpedia")
    convert(archive, tmp_path / "plain.h5", preset="dbpedia")
    for path in list(archive.iterdir()):
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert convert(archive, tmp_path / "o.h5", preset="dbpedia")["test_rows"] == 28
    assert read_terms(tmp_path / "o.h5") == read_terms(tmp_path / "plain.h5")


def test_imdb_without_its_unlabelled_reviews(tmp_path):
    archive = tmp_path / "aclImdb"
    rows = [("pos", "good", f"film {i}") for i in range(20)]
    rows += [("neg", "bad", f"film {i}") for i in range(20)]
    write_folder(archive / "train", [*rows, ("unsup", "who", "knows")])
    write_folder(archive / "test", rows[10:30])
    for name in ("README", "imdb.vocab", "train/urls_unsup.txt", "train/labeledBow.feat"):
        (archive / name).write_text("no row")
    report = convert(archive, tmp_path / "o.h5", preset="imdb")
    assert (report["rows"], report["test_rows"], report["rejected_rows"]) == (40, 20, 0)
    assert report["classes"] == names_of(tmp_path / "o.h5") == ["neg", "pos"]
    assert "knows" not in read_terms(tmp_path / "o.h5")


@pytest.mark.parametrize(
    ("preset", "missing"),
    [
        ("imdb", "train.neg"),
        ("yelp_review_full", "train.csv"),
    ],
)
def test_a_wrong_folder(tmp_path, preset, missing):
    message = rf"is not the unpacked archive of {preset}: there is no {missing}; give the folder"
    with pytest.raises(InputError, match=message):
        convert(tmp_path, tmp_path / "o.h5", preset=preset)


def test_an_archive_without_its_test_rows(tmp_path):
    (write_archive(tmp_path / "archive", "ag_news") / "test.csv").unlink()
    with pytest.raises(InputError, match=r"there is no test.csv; give the folder that it is in"):
        convert(tmp_path / "archive", tmp_path / "o.h5", preset="ag_news")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"preset": "mnist"}, "--preset must be one of ag_news, dbpedia, "),
        ({"preset": "imdb", "text": ["2"]}, "--preset imdb knows its layout; leave out --text"),
        ({"preset": "imdb", "test": ["t"], "header": True}, "leave out --header, --test"),
    ],
)
def test_options_that_do_not_fit(tmp_path, options, message):
    with pytest.raises(OptionError, match=message):
        convert(tmp_path, tmp_path / "o.h5", **options)


def test_two_folders(tmp_path):
    with pytest.raises(OptionError, match="takes the one folder of its archive, not 2 paths"):
        convert([tmp_path, tmp_path], tmp_path / "o.h5", preset="imdb")


def test_predictions_clean_files_of_the_same_layout(tmp_path):
    archive = write_archive(tmp_path / "archive", "yelp_review_polarity")
    convert(archive, tmp_path / "o.h5", preset="yelp_review_polarity", features="ngram")
    ooc_train.train(tmp_path / "o.h5", tmp_path / "run", epochs=1)
    outputs = []
    clean = [
        (label, CLEANERS["escapes"](text)) for label, text in rows_of("yelp_review_polarity", 28)
    ]
    for source in (archive / "test.csv", write_rows(tmp_path / "clean.csv", clean)):
        output = io.StringIO()
        ooc_train.predict(tmp_path / "run", source, output)
        outputs.append(list(csv.reader(io.StringIO(output.getvalue()))))
    assert outputs[0] == outputs[1]
    evaluation = ooc_train.evaluate(tmp_path / "run", tmp_path / "o.h5")
    header, *rows = outputs[0]
    predicted = [row[header.index("label")] for row in rows]
    correct = [label == truth for label, (truth, _) in zip(predicted, clean, strict=True)]
    assert np.mean(correct) == evaluation["accuracy"]


def test_the_command(tmp_path, capsys):
    archive = write_archive(tmp_path / "archive", "ag_news")
    status = command.main([str(archive), "--preset", "ag_news", "-o", str(tmp_path / "o.h5")])
    assert status == 0
    assert "54 train, 6 validation and 28 test rows of 4 classes" in capsys.readouterr().out


@given(st.lists(st.text('\\n"ab \u00e9', max_size=12), max_size=5), st.sampled_from(list(CLEANERS)))
def test_cleaning_equals_a_regular_expression(texts, name):
    encoded = [text.encode() for text in texts]
    offsets = np.zeros(len(texts) + 1, np.int64)
    np.cumsum([len(text) for text in encoded], out=offsets[1:])
    data = np.frombuffer(bytearray(b"".join(encoded)), np.uint8)
    rows = TextRows(data, offsets, SpelledLabels.none(len(texts)), np.arange(len(texts)))
    found = CLEANINGS[name](rows)
    bounds = itertools.pairwise(found.text_offsets.tolist())
    assert [found.text[i:j].tobytes().decode() for i, j in bounds] == list(
        map(CLEANERS[name], texts)
    )
