"""Sequences: equal to the guide's tokenizer, and the same bytes whatever the resources."""

import itertools
import time

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ooc_train
from ooc_train.conversion.kinds.sequence import counting
from ooc_train.conversion.kinds.terms import indexing
from ooc_train.conversion.resources import MemoryPlan
from ooc_train.conversion.sources.rows import TextRows
from ooc_train.conversion.text.folding import N_CODE_POINTS, fold
from ooc_train.conversion.text.tokens import tokenize as find_tokens
from ooc_train.conversion.vectorizer import load_vectorizer
from ooc_train.errors import FormatError, InputError, OptionError
from ooc_train.progress import Silent
from tests.corpora import PLANS, random_rows, read_terms, text_of, train_order, write_rows
from tests.files import read_strings, reseal
from tests.sequence_oracle import SPACES, SequenceOracle, read_sequences, tokenize

# What Python's lower-casing and this tokenizer find hard, beside any character of any plane.
PIECES = [
    *"aZ ΣσςİıẞßǅÅ.!'_-\t\n\r\x0b\x1c\x85\xa0\u2028\u3000\ufffd\U0001e900\U0010ffff",
    "ΑΣ", "ΑΣ.", "Σ'", "\u0307", "\u00ad", "A\u0345Σ", "don't", "!?", "  ", "日本",
]  # fmt: skip
BROKEN = [
    b"\xff",
    b"\xc3",
    b"\xe2\x82",
    b"\xed\xa0\x80",
    b"\xf0\x9f\x92",
    b"\xf4\x90\x80\x80",
    b"\x80",
]

characters = st.characters(codec="utf-8", exclude_characters="\0")
pieces = st.one_of(st.sampled_from(PIECES), characters).map(str.encode)
texts = st.lists(st.one_of(pieces, st.sampled_from(BROKEN)), max_size=12).map(b"".join)


def ragged(rows):
    offsets = np.zeros(len(rows) + 1, np.int64)
    np.cumsum([len(row) for row in rows], out=offsets[1:])
    return np.frombuffer(bytearray(b"".join(rows)), np.uint8), offsets


def folded_rows(folded):
    blob = folded.text.tobytes()
    assert {blob[j - 1 : j] for j in folded.offsets[1:]} <= {b" "}
    return [blob[i : j - 1] for i, j in itertools.pairwise(folded.offsets)]


def filtered(row):
    return row.decode("utf-8", "replace").lower().translate(SPACES).encode()


@given(st.lists(texts, max_size=5))
@settings(max_examples=300)
def test_lowering_equals_python(rows):
    lowered = fold(*ragged(rows), "keras")
    assert folded_rows(lowered) == [filtered(row) for row in rows]
    valid = [row.decode("utf-8", "ignore").encode() == row for row in rows]
    assert lowered.n_replaced == valid.count(False)


@pytest.mark.slow
def test_lowering_equals_python_for_every_character():
    points = (point for point in range(0x110000) if not 0xD800 <= point < 0xE000)
    rows = [chr(point).encode() for point in points]
    lowered = fold(*ragged(rows), "keras")
    assert folded_rows(lowered) == [filtered(row) for row in rows]
    assert all(chr(c) == chr(c).lower() for c in range(N_CODE_POINTS, 0x110000))


def test_broken_utf8_is_replaced_as_python_does_for_every_pair_and_many_longer():
    rng = np.random.default_rng(0)
    rows = [bytes([a, b]) for a in range(128, 256) for b in range(256)]
    leads = [0xE0, 0xE1, 0xED, 0xF0, 0xF1, 0xF4, 0xF5, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 65]
    rows += [bytes(row) for row in rng.choice(leads, (50_000, 5)).astype(np.uint8)]
    lowered = fold(*ragged(rows), "keras")
    assert folded_rows(lowered) == [filtered(row) for row in rows]


def convert(tmp_path, rows, **options):
    source = write_rows(tmp_path / "train.csv", rows)
    options = {"features": "sequence", "validation_fraction": 0, "force": True, **options}
    return ooc_train.convert(source, tmp_path / "o.h5", **options)


def assert_equals_oracle(path, rows_by_split, oracle):
    assert read_terms(path) == oracle.terms
    for split, rows in rows_by_split.items():
        found, labels = read_sequences(path, split)
        assert found == oracle.transform([text_of(row) for row in rows])
        assert labels == [row[0] for row in rows]


@pytest.mark.parametrize("fraction", [0.0, 0.25])
@pytest.mark.parametrize(
    "options", [{}, {"top_k": 20}, {"max_length": 7}, {"top_k": 12, "max_length": 3}], ids=str
)
def test_every_split_equals_the_guides_tokenizer(tmp_path, fraction, options):
    rows, test_rows = random_rows(300), random_rows(90, seed=1, n_words=30)
    test = write_rows(tmp_path / "test.csv", test_rows)
    report = convert(tmp_path, rows, test=[test], validation_fraction=fraction, **options)
    kept, drawn = train_order(len(rows), fraction)
    oracle = SequenceOracle([text_of(rows[i]) for i in sorted(kept)], **options)
    expected = {"train": [rows[i] for i in kept], "test": test_rows}
    if drawn:
        expected["validation"] = [rows[i] for i in drawn]
    assert_equals_oracle(tmp_path / "o.h5", expected, oracle)
    assert report["features"] == "sequence"
    assert report["n_features"] == len(oracle.terms)
    assert report["max_length"] == oracle.max_length
    assert report["distinct_terms"] == len(oracle.counts)
    assert report["words"] == sum(len(tokenize(text_of(row))) for row in rows + test_rows)
    with h5py.File(tmp_path / "o.h5") as file:
        group = file["vectorizer"]
        assert group.attrs["max_length"] == oracle.max_length
        assert group.attrs["n_documents"] == len(kept)
        assert group["term_counts"][:].tolist() == [oracle.counts[word] for word in oracle.terms]
        assert report["tokens"] == sum(len(file[split]["tokens"]) for split in expected)
        assert file["train/tokens"].dtype == np.uint16


@given(
    st.lists(st.lists(pieces, max_size=12).map(b"".join), min_size=3, max_size=8), st.integers(2, 9)
)
@settings(max_examples=60)
@pytest.mark.slow
def test_any_text_equals_the_guides_tokenizer(tmp_path_factory, bodies, top_k):
    rows = [(str(i % 2), "x", body.decode()) for i, body in enumerate(bodies)]
    folder = tmp_path_factory.mktemp("any")
    convert(folder, rows, top_k=top_k)
    kept, _ = train_order(len(rows), 0)
    oracle = SequenceOracle([text_of(row) for row in rows], top_k=top_k)
    assert_equals_oracle(folder / "o.h5", {"train": [rows[i] for i in kept]}, oracle)


@pytest.mark.slow
def test_ties_at_the_cut_go_to_the_first_to_appear(tmp_path):
    """Words that occur equally often, first in the same row: their order there decides."""
    words = [f"w{i}" for i in np.random.default_rng(0).permutation(200)]
    rows = [("1", "both", " ".join(words)), ("2", "both", " ".join(reversed(words)))] * 2
    for top_k in (2, 3, 50, 120, 201, 202, 203):
        convert(tmp_path, rows, top_k=top_k)
        assert read_terms(tmp_path / "o.h5") == ["both", *words][: top_k - 1]
        kept, _ = train_order(len(rows), 0)
        oracle = SequenceOracle([text_of(row) for row in rows], top_k=top_k)
        assert_equals_oracle(tmp_path / "o.h5", {"train": [rows[i] for i in kept]}, oracle)


def test_rows_of_thousands_of_words_are_cut_at_their_beginning(tmp_path):
    long = " ".join(f"w{i % 700}" for i in range(50_000))
    rows = [("1", "", long), ("2", "", "w1 w2 unheard"), ("1", "", ""), ("2", "", "w5")]
    report = convert(tmp_path, rows)
    kept, _ = train_order(4, 0)
    oracle = SequenceOracle([text_of(row) for row in rows])
    assert_equals_oracle(tmp_path / "o.h5", {"train": [rows[i] for i in kept]}, oracle)
    assert (report["max_length"], report["empty_rows"]) == (500, 1)


def test_more_terms_than_16_bits_number(tmp_path):
    words = [f"w{i}" for i in range(70_000)]
    rows = [(str(i % 2), "", " ".join(words[1000 * i : 1000 * i + 1000])) for i in range(70)]
    convert(tmp_path, rows, top_k=100_000, max_length=2000)
    with h5py.File(tmp_path / "o.h5") as file:
        assert file["train/tokens"].dtype == np.uint32
        assert file["train/tokens"][:].max() == 70_000
    assert read_terms(tmp_path / "o.h5") == words


def test_validation_rows_from_a_file_are_cut_to_the_longest_train_row(tmp_path):
    held_rows = random_rows(40, seed=2, n_words=40)
    held = write_rows(tmp_path / "held.csv", held_rows)
    rows = random_rows(100)
    report = convert(tmp_path, rows, validation=[held], validation_fraction=None)
    assert (report["rows"], report["validation_rows"]) == (100, 40)
    oracle = SequenceOracle([text_of(row) for row in rows])
    assert_equals_oracle(tmp_path / "o.h5", {"validation": held_rows}, oracle)
    longest = max(map(len, read_sequences(tmp_path / "o.h5", "validation")[0]))
    assert longest == oracle.max_length  # and some were longer before


@pytest.mark.slow
def test_the_same_bytes_whatever_threads_blocks_tables_and_buckets(tmp_path, monkeypatch):
    rows = random_rows(400) + [
        (str(1 + i % 3), "", " ".join(f"r{(37 * i + k) % 5000}" for k in range(60)))
        for i in range(300)
    ]
    test = write_rows(tmp_path / "test.csv", random_rows(50, seed=1))
    results = []
    monkeypatch.setattr(counting, "_FIRST_CAPACITY", 4)  # so that tables grow and divide
    for plan in PLANS:
        monkeypatch.setattr(MemoryPlan, "divide", lambda *_, plan=plan, **__: plan)
        report = convert(tmp_path, rows, test=[test], validation_fraction=0.1, top_k=400)
        results.append(((tmp_path / "o.h5").read_bytes(), report["workers"]))
        time.sleep(1)  # a time stamp would show
    assert results[0][0] == results[1][0] == results[2][0]
    assert {workers for _, workers in results} == {1, 2, 3}


@pytest.mark.parametrize("plan", PLANS)
def test_two_words_with_one_hash_repeat_the_fit(tmp_path, monkeypatch, plan):
    """With a hash of 7 bits under the first seed the result is that of the full hash."""
    monkeypatch.setattr(MemoryPlan, "divide", lambda *_, **__: plan)
    rows = random_rows(200)
    convert(tmp_path, rows)
    full = read_terms(tmp_path / "o.h5"), read_sequences(tmp_path / "o.h5", "train")

    def weak(text, offsets, analyzer, seed):
        found = find_tokens(text, offsets, analyzer, seed)
        return found if seed else found._replace(hashes=found.hashes >> 57 << 57 | 1)

    monkeypatch.setattr(indexing, "tokenize", weak)
    assert convert(tmp_path, rows)["attempts"] == 2
    assert (read_terms(tmp_path / "o.h5"), read_sequences(tmp_path / "o.h5", "train")) == full


def test_the_frozen_vectorizer_gives_the_rows_of_the_conversion(tmp_path):
    rows, test_rows = random_rows(200), random_rows(80, seed=1, n_words=40)
    test = write_rows(tmp_path / "test.csv", test_rows)
    convert(tmp_path, rows, test=[test], top_k=25)
    with ooc_train.open(tmp_path / "o.h5") as store, h5py.File(tmp_path / "o.h5") as file:
        vectorizer = load_vectorizer(store.handle)
        found = vectorizer.encode(TextRows.of([text_of(row).encode() for row in test_rows]))
        assert found.rows.indptr.tolist() == file["test/indptr"][:].tolist()
        assert found.rows.tokens.tolist() == file["test/tokens"][:].tolist()
    found = vectorizer.encode(TextRows.of([b"", b"!?", b"\xff", b"alpha"]))
    assert (found.n_replaced, found.n_empty) == (1, 2)
    assert found.rows.lengths.tolist() == [0, 0, 0, 1]


def test_predictions_take_the_rows_of_the_conversion(tmp_path):
    test_rows = random_rows(80, seed=1, n_words=40)
    test = write_rows(tmp_path / "test.csv", test_rows)
    report = convert(tmp_path, random_rows(200), test=[test], top_k=25)
    with ooc_train.open(tmp_path / "o.h5") as store:
        texts = [text_of(row).encode() for row in test_rows]
        found = load_vectorizer(store.handle).encode(TextRows.of(texts)).rows
        split = store["test"]
        expected = split.read(0, len(split))
        assert np.array_equal(found.indptr, expected.indptr)
        assert np.array_equal(found.tokens, expected.tokens)
        assert found.tokens.dtype == expected.tokens.dtype
        assert found.width == expected.width == report["max_length"]


def test_a_vectorizer_of_another_version_is_refused(tmp_path):
    convert(tmp_path, random_rows(30))
    with h5py.File(tmp_path / "o.h5", "r+") as file:
        file["vectorizer"].attrs["parameters"] = '{"top_k": 5, "stemmer": "porter"}'
        reseal(file)
    with (
        ooc_train.open(tmp_path / "o.h5") as store,
        pytest.raises(FormatError, match="parameters are not those of this version .*stemmer"),
    ):
        load_vectorizer(store.handle)


def test_a_later_conversion_with_the_same_vectorizer(tmp_path):
    """What was the test split of one conversion is the train split of another."""
    later = random_rows(80, seed=1, n_words=40)
    test = write_rows(tmp_path / "test.csv", later)
    convert(tmp_path, random_rows(300), test=[test], top_k=25)
    (tmp_path / "o.h5").rename(tmp_path / "first.h5")
    report = convert(
        tmp_path, [*later, ("9", "no such", "class")], vectorizer=tmp_path / "first.h5"
    )
    assert (report["rows"], report["rejected_rows"], report["n_features"]) == (80, 1, 24)
    order, _ = train_order(80, 0)
    expected, labels = read_sequences(tmp_path / "first.h5", "test")
    found, found_labels = read_sequences(tmp_path / "o.h5", "train")
    assert found == [expected[i] for i in order]
    assert found_labels == [labels[i] for i in order]
    with h5py.File(tmp_path / "first.h5") as one, h5py.File(tmp_path / "o.h5") as other:
        for name in ("max_length", "n_documents", "parameters"):
            assert one["vectorizer"].attrs[name] == other["vectorizer"].attrs[name]
        for name in ("term_hashes", "term_counts"):
            assert np.array_equal(one["vectorizer"][name], other["vectorizer"][name])
        assert report["max_length"] == one["vectorizer"].attrs["max_length"]
    assert read_terms(tmp_path / "first.h5") == read_terms(tmp_path / "o.h5")


def test_rows_without_a_known_word_and_texts_without_any(tmp_path):
    report = convert(tmp_path, [("1", "", "a b a b"), ("2", "!", "?"), ("2", "", "c")], top_k=3)
    assert (report["max_length"], report["empty_rows"], report["n_features"]) == (4, 1, 2)
    rows, _ = read_sequences(tmp_path / "o.h5", "train")
    assert sorted(map(len, rows)) == [0, 0, 4]
    with pytest.raises(InputError, match="no row of the train split has a word; does --text name"):
        convert(tmp_path, [("1", "", "!"), ("2", "", "?")])


def test_the_source_is_read_once(tmp_path):
    rows = random_rows(100)
    convert(tmp_path, rows)
    expected = (tmp_path / "o.h5").read_bytes()
    source = tmp_path / "train.csv"

    class Eraser(Silent):
        def start(self, phase, total, unit):
            if phase == "counting":
                source.write_bytes(bytes(source.stat().st_size))

    options = {"features": "sequence", "validation_fraction": 0, "progress": Eraser()}
    ooc_train.convert(source, tmp_path / "again.h5", **options)
    assert not any(source.read_bytes())
    assert (tmp_path / "again.h5").read_bytes() == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top_k": 1}, "--top-k must be at least 2 for sequences, .* the padding id 0, not 1"),
        ({"max_length": 0}, "--max-length must be at least 1, not 0"),
        ({"min_df": 2}, "--min-df cannot be used with --features sequence"),
        ({"ngrams": (1, 1), "score": "none"}, "--ngrams, --score cannot be used with --features"),
        ({"features": "ngram", "max_length": 9}, "--max-length cannot be used with --features n"),
    ],
)
def test_options_that_do_not_fit(tmp_path, options, message):
    with pytest.raises(OptionError, match=message):
        convert(tmp_path, random_rows(30), **options)


def test_the_strings_of_the_file_are_utf8(tmp_path):
    source = tmp_path / "train.csv"
    source.write_bytes(b'"1","caf\xe9 \xff"\n"2","ok ok"\n' * 3)
    report = ooc_train.convert(
        source, tmp_path / "o.h5", features="sequence", validation_fraction=0
    )
    assert report["replaced_rows"] == 3
    with h5py.File(tmp_path / "o.h5") as file:
        assert read_strings(file["vectorizer"], "terms") == [
            "ok",
            "caf\ufffd",
            "\ufffd",
        ]
