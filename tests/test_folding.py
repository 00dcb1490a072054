"""Folding and tokens: scikit-learn's own preprocessing is the oracle, over all of Unicode."""

import collections
import re
import unicodedata

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import strip_accents_unicode

from ooc_train.conversion.folding import N_CODE_POINTS, byte_tables, fold, folding_table
from ooc_train.conversion.grams import extract_grams, hash_terms
from ooc_train.conversion.terms import TermMatcher

INTERESTING = st.sampled_from(
    "aAzZ09_ .,'\n\t\u00a0äÖßéñÅİıſǅΣσςΑΩﬁﬃ™½²①Ⅷ٣५한글日本語ㄱ\u0301\u0307\u200d\u0345\u1e9e🙂𝔘𐐀"
)
TEXTS = st.text(st.one_of(INTERESTING, st.characters(exclude_categories=("Cs",))), max_size=40)
BYTES = st.one_of(TEXTS.map(str.encode), st.binary(max_size=30), st.builds(
    lambda text, cut: text.encode()[:cut], TEXTS, st.integers(0, 40)
))  # fmt: skip


def as_arrays(rows):
    offsets = np.cumsum([0] + [len(row) for row in rows])
    return np.frombuffer(bytearray(b"".join(rows)), np.uint8), offsets


def oracle_tokens(row):
    text = strip_accents_unicode(row.decode("utf-8", "replace").lower())
    return re.findall(r"(?u)\b\w\w+\b", text)


@given(st.lists(BYTES, min_size=1, max_size=6))
@example(["ΟΔΥΣΣΕΥΣ. ΣΑΣ Σ".encode(), b"plain"])
@example(["№ 145 ™ x™ Ｎo No.".encode(), b"NO tm"])
@example([b"caf\xc3", b"\xe2\x82abc", b"\xed\xa0\x80xy", b"\xf4\x90\x80\x80zz", b"\xc0\xafqq"])
def test_tokens_equal_scikit_learn(rows):
    # A NUL never gets here: the parser rejects the row.
    rows = [row.replace(b"\0", b" ") for row in rows]
    folded = fold(*as_arrays(rows))
    for i, row in enumerate(rows):
        words = folded.text[folded.offsets[i] : folded.offsets[i + 1]]
        words = byte_tables()[folded.kinds[i]][words]
        words = words.tobytes().decode().split(" ")
        assert [word for word in words if len(word) > 1] == oracle_tokens(row)


@given(st.lists(BYTES, min_size=1, max_size=6))
def test_rows_with_broken_utf8_are_counted(rows):
    def is_broken(row):
        try:
            row.decode()
        except UnicodeDecodeError:
            return True
        return False

    assert fold(*as_arrays(rows)).n_replaced == sum(map(is_broken, rows))


def test_every_code_point_folds_as_python_folds_it():
    points = [c for c in range(1, N_CODE_POINTS) if not 0xD800 <= c < 0xE000]
    table = folding_table()
    pool = table.pool.tobytes()
    for point in points:
        found = pool[table.starts[point] : table.stops[point]].decode()
        folded = strip_accents_unicode(chr(point).lower())
        assert found == re.sub(r"\W", " ", folded)


def test_nothing_happens_above_the_table():
    for point in range(N_CODE_POINTS, 0x110000):
        char = chr(point)
        assert not char.isalnum()
        assert char.lower() == char == unicodedata.normalize("NFKD", char)


def oracle_grams(row, ngrams):
    words = oracle_tokens(row)
    return [
        " ".join(words[stop - n : stop])
        for stop in range(1, len(words) + 1)
        for n in range(ngrams[0], min(ngrams[1], stop) + 1)
    ]


@given(st.lists(TEXTS, min_size=1, max_size=5), st.sampled_from([(1, 1), (1, 2), (2, 3), (1, 4)]))
def test_terms_are_found_with_their_counts_and_strings(texts, ngrams):
    rows = [text.replace("\0", " ").encode() for text in texts]
    oracle = [collections.Counter(oracle_grams(row, ngrams)) for row in rows]
    terms = sorted(set().union(*oracle))[::2]  # half of them; the others must not be found
    matcher = TermMatcher(hash_terms(terms, 0), ngrams, 0)
    found = matcher.match(fold(*as_arrays(rows)))
    for i, counts in enumerate(oracle):
        part = slice(found.offsets[i], found.offsets[i + 1])
        pairs = zip(found.terms[part].tolist(), found.counts[part].tolist(), strict=True)
        expected = {term: n for term, n in counts.items() if term in terms}
        assert {terms[k]: n for k, n in pairs} == expected
    assert [string.decode() for string in matcher.strings()] == terms


@given(st.lists(TEXTS, min_size=1, max_size=5), st.integers(0, 3))
def test_hashes_tell_terms_apart_and_depend_on_the_seed(texts, seed):
    rows = [text.replace("\0", " ").encode() for text in texts]
    folded = fold(*as_arrays(rows))
    grams = extract_grams(folded, (1, 2), seed)
    terms = [term for row in rows for term in oracle_grams(row, (1, 2))]
    hash_of = dict(zip(terms, grams.hashes.tolist(), strict=True))
    assert len(set(hash_of.values())) == len(hash_of)
    assert [hash_of[term] for term in terms] == grams.hashes.tolist()
    other = extract_grams(folded, (1, 2), seed + 1)
    assert not terms or not np.intersect1d(other.hashes, grams.hashes).size
