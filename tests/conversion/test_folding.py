"""Folding and tokens: scikit-learn's own preprocessing is the oracle, over all of Unicode."""

import collections
import re
import unicodedata

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer, strip_accents_unicode

from ooc_train.conversion.kinds.ngram.matching import match_terms
from ooc_train.conversion.kinds.sequence.matching import find_words
from ooc_train.conversion.kinds.terms.candidates import Candidates, LearnedTerms, SeenTerms
from ooc_train.conversion.kinds.terms.dictionary import Dictionary
from ooc_train.conversion.kinds.terms.grams import extract_grams
from ooc_train.conversion.storage.job import DiskArray
from ooc_train.conversion.text.analyzers import ANALYZERS
from ooc_train.conversion.text.collisions import HashCollision
from ooc_train.conversion.text.folding import (
    _COMBINING_BELOW,
    _LENGTH_BITS,
    N_CODE_POINTS,
    fold,
    folding_table,
)
from ooc_train.conversion.text.tokens import tokenize

INTERESTING = st.sampled_from(
    "aAzZ09_ .,'\n\t\x0b\x1c\x1f\x85\u1680\u2028\u3000"
    "\u00a0äÖßéñÅİıſǅΣσςΑΩﬁﬃ™½²①Ⅷ٣५한글日本語ㄱ\u0301\u0307\u200d\u0345\u1e9e🙂𝔘𐐀"
)
TEXTS = st.text(st.one_of(INTERESTING, st.characters(exclude_categories=("Cs",))), max_size=40)
BYTES = st.one_of(TEXTS.map(str.encode), st.binary(max_size=30), st.builds(
    lambda text, cut: text.encode()[:cut], TEXTS, st.integers(0, 40)
))  # fmt: skip


def as_arrays(rows):
    offsets = np.cumsum([0] + [len(row) for row in rows])
    return np.frombuffer(bytearray(b"".join(rows)), np.uint8), offsets


def oracle_grams(row, analyzer, ngrams):
    """scikit-learn's own analyzer, on the bytes."""
    return TfidfVectorizer(
        analyzer=analyzer, ngram_range=ngrams, strip_accents="unicode", decode_error="replace"
    ).build_analyzer()(row)


def tokens_of(tokens, row):
    """The tokens of a row as strings."""
    part = slice(tokens.offsets[row], tokens.offsets[row + 1])
    bounds = zip(tokens.starts[part].tolist(), tokens.stops[part].tolist(), strict=True)
    return [tokens.text[start:stop].tobytes().decode() for start, stop in bounds]


LONG = b"A plain row of ASCII that is longer than what is folded at once, \t\n  with 1 and 22"


@pytest.mark.parametrize("analyzer", ["word", "char"])
@given(rows=st.lists(BYTES, min_size=1, max_size=6))
@example(rows=["ΟΔΥΣΣΕΥΣ. ΣΑΣ Σ".encode(), b"plain"])
@example(rows=["№ 145 ™ x™ Ｎo No.".encode(), b"NO tm"])
@example(rows=[b"caf\xc3", b"\xe2\x82abc", b"\xed\xa0\x80xy", b"\xf4\x90\x80\x80zz", b"\xc0\xafqq"])
@example(rows=[b"a \x85b", "a \u2028 \u1680\u2029\u0085  b".encode(), b" \t\n", b""])
@example(rows=[LONG, LONG[:64], LONG[:63], LONG[:65], LONG[1:] + "é".encode(), LONG * 3])
@example(rows=[b"ab", b"cd" * 31, b"ef", b"g" * 130, b"x", b"y"])
def test_tokens_equal_scikit_learn(analyzer, rows):
    # A NUL never gets here: the parser rejects the row.
    rows = [row.replace(b"\0", b" ") for row in rows]
    tokens = tokenize(*as_arrays(rows), analyzer, 0)
    for i, row in enumerate(rows):
        assert tokens_of(tokens, i) == oracle_grams(row, analyzer, (1, 1))


@given(st.lists(BYTES, min_size=1, max_size=6))
def test_rows_with_broken_utf8_are_counted(rows):
    def is_broken(row):
        try:
            row.decode()
        except UnicodeDecodeError:
            return True
        return False

    assert tokenize(*as_arrays(rows), "word", 0).n_replaced == sum(map(is_broken, rows))


@pytest.mark.parametrize(
    ("analyzer", "mark"), [("word", lambda text: re.sub(r"\W", " ", text)), ("char", str)]
)
def test_every_code_point_folds_as_python_folds_it(analyzer, mark):
    points = [c for c in range(1, N_CODE_POINTS) if not 0xD800 <= c < 0xE000]
    table = folding_table(analyzer)
    pool = table.pool.tobytes()
    for point in points:
        start, length = divmod(int(table.entries[point]), 1 << _LENGTH_BITS)
        folded = mark(strip_accents_unicode(chr(point).lower()))
        assert pool[start : start + length].decode() == folded
        assert length <= table.growth * len(chr(point).encode())


@pytest.mark.parametrize("analyzer", ANALYZERS)
def test_ascii_folds_alike_at_once_and_by_the_table(analyzer):
    ascii_rows = [bytes(range(1, 128)), bytes(range(127, 0, -1))]
    padded = [row + b"x" * 70 for row in ascii_rows]  # so that all of it is folded 64 bytes at once
    by_table = [row + "é".encode() for row in ascii_rows]
    rows = [*padded, *by_table]
    folded = fold(*as_arrays(rows), analyzer)
    found = [folded.text[folded.offsets[i] :][:110].tobytes() for i in range(4)]
    assert found[:2] == found[2:]


def test_the_white_characters_that_folding_leaves():
    left = {c for p in range(N_CODE_POINTS) for c in unicodedata.normalize("NFKD", chr(p))}
    found = {c for c in left if re.match(r"\s", c)}
    assert found == {*map(chr, (*range(9, 14), *range(28, 33))), *"\x85\u1680\u2028\u2029"}


def test_nothing_happens_above_the_table():
    for point in range(N_CODE_POINTS, 0x110000):
        char = chr(point)
        assert not char.isalnum()
        assert char.lower() == char == unicodedata.normalize("NFKD", char)
    assert not any(unicodedata.combining(chr(c)) for c in range(_COMBINING_BELOW, 0x110000))


NGRAM_ANALYZERS = st.sampled_from(["word", "char"])
DICTIONARIES = st.sampled_from([0, 1000, 2**20])  # of no token, of a few, and of all


@given(
    st.lists(TEXTS, min_size=1, max_size=5),
    NGRAM_ANALYZERS,
    st.sampled_from([(1, 1), (1, 2), (2, 3), (1, 4)]),
    DICTIONARIES,
)
@example(["ab cd ab cd", "ab  cd, ab x cd", "cd ab cd"], "word", (1, 2), 0)
@example(["ab cd ab cd", "ab  cd, ab x cd", "cd ab cd"], "word", (1, 2), 2**20)
def test_terms_are_found_with_their_counts_and_strings(
    tmp_path_factory, texts, analyzer, ngrams, max_bytes
):
    rows = [text.replace("\0", " ").encode() for text in texts]
    oracle = [collections.Counter(oracle_grams(row, analyzer, ngrams)) for row in rows]
    hash_of = hashes_by_string(rows, analyzer, ngrams, 0)
    terms = sorted(hash_of)[::2]  # half of them; the others must not be found
    tokens, dictionary = tokenize(*as_arrays(rows), analyzer, 0), Dictionary(max_bytes)
    numbers = dictionary.number(tokens)
    hashes = np.array([hash_of[term] for term in terms], np.uint64)
    candidates = candidates_in(tmp_path_factory.mktemp("terms"), hashes, ngrams, dictionary)
    learned = LearnedTerms(candidates)
    for _ in range(2):  # strings are learned first, and known then
        seen = SeenTerms(candidates)
        found = match_terms(seen, tokens, numbers.copy())
        learned.add(seen.occurrences())
        for i, counts in enumerate(oracle):
            part = slice(found.offsets[i], found.offsets[i + 1])
            pairs = zip(found.terms[part].tolist(), found.counts[part].tolist(), strict=True)
            expected = {term: n for term, n in counts.items() if term in terms}
            assert {terms[k]: n for k, n in pairs} == expected
    assert [string.decode() for string in learned.strings(analyzer)] == terms


@given(st.lists(TEXTS, min_size=1, max_size=5), DICTIONARIES)
@example(["ab cd ab", "", "cd ab xx cd"], 0)
def test_tokens_that_are_terms_are_found_in_order(tmp_path_factory, texts, max_bytes):
    rows = [text.replace("\0", " ").encode() for text in texts]
    hash_of = hashes_by_string(rows, "word", (1, 1), 0)
    terms = sorted(hash_of)[::2]
    tokens, dictionary = tokenize(*as_arrays(rows), "word", 0), Dictionary(max_bytes)
    numbers = dictionary.number(tokens)
    hashes = np.array([hash_of[term] for term in terms], np.uint64)
    candidates = candidates_in(tmp_path_factory.mktemp("words"), hashes, (1, 1), dictionary)
    learned = LearnedTerms(candidates)
    for _ in range(2):  # strings are learned first, and known then
        seen = SeenTerms(candidates)
        found = find_words(seen, tokens, numbers.copy())
        learned.add(seen.occurrences())
        for i, row in enumerate(rows):
            part = found.terms[found.offsets[i] : found.offsets[i + 1]].tolist()
            expected = [word for word in oracle_grams(row, "word", (1, 1)) if word in terms]
            assert [terms[k] for k in part] == expected
    assert [string.decode() for string in learned.strings("word")] == terms


def candidates_in(folder, hashes, ngrams, dictionary):
    """Candidates with these hashes, and the tokens of a dictionary, in files in a folder."""
    hashes = DiskArray.of(folder / "hashes", np.asarray(hashes, np.uint64))
    return Candidates(hashes, ngrams, dictionary.frozen(folder))


def hashes_by_string(rows, analyzer, ngrams, seed):
    """Each n-gram of the rows with its hash."""
    grams = extract_grams(tokenize(*as_arrays(rows), analyzer, seed), ngrams)
    # scikit-learn has the shorter n-grams first, here they come by their first token
    joint = ANALYZERS[analyzer].joint.decode()
    terms = []
    for row in rows:
        tokens = oracle_grams(row, analyzer, (1, 1))
        terms += [
            joint.join(tokens[first : first + n])
            for first in range(len(tokens))
            for n in range(ngrams[0], min(ngrams[1], len(tokens) - first) + 1)
        ]
    hashes = dict(zip(terms, grams.hashes.tolist(), strict=True))
    assert [hashes[term] for term in terms] == grams.hashes.tolist()
    assert len(set(hashes.values())) == len(hashes)
    return hashes


@given(st.lists(TEXTS, min_size=1, max_size=5), NGRAM_ANALYZERS, st.integers(0, 3))
def test_hashes_tell_terms_apart_and_depend_on_the_seed(texts, analyzer, seed):
    rows = [text.replace("\0", " ").encode() for text in texts]
    hashes = hashes_by_string(rows, analyzer, (1, 2), seed)
    others = hashes_by_string(rows, analyzer, (1, 2), seed + 1)
    assert not set(hashes.values()) & set(others.values())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("abcdefgh ijk", "abcdefgh ijl"),
        ("abcdefghij", "abcdefghik"),
        ("ab", "abc"),
        ("abc", "ab"),
        ("abcd", "ab cd"),
        ("ab cd", "abxcd"),
        ("ab cd", "ab cde"),
        ("ab cd", "abc d_"),
    ],
)
@pytest.mark.parametrize("together", ["block", "group", None])
@pytest.mark.parametrize("max_bytes", [0, 2**16])
def test_two_strings_of_one_hash_are_noticed(tmp_path, one, other, together, max_bytes):
    # Hashes such that either text has the same, be it one word or two.
    parts = np.array([3, 5], np.uint64)
    pair = tokenize(*as_arrays([b"ab cd"]), "word", 0)._replace(hashes=parts)
    whole = extract_grams(pair, (2, 2)).hashes[0]
    hashes = [[whole] if len(text.split()) == 1 else parts.tolist() for text in (one, other)]
    if together == "block":
        blocks = [tokenize(*as_arrays([one.encode(), other.encode()]), "word", 0)]
        hashes = [hashes[0] + hashes[1]]
    else:
        blocks = [tokenize(*as_arrays([text.encode()]), "word", 0) for text in (one, other)]
    *before, last = [
        block._replace(hashes=np.array(given, np.uint64))
        for block, given in zip(blocks, hashes, strict=True)
    ]
    dictionary = Dictionary(max_bytes)
    numbers = [dictionary.number(block) for block in before]
    with pytest.raises(HashCollision):  # noqa: PT012 - either of the two notices
        numbers.append(dictionary.number(last))
        candidates = candidates_in(tmp_path, [whole], (1, 2), dictionary)
        learned, seen = LearnedTerms(candidates), SeenTerms(candidates)
        for block, given in zip([*before, last], numbers, strict=True):
            seen = seen if together == "group" else SeenTerms(candidates)
            assert match_terms(seen, block, given).counts.tolist() == [1]
            learned.add(seen.occurrences())


def test_a_listed_and_an_unlisted_token_of_one_hash_are_noticed(tmp_path):
    """The long token comes first, so that the dictionary has nothing to compare it with."""
    dictionary = Dictionary(2**16)
    blocks = [tokenize(*as_arrays([text]), "word", 0) for text in (b"x" * 999, b"ab")]
    blocks = [block._replace(hashes=np.array([5], np.uint64)) for block in blocks]
    numbers = [dictionary.number(block) for block in blocks]
    candidates = candidates_in(tmp_path, [5], (1, 1), dictionary)
    assert find_words(SeenTerms(candidates), blocks[1], numbers[1]).terms.tolist() == [0]
    with pytest.raises(HashCollision):
        find_words(SeenTerms(candidates), blocks[0], numbers[0])
