"""The corpus generator: the same rows for ever, in the layout and with the statistics it claims."""

import csv
import hashlib
import io
import os
import subprocess
import sys
import threading
from collections import Counter

import numpy as np
import pytest

from benchmarks.corpus import describe, generate, spelling
from benchmarks.corpus.__main__ import main
from benchmarks.corpus.generate import BLOCK_ROWS, Corpus, write_corpus

N_ROWS = BLOCK_ROWS * 3 + 100


def generated(n_rows, n_threads=1, **options):
    return b"".join(Corpus(**options).blocks(n_rows, n_threads=n_threads))


def parsed(content):
    return list(csv.reader(io.StringIO(content.decode(), newline=""), strict=True))


@pytest.fixture(scope="module")
def content():
    return generated(N_ROWS)


@pytest.fixture(scope="module")
def rows(content):
    return parsed(content)


@pytest.fixture(scope="module")
def tokens(content, tmp_path_factory):
    path = tmp_path_factory.mktemp("corpus") / "rows.csv"
    path.write_bytes(content)
    return describe.read_tokens(str(path), 10**9)


# ---- The same bytes.


def test_the_first_rows_never_change():
    """Every figure measured on generated rows is void when this digest is another one."""
    digest = hashlib.sha256(generated(1000)).hexdigest()
    assert digest == "70bcb8d05b976d0b35aa0eecc020469220d99d69a1873d384bd79c4427a73e26"


@pytest.mark.parametrize("n_rows", [0, 1, 1000, BLOCK_ROWS, BLOCK_ROWS + 1])
def test_fewer_rows_are_a_prefix(content, n_rows):
    prefix = generated(n_rows)
    assert content.startswith(prefix)
    assert prefix.count(b"\n") == n_rows


@pytest.mark.parametrize("n_threads", [2, 5])
def test_threads_change_nothing(content, n_threads):
    assert generated(N_ROWS, n_threads=n_threads) == content


def test_slow_early_blocks_still_come_first(content, monkeypatch):
    later_is_done = threading.Event()
    block_of = Corpus._block

    def slow_first(self, block, n_rows, table):
        if block == 0:
            assert later_is_done.wait(10)
        made = block_of(self, block, n_rows, table)
        if block == 1:
            later_is_done.set()
        return made

    monkeypatch.setattr(Corpus, "_block", slow_first)
    assert generated(N_ROWS, n_threads=2) == content


def test_blocks_ahead_are_bounded(monkeypatch):
    made = []
    block_of = Corpus._block

    def counted(self, block, n_rows, table):
        made.append(block)
        return block_of(self, block, 1, table)

    monkeypatch.setattr(Corpus, "_block", counted)
    blocks = Corpus().blocks(BLOCK_ROWS * 1000, n_threads=1)
    next(blocks)
    blocks.close()
    assert len(made) < 10


def test_rows_differ_by_seed_and_by_block(content):
    lines = content.splitlines()
    assert len(set(lines)) == len(lines)
    assert not set(lines) & set(generated(500, seed=1).splitlines())


def test_another_seed_speaks_the_same_language(rows):
    other = parsed(generated(1000, seed=1))
    common = [{w for w, n in words_of(some).items() if n >= 100} for some in (rows[:1000], other)]
    assert len(common[0] & common[1]) > 0.8 * len(common[0] | common[1])


# ---- The layout.


def words_of(rows):
    return Counter(word.strip('.,!?"').lower() for row in rows for word in row[2].split())


def test_every_row_is_a_line_of_three_quoted_fields(content, rows):
    assert len(rows) == N_ROWS == content.count(b"\n")
    assert all(len(row) == 3 for row in rows)
    assert {row[0] for row in rows} == {"1", "2"}
    for line, row in zip(content.decode().splitlines(), rows, strict=True):
        assert line == ",".join('"' + field.replace('"', '""') + '"' for field in row)


def test_the_parsers_paths_are_all_taken(content, rows):
    assert 0.4 < sum(row[1] == "" for row in rows) / N_ROWS < 0.6
    assert all(1 <= len(row[1].split()) <= generate.MAX_TITLE_WORDS for row in rows if row[1])
    foreign = sum(not row[2].isascii() for row in rows) / N_ROWS
    assert 0.008 < foreign < 0.022
    text = content.decode()
    assert {"é", "’", "'", "!", "?", "7"} <= set(text)
    assert any('"' in body for _, _, body in rows)
    assert not set(text) & set("\r\t\0\ufffd")


def test_sentences_begin_with_capitals_and_end_with_stops(rows):
    for _, title, body in rows[:500]:
        for text in filter(None, (title, body)):
            assert text.rstrip('"')[-1] in ".!?"
            assert text == text.strip()
            assert not text.lstrip('"')[0].islower()
    assert sum(". " in body for _, _, body in rows) > 0.9 * N_ROWS


def test_lengths_are_log_normal_around_the_mean(rows):
    n_words = np.array([len(body.split()) for _, _, body in rows])
    assert n_words.mean() == pytest.approx(75, rel=0.03)
    assert np.log(n_words).std() == pytest.approx(generate.LENGTH_SIGMA, rel=0.05)
    assert n_words.min() >= generate.MIN_WORDS


def test_mean_words_is_an_option():
    bodies = [row[2] for row in parsed(generated(BLOCK_ROWS, mean_words=20))]
    assert np.mean([len(body.split()) for body in bodies]) == pytest.approx(20, rel=0.05)


@pytest.mark.parametrize("n_classes", [2, 3, 10])
def test_classes_are_balanced(n_classes):
    counts = Counter(int(row[0]) for row in parsed(generated(BLOCK_ROWS, n_classes=n_classes)))
    assert sorted(counts) == list(range(1, n_classes + 1))
    expected = BLOCK_ROWS / n_classes
    assert all(abs(n - expected) < 5 * expected**0.5 for n in counts.values())


def test_a_thousand_classes_have_labels_to_a_thousand():
    labels = {int(row[0]) for row in parsed(generated(BLOCK_ROWS, n_classes=1000, mean_words=5))}
    assert min(labels) >= 1
    assert 980 < max(labels) <= 1000


# ---- The language.


def spelling_of(word):
    out = np.zeros(spelling.MAX_WORD_BYTES, np.uint8)
    return out[: spelling.put_spelling(word, spelling.spelling_table(), out, 0)].tobytes().decode()


def test_distinct_words_have_distinct_spellings():
    table = spelling.spelling_table()
    rng = np.random.default_rng(0)
    words = {*range(50_000), *(2 ** rng.uniform(0, 40, 20_000)).astype(int).tolist(), 2**40}
    out = np.zeros(spelling.MAX_WORD_BYTES, np.uint8)
    spellings = {out[: spelling.put_spelling(w, table, out, 0)].tobytes() for w in words}
    assert len(spellings) == len(words)
    assert all(
        spelling.isalnum() and spelling.islower() != spelling.isdigit() for spelling in spellings
    )
    assert max(map(len, spellings)) <= 20


def test_words_whose_low_bits_say_so_are_numbers():
    assert spelling_of(77) == "77"
    assert spelling_of(77 + 128 * 1000) == "128077"


def test_words_follow_zipf_and_their_number_keeps_growing(tokens):
    n_tokens = tokens.words.size
    counts = np.sort(np.bincount(tokens.words))[::-1] / n_tokens
    # IMDb: 0.059, 0.0129, 0.00124, 0.000103.
    assert counts[[0, 9, 99, 999]] == pytest.approx([0.061, 0.0105, 0.00123, 0.000114], rel=0.15)
    n_types = [np.unique(tokens.words[:n]).size for n in (n_tokens // 4, n_tokens)]
    assert 0.45 < np.log(n_types[1] / n_types[0]) / np.log(4) < 0.65


def test_bigrams_repeat_as_in_real_text(tokens):
    distinct, counts = np.unique(tokens.bigrams(100_000)[0], return_counts=True)
    # IMDb: 60,700 of which 0.830 occur once.  Words drawn by themselves: 75,000 and 0.90.
    assert distinct.size == pytest.approx(63_200, rel=0.03)
    assert (counts == 1).mean() == pytest.approx(0.853, abs=0.01)


def test_words_recur_within_their_row(tokens):
    pairs = np.unique(tokens.rows.astype(np.int64) << 32 | tokens.words).size
    elsewhere = np.random.default_rng(0).permutation(tokens.words)
    shuffled = np.unique(tokens.rows.astype(np.int64) << 32 | elsewhere).size
    assert pairs < 0.95 * shuffled


def test_tokens_are_as_long_as_english_ones(tokens):
    assert 4.4 < tokens.n_letters / tokens.words.size < 4.9


# ---- The class.


def accuracy(tokens, labels, grams, n_train):
    """Naive Bayes on the presence of grams, trained on the first rows, tested on the others."""
    gram_ids, gram_rows = grams
    gram_ids = np.unique(gram_ids, return_inverse=True)[1]
    rows, ids = np.unique(np.stack([gram_rows, gram_ids]), axis=1)
    train = rows < n_train
    counts = [
        np.bincount(ids[train & (labels[rows] == k)], minlength=ids.max() + 1) for k in (1, 2)
    ]
    weights = np.log(counts[1] + 1.0) - np.log(counts[0] + 1.0)
    scores = np.bincount(rows, weights=weights[ids], minlength=labels.size)
    guesses = np.where(scores[n_train:] > 0, 2, 1)
    return (guesses == labels[n_train:]).mean()


def test_the_class_shows_but_not_plainly(rows, tokens):
    labels = np.array([int(row[0]) for row in rows])
    words = tokens.words, tokens.rows
    bigrams = tokens.bigrams(tokens.words.size)
    few, many = (accuracy(tokens, labels, words, n) for n in (500, 5000))
    assert 0.6 < few < many - 0.04
    assert 0.79 < many < 0.9
    assert 0.68 < accuracy(tokens, labels, bigrams, 5000) < 0.85


def test_classes_differ_in_frequent_words_too(rows, tokens):
    labels = np.array([int(row[0]) for row in rows])[tokens.rows]
    size = int(tokens.words.max()) + 1
    counts = np.array([np.bincount(tokens.words[labels == k], minlength=size) for k in (1, 2)])
    frequent = np.argsort(-counts.sum(axis=0))[:100]
    sigmas = abs(counts[1] - counts[0])[frequent] / np.sqrt(counts.sum(axis=0)[frequent])
    # 0.40; lexica and phrases alone give 0.18.
    assert 0.3 < (sigmas > 3).mean() < 0.6


# ---- The library function, the command, the statistics.


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    def failing(self, block, n_rows, table):
        raise MemoryError

    monkeypatch.setattr(Corpus, "_block", failing)
    with pytest.raises(MemoryError):
        write_corpus(tmp_path / "rows.csv", 10)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_classes": 1}, "number of classes is 1, expected 2 to 1000"),
        ({"n_classes": 1001}, "number of classes is 1001"),
        ({"mean_words": 4}, "mean words a row are 4, expected 5 to 10000"),
        ({"seed": -1}, "seed is -1, expected 0 or more"),
        ({"n_rows": -1}, "number of rows is -1, expected 0 or more"),
        ({"n_threads": 0}, "number of threads is 0, expected 1 or more"),
    ],
)
def test_options_out_of_range_are_refused(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        write_corpus(tmp_path / "rows.csv", **{"n_rows": 10, **options})
    assert list(tmp_path.iterdir()) == []


def test_the_command_writes_a_file(tmp_path, capsys):
    path = tmp_path / "rows.csv"
    options = ["--rows", "50", "--seed", "3", "--classes", "4", "--words", "9", "--threads", "1"]
    assert main([str(path), *options]) == 0
    assert path.read_bytes() == generated(50, seed=3, n_classes=4, mean_words=9)
    assert "50 rows" in capsys.readouterr().err


@pytest.mark.parametrize("output", ["-", "/dev/stdout"])
@pytest.mark.skipif(os.name == "nt", reason="no /dev/stdout")
@pytest.mark.slow
def test_the_command_writes_to_standard_output(content, output):
    command = [sys.executable, "-m", "benchmarks.corpus", output, "--rows", "100"]
    result = subprocess.run(command, capture_output=True, check=True)
    assert result.stdout == generated(100)


def test_a_wrong_command_line_says_so(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["rows.csv"])
    assert stopped.value.code == 2
    assert "--rows N" in capsys.readouterr().err


def test_a_failing_command_says_why(tmp_path, capsys):
    assert main([str(tmp_path / "no folder" / "rows.csv"), "--rows", "1"]) == 1
    assert "No such file or directory" in capsys.readouterr().err


def test_statistics_of_a_corpus_counted_by_hand(tmp_path, capsys):
    path = tmp_path / "tiny.csv"
    path.write_text('"1","","One two, a one two."\n"2","Two","three"\n')
    assert main(["--statistics", str(path)]) == 0
    table = dict(line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines()[2:])
    # One row reads "one two one two", the other "two three".
    assert table["rows read"] == "2"
    assert table["tokens read"] == "6"
    assert table["letters a token"] == f"{20 / 6:.2f}"
    assert table["distinct words in all tokens"] == "3"
    assert table["of these found once, all tokens, words"] == "0.333"
    assert table["distinct bigrams in all tokens"] == "3"
    assert table["of these found once, all tokens, bigrams"] == "0.667"
    assert table["distinct words a row"] == "2.0"
    assert table["distinct words and bigrams a row"] == "3.5"
    assert table["words in two rows or more"] == "1"
    assert table["bigrams in two rows or more"] == "0"


@pytest.mark.slow
def test_learnability_is_reported_by_train_rows(tmp_path, monkeypatch):
    pytest.importorskip("sklearn")
    monkeypatch.setattr(describe, "_TRAIN_ROWS", (300, 1500))
    monkeypatch.setattr(describe, "_N_HELD_OUT", 500)
    write_corpus(tmp_path / "rows.csv", 2000)
    table = describe.learnability(str(tmp_path / "rows.csv"))
    assert len(table) == 8
    scores = [float(table[f"accuracy on words, {n:,} train rows"]) for n in (300, 1500)]
    assert 0.55 < scores[0] < scores[1] < 0.9
