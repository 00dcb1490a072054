"""Records by partition: all that were written come back, by the first rows of their blocks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ooc_train.conversion.storage import spill as module
from ooc_train.conversion.storage.spill import Spill

N_PARTITIONS = 3
SIZES = st.lists(st.integers(0, 5), min_size=N_PARTITIONS, max_size=N_PARTITIONS)


@given(blocks=st.lists(SIZES, min_size=1, max_size=8), seed=st.integers(0, 99), data=st.data())
def test_partitions_come_back_in_the_order_of_their_rows(tmp_path_factory, blocks, seed, data):
    parts = [np.split(np.arange(100 * i, 100 * i + sum(sizes)), np.cumsum(sizes)[:-1])
             for i, sizes in enumerate(blocks)]  # fmt: skip
    with Spill(tmp_path_factory.getbasetemp()) as spill:
        for i in data.draw(st.permutations(range(len(blocks)))):
            bounds = np.concatenate(([0], np.cumsum(blocks[i])))
            spill.write(10 * i, np.concatenate(parts[i]).astype(np.uint64), bounds)
        for partition in range(N_PARTITIONS):
            expected = np.concatenate([block[partition] for block in parts])
            assert spill.n_records(partition) == len(expected)
            np.testing.assert_array_equal(spill.read(partition), expected)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(module, "PIECE_BYTES", 8 * (1 + seed % 7))
                pieces = list(spill.pieces(partition))
            assert all(len(piece) for piece in pieces)
            np.testing.assert_array_equal(np.concatenate([[], *pieces]), expected)


def test_pieces_are_of_about_the_size_said(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PIECE_BYTES", 800)
    with Spill(tmp_path) as spill:
        for i in range(50):
            spill.write(i, np.zeros(20, np.uint64), np.array([0, 20]))
        sizes = [len(piece) for piece in spill.pieces(0)]
    assert sum(sizes) == 1000
    assert max(sizes) <= 100 + 20
    assert len(sizes) <= 11


def test_what_is_read_from_takes_no_more(tmp_path):
    with Spill(tmp_path) as spill:
        spill.write(0, np.zeros(2, np.uint64), np.array([0, 2]))
        spill.read(0)
        with pytest.raises(RuntimeError, match="takes no more records"):
            spill.write(1, np.zeros(2, np.uint64), np.array([0, 2]))
