"""Records by partition: all that were written come back, by the first rows of their blocks."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ooc_train.conversion.storage import spill as module
from ooc_train.conversion.storage.spill import Spill, SpillWriter

N_PARTITIONS = 3
SIZES = st.lists(st.integers(0, 5), min_size=N_PARTITIONS, max_size=N_PARTITIONS)


def content(piece):
    """The bytes of a piece."""
    return np.concatenate([piece.records[start:stop] for start, stop in piece.segments])


@given(blocks=st.lists(SIZES, min_size=1, max_size=8), seed=st.integers(0, 99), data=st.data())
def test_partitions_come_back_in_the_order_of_their_rows(tmp_path_factory, blocks, seed, data):
    parts = [np.split(np.arange(100 * i, 100 * i + sum(sizes)), np.cumsum(sizes)[:-1])
             for i, sizes in enumerate(blocks)]  # fmt: skip
    writer = SpillWriter(tmp_path_factory.mktemp("spill"), "records")

    def write(i):
        bounds = np.concatenate(([0], np.cumsum(blocks[i])))
        return writer.write(10 * i, np.concatenate(parts[i]).astype(np.uint64), bounds)

    order = data.draw(st.permutations(range(len(blocks))))
    with ThreadPoolExecutor(2) as pool:  # two files at the most
        spill = Spill(pool.map(write, order))
    assert spill.n_bytes == 8 * sum(map(sum, blocks))
    for number in range(N_PARTITIONS):
        expected = np.concatenate([block[number] for block in parts])
        partition = pickle.loads(pickle.dumps(spill.partition(number)))
        assert partition.n_bytes == 8 * len(expected)
        np.testing.assert_array_equal(partition.read().view(np.uint64), expected)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "PIECE_BYTES", 8 * (1 + seed % 7))
            pieces = [content(piece).view(np.uint64) for piece in partition.pieces()]
        assert all(len(piece) for piece in pieces)
        np.testing.assert_array_equal(np.concatenate([[], *pieces]), expected)


def test_pieces_are_of_about_the_size_said(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PIECE_BYTES", 800)
    writer = SpillWriter(tmp_path, "records")
    segments = [writer.write(i, np.zeros(20, np.uint64), np.array([0, 20])) for i in range(50)]
    sizes = [piece.n_bytes // 8 for piece in Spill(segments).partition(0).pieces()]
    assert sum(sizes) == 1000
    assert max(sizes) <= 100 + 20
    assert len(sizes) <= 11


@pytest.mark.parametrize("most_bytes", [0, 5, 13, 100])
@pytest.mark.parametrize("most", [1, 2, 9])
@pytest.mark.parametrize("blocks", [slice(None), slice(1, 3)])
def test_adjacent_partitions_are_read_together(tmp_path, most_bytes, most, blocks):
    sizes = [[3, 0, 2, 1, 0], [0, 0, 4, 0, 0], [1, 0, 0, 5, 0], [2, 0, 2, 2, 0]]
    writer, wanted = SpillWriter(tmp_path, "records"), dict[int, list[int]]()
    segments = []
    for i, of_block in enumerate(sizes):
        records = np.arange(sum(of_block), dtype=np.uint8) + 20 * i
        bounds = np.concatenate(([0], np.cumsum(of_block)))
        segments.append(writer.write(i, records, bounds))
        if i in range(4)[blocks]:
            for number, own in enumerate(np.split(records, bounds[1:-1])):
                wanted.setdefault(number, []).extend(own.tolist())
    groups = pickle.loads(pickle.dumps(Spill(segments).groups(most_bytes, most, blocks)))
    found = {}
    for group in groups:
        assert len(group.numbers) <= most
        assert len(group.numbers) == 1 or group.records.n_bytes <= most_bytes
        for number, partition in group.opened():
            found[number] = np.concatenate([*map(content, partition.pieces())]).tolist()
            assert partition.n_bytes == len(found[number])
    assert found == {number: own for number, own in wanted.items() if own}
    assert most_bytes < 100 or most < 9 or len(groups) == 1


def test_a_block_that_is_written_twice_counts_once(tmp_path):
    """As when a task is repeated because nobody heard of its end."""
    writer = SpillWriter(tmp_path, "records")
    writer.write(0, np.arange(3, dtype=np.uint64), np.array([0, 3]))
    again = writer.write(0, np.arange(3, dtype=np.uint64), np.array([0, 3]))
    other = writer.write(5, np.arange(3, 5, dtype=np.uint64), np.array([0, 2]))
    assert Spill([other, again]).partition(0).read().view(np.uint64).tolist() == [0, 1, 2, 3, 4]


def test_a_file_that_has_lost_something_is_an_error(tmp_path):
    segment = SpillWriter(tmp_path, "records").write(0, np.zeros(9, np.uint64), np.array([0, 9]))
    with segment.path.open("r+b") as file:
        file.truncate(64)
    with pytest.raises(OSError, match="a temporary file could not be read back"):
        Spill([segment]).partition(0).read()


def test_what_is_removed_is_off_the_disk(tmp_path):
    segment = SpillWriter(tmp_path, "records").write(0, np.zeros(9, np.uint64), np.array([0, 9]))
    Spill([segment]).remove()
    assert list(tmp_path.iterdir()) == []
