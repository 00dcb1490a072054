"""Numbers for tokens: the same for equal strings, others for others, whoever asks in what order."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ooc_train.conversion.kinds.terms import dictionary as module
from ooc_train.conversion.kinds.terms.dictionary import UNLISTED, Dictionary
from ooc_train.conversion.kinds.terms.token_file import TokenBlock, groups_to_encode, write_tokens
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
    folder = tmp_path_factory.mktemp("tokens")
    blocks = [write_tokens(folder, "train", 7 * i, tokens, numbers) for i in range(2)]
    assert sum(path.stat().st_size for path in folder.iterdir()) == 2 * blocks[0].n_bytes
    for number, block in enumerate(blocks):
        assert (block.split, block.first_row, len(block)) == ("train", 7 * number, len(rows))
        found, found_numbers = block.decoded(dictionary.listed().hashes)
        assert found_numbers.tolist() == numbers.tolist()
        assert found.hashes.tolist() == tokens.hashes.tolist()
        assert found.offsets.tolist() == tokens.offsets.tolist()
        unlisted = numbers == UNLISTED
        expected = np.array(strings_of(tokens), object)[unlisted]
        assert np.array(strings_of(found), object)[unlisted].tolist() == expected.tolist()


@given(st.lists(ROWS, min_size=2, max_size=4), MEMORY)
def test_a_word_list_has_the_numbers_of_its_dictionary_and_no_others(
    tmp_path_factory, blocks, max_bytes
):
    dictionary = Dictionary(max_bytes)
    dictionary.number(tokens_of(blocks[0]))
    words = pickle.loads(pickle.dumps(dictionary.frozen(tmp_path_factory.mktemp("words"))))
    known = {dictionary.listed().string(number) for number in range(len(words))}
    for rows in blocks:
        tokens = tokens_of(rows)
        numbers = words.number(tokens).tolist()
        for string, number in zip(strings_of(tokens), numbers, strict=True):
            assert (number != UNLISTED) == (string in known)
            assert number == UNLISTED or words.listed().string(number) == string


@given(st.lists(st.integers(0, 300), min_size=1, max_size=3), st.integers(1, 9))
def test_groups_are_of_one_split_and_there_are_some_for_each_worker(n_blocks, n_workers):
    splits = [split for split, n in enumerate(n_blocks) for _ in range(n)]
    blocks = [
        TokenBlock(str(split), 2 * k, 2, 0, Path(), 0, 0, k) for k, split in enumerate(splits)
    ]
    groups = list(groups_to_encode(blocks, n_workers))
    assert [block for group in groups for block in group.blocks] == blocks
    assert len(groups) >= min(len(blocks), 4 * n_workers)
    for group in groups:
        assert {block.split for block in group.blocks} == {group.split}
        assert 1 <= len(group.blocks) <= 8
        assert (group.first_row, len(group)) == (group.blocks[0].first_row, 2 * len(group.blocks))
        assert group.size == group.blocks[-1].size


def test_the_words_of_all_blocks_make_one_list():
    """What the words of each block are listed as does not depend on other blocks."""
    whole, parts = Dictionary(2**20), Dictionary(2**20)
    for rows in ([["ab", "cd", "ab"]], [["cd", "ef"]], [["ab" * 200, "gh"]]):
        tokens, own = tokens_of(rows), Dictionary(2**20)
        whole.number(tokens)
        own.number(tokens)
        parts.number(own.listed().as_tokens())
    assert parts.listed().hashes.tolist() == whole.listed().hashes.tolist()
    assert [parts.listed().string(i) for i in range(4)] == [b"ab", b"cd", b"ef", b"gh"]


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
