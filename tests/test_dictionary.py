"""Numbers for tokens: the same for equal strings, others for others, whoever asks in what order."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ooc_train.conversion.kinds.ngram import dictionary as module
from ooc_train.conversion.kinds.ngram.dictionary import UNLISTED, Dictionary
from ooc_train.conversion.kinds.ngram.token_file import TokenFile, decoded
from ooc_train.conversion.text.collisions import HashCollision
from ooc_train.conversion.text.tokens import tokenize

# Of 2 to 300 letters, so that some are longer than what lies in the table, some than is listed.
WORDS = st.builds(
    lambda stem, n: stem * n,
    st.text("abx_9é", min_size=2, max_size=5),
    st.sampled_from([1, 2, 4, 60, 99]),
)
ROWS = st.lists(st.lists(WORDS, max_size=30), min_size=1, max_size=6)
MEMORY = st.sampled_from([0, 700, 5000, 2**20])


def tokens_of(rows):
    texts = [" ".join(row).encode() for row in rows]
    offsets = np.cumsum([0, *map(len, texts)])
    return tokenize(np.frombuffer(bytearray(b"".join(texts)), np.uint8), offsets, "word", 0)


def strings_of(tokens):
    bounds = zip(tokens.starts.tolist(), tokens.stops.tolist(), strict=True)
    return [tokens.text[start:stop].tobytes() for start, stop in bounds]


@given(st.lists(ROWS, min_size=1, max_size=4), MEMORY)
def test_a_number_is_a_string_and_a_string_has_one_number_or_none(blocks, max_bytes):
    dictionary = Dictionary(max_bytes)
    numbers_of = {}
    for _ in range(2):
        for rows in blocks:
            tokens = tokens_of(rows)
            for string, number in zip(strings_of(tokens), dictionary.number(tokens), strict=True):
                numbers_of.setdefault(string, set()).add(int(number))
    assert all(len(numbers) == 1 for numbers in numbers_of.values())
    number_of = {string: numbers.pop() for string, numbers in numbers_of.items()}
    listed = dictionary.listed()
    in_order = sorted(number for number in number_of.values() if number != UNLISTED)
    assert in_order == list(range(len(listed.hashes)))
    for string, number in number_of.items():
        if number != UNLISTED:
            assert listed.string(number) == string
        elif max_bytes == 2**20:
            assert len(string) > module.LONGEST


@given(ROWS, MEMORY)
def test_tokens_come_back_from_the_file(tmp_path_factory, rows, max_bytes):
    tokens, dictionary = tokens_of(rows), Dictionary(max_bytes)
    numbers = dictionary.number(tokens)
    with TokenFile(tmp_path_factory.mktemp("tokens")) as file:
        file.write("test", 7, tokens, numbers)
        n_bytes = file.write("train", 0, tokens, numbers)
        assert file.n_bytes == 2 * n_bytes
        first, second = file.blocks()
        assert (first.split, second.split, second.first_row) == ("train", "test", 7)
        for block in (first, second):
            found, found_numbers = decoded(file.read(block), len(rows), dictionary.listed().hashes)
            assert found_numbers.tolist() == numbers.tolist()
            assert found.hashes.tolist() == tokens.hashes.tolist()
            assert found.offsets.tolist() == tokens.offsets.tolist()
            unlisted = numbers == UNLISTED
            expected = np.array(strings_of(tokens), object)[unlisted]
            assert np.array(strings_of(found), object)[unlisted].tolist() == expected.tolist()


def test_threads_agree(monkeypatch):
    monkeypatch.setattr(module, "_FIRST_WORDS", 2)  # it grows often
    rows = [[f"word{(7 * i + k) % 5000}" for i in range(300)] for k in range(0, 8000, 100)]
    dictionary, start = Dictionary(2**24), threading.Barrier(4)

    def number(k):
        tokens = tokens_of([rows[k]])
        if k < 4:
            start.wait()
        return list(zip(strings_of(tokens), dictionary.number(tokens).tolist(), strict=True))

    with ThreadPoolExecutor(4) as pool:
        pairs = {pair for found in pool.map(number, range(len(rows))) for pair in found}
    assert len(pairs) == len({string for string, _ in pairs}) == len({n for _, n in pairs})
    listed = dictionary.listed()
    assert all(listed.string(number) == string for string, number in pairs)


@pytest.mark.parametrize(
    "words", [["ab", "abc"], ["abcdefgh_i", "abcdefgh_j"], ["x" * 20 + "a", "x" * 20 + "b"]]
)
@pytest.mark.parametrize("together", [True, False])
def test_two_strings_of_one_hash(words, together):
    dictionary = Dictionary(2**16)
    blocks = [tokens_of([words])] if together else [tokens_of([[word]]) for word in words]
    *before, last = [block._replace(hashes=np.full_like(block.hashes, 5)) for block in blocks]
    for block in before:
        assert dictionary.number(block).tolist() == [0]
    with pytest.raises(HashCollision):
        dictionary.number(last)
    for block in before:
        assert dictionary.number(block).tolist() == [0]
