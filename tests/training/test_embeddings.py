"""Pretrained embeddings: every layout read, every damaged line refused, frozen and then trained."""

import gzip
import json

import numpy as np
import pytest

from ooc_train.errors import BudgetError, InputError
from ooc_train.training.models import embeddings
from ooc_train.training.models.embeddings import read_embeddings
from ooc_train.training.run.folder import open_run
from ooc_train.training.train import train
from tests.files import write_sequences

TERMS = ["the", "film", "naïve", "unknown"]
GLOVE = "the 1 2.5 -3e-1\n. . . 7 8 9\nfilm 4 5 6\nnaïve .5 +6 7.\nthe 9 9 9\n"
EXPECTED = np.array([[1, 2.5, -0.3], [4, 5, 6], [0.5, 6, 7]])
CENTRED = EXPECTED - EXPECTED.mean(axis=0)

LAYOUTS = {
    "glove": GLOVE.encode(),
    "word2vec": ("5 3\n" + GLOVE).encode(),
    "fasttext": ("5 3\n" + GLOVE.replace("\n", " \n")).encode(),
    "windows": GLOVE.replace("\n", "\r\n").encode(),
    "no last newline": GLOVE.rstrip("\n").encode(),
    "gzip": gzip.compress(GLOVE.encode()),
}


def read(folder, content, terms=TERMS):
    path = folder / "vectors.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_embeddings(path, terms)


@pytest.mark.parametrize("content", LAYOUTS.values(), ids=LAYOUTS)
def test_layouts(tmp_path, content):
    found = read(tmp_path, content)
    assert (found.matrix.shape, found.matrix.dtype) == ((5, 3), np.float32)
    np.testing.assert_allclose(found.matrix[1:4] / found.scale, CENTRED, rtol=1e-5)
    assert found.report == {
        "file": "vectors.txt", "dimension": 3, "terms": 4, "found": 3, "coverage": 0.75,
        "scale": found.scale,
    }  # fmt: skip


def test_vectors_are_as_large_as_random_values(tmp_path):
    """In root mean square, by one number for all: their directions and relative lengths stay."""
    vectors = read(tmp_path, GLOVE).matrix[1:4]
    assert np.sqrt(np.mean(np.square(vectors))) == pytest.approx(0.05 / np.sqrt(3))
    np.testing.assert_allclose(vectors / vectors[0, 0], CENTRED / CENTRED[0, 0], rtol=1e-5)


def test_terms_without_a_vector_are_average(tmp_path):
    matrix = read(tmp_path, GLOVE).matrix
    assert matrix[[0, 4]].tolist() == [[0, 0, 0]] * 2
    np.testing.assert_allclose(matrix[1:4].mean(axis=0), 0, atol=1e-8)


def test_one_dimension_is_no_header(tmp_path):
    found = read(tmp_path, "the 0.5\nfilm 2\n")
    np.testing.assert_allclose(found.matrix[1:3] / found.scale, [[-0.75], [0.75]], rtol=1e-6)


def test_a_number_among_the_words_is_no_header(tmp_path):
    found = read(tmp_path, "7 1 2\nthe 3 4\nfilm 5 8\n")
    np.testing.assert_allclose(found.matrix[1] / found.scale, [-1, -2], rtol=1e-6)


BAD = [
    ("the 1 2 3\nfilm 4 5\n", "line 2: found 2 numbers, where the others have 3"),
    ("the 1 2 3\nother 4 5\n", "line 2: found 2 numbers, where the others have 3"),
    ("the 1 2 3\nother 4 5 6 7\n", "line 2: found 4 numbers, where the others have 3"),
    ("the 1 2 3\n\nfilm 1 2 3\n", "line 2: found 0 numbers"),
    ("9 3\nthe 1 2 3\nother 4 5\n", "line 3: found 2 numbers, where the others have 3"),
    ("9 4\nthe 1 2 3\n", "line 2: found 3 numbers, where the others have 4"),
    ("the 1 2 3\nfilm 1 x 3\n", "line 2: found what is no number"),
    ("the 1 2 3\nother 1 x 3\n", "line 2: found what is no number"),
    ("the 1 2 3\nother 1 2 nan\n", "line 2: found a number that is not finite"),
    ("the 1 nan 3\n", "line 1: found a number that is not finite"),
    ("the 1 -inf 3\n", "line 1: found a number that is not finite"),
    ("the 1 1e99 3\n", "line 1: found a number that is not finite"),
    ("the\nfilm\n", "line 1: found no numbers after a word"),
    (f"5 {'9' * 5000}\n", "has none of the 4 terms"),
    (b"the 1 2 3\n" + b"x" * 2_000_000, "line 2: found more than a megabyte"),
    ("a 1 2 3\nb 1 2 3\n", "has none of the 4 terms; is it of their language"),
    ("", "has none of the 4 terms"),
    ("the 1 2 3\nother 4 5 6\n", "has the same numbers for all of the terms"),
    (
        gzip.compress(GLOVE.encode() * 9, mtime=0)[:-12],
        "cannot be read: Compressed file ended before",
    ),
]


@pytest.mark.parametrize(("content", "message"), BAD)
def test_bad_files(tmp_path, content, message):
    with pytest.raises(InputError, match=rf"vectors\.txt.*{message}"):
        read(tmp_path, content)


def test_vectors_that_would_take_all_memory(tmp_path, monkeypatch):
    with pytest.raises(BudgetError, match="has vectors of 999,999,999 numbers; those of 4 terms"):
        read(tmp_path, "5 999999999\nthe 1 2\n")
    monkeypatch.setattr(embeddings, "usable_bytes", lambda: 400)
    with pytest.raises(BudgetError, match="vectors of 3 numbers; those of 4 terms may take 0 MB"):
        read(tmp_path, GLOVE)


def test_no_file(tmp_path):
    with pytest.raises(InputError, match=r"none\.txt cannot be read: .*No such file"):
        read_embeddings(tmp_path / "none.txt", TERMS)


def test_only_numbers_of_the_terms_are_parsed(tmp_path):
    """That takes a hundred times as long as to look for characters that no number has."""
    for other in ("1.2.3 4 1e99", "1_0 4 5"):
        assert read(tmp_path, f"the 1 2 3\nother {other}\nfilm 1 2 4\n").n_found == 2


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A toy file and vectors of half its terms."""
    folder = tmp_path_factory.mktemp("vectors")
    random = np.random.default_rng(0)
    lines = (f"term{k} {' '.join(f'{x:.3f}' for x in random.normal(size=8))}" for k in range(30))
    (folder / "vectors.txt").write_text("\n".join(lines))
    return write_sequences(folder / "toy.h5", train=300, validation=50), folder / "vectors.txt"


def embedding(run):
    return open_run(run).load_model().get_layer("embedding").get_weights()[0]


def initial(vectors):
    return read_embeddings(vectors, [f"term{k}" for k in range(60)]).matrix


@pytest.mark.parametrize(
    ("frozen", "epochs", "changes"), [(2, 2, False), (1, 2, True), (0, 1, True)]
)
@pytest.mark.slow
def test_frozen_epochs(data, tmp_path, frozen, epochs, changes):
    path, vectors = data
    report = train(
        path,
        tmp_path / "run",
        epochs=epochs,
        learning_rate=0.01,  # so that the last epoch is the best, whose weights are kept
        embeddings=vectors,
        freeze_embeddings=frozen,
    )
    assert report["best_epoch"] == epochs
    scale = report["embeddings"].pop("scale")
    assert 0.02 < scale < 0.04  # the vectors are drawn with a root mean square of 1
    assert report["embeddings"] == {
        "file": "vectors.txt", "dimension": 8, "terms": 60, "found": 30, "coverage": 0.5,
    }  # fmt: skip
    assert report["steps"] == 3 * epochs
    settings = json.loads((tmp_path / "run" / "settings.json").read_text())
    assert (settings["embeddings"], settings["frozen_epochs"]) == ("vectors.txt", frozen)
    difference = np.abs(embedding(tmp_path / "run") - initial(vectors)).max()
    assert (difference > 0) == changes
    # Adam's steps are no larger than they would be at its beginning.
    assert difference < 1.01 * 0.01 * 3


@pytest.mark.slow
def test_one_epoch_is_frozen_unless_said_otherwise(data, tmp_path):
    path, vectors = data
    train(path, tmp_path / "run", epochs=1, embeddings=vectors)
    np.testing.assert_array_equal(embedding(tmp_path / "run"), initial(vectors))
