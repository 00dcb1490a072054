"""Trees of chunks: each chunk is found where h5py finds it."""

import numpy as np

from ooc_train.file import schema
from ooc_train.file.chunk_tree import Chunk, chunks_near
from ooc_train.file.objects import FileBytes, read_objects
from tests.files import add_array


def test_chunks_are_found_where_h5py_finds_them(tmp_path):
    """In trees of one node, and of several levels: a node has at most 64 entries."""
    for name, shape in (("flat", (150 * 65_536 - 9,)), ("wide", (90 * 21_845, 3))):
        path = tmp_path / f"{name}.h5"
        with schema.create_file(str(path)) as file:
            rows = add_array(file.create_group("g"), "rows", np.zeros(shape, "u1"), "zstd")
            infos = [rows.id.get_chunk_info(k) for k in range(rows.id.get_num_chunks())]
        wanted = [Chunk(info.chunk_offset[0], info.byte_offset, info.size) for info in infos]
        with path.open("rb") as opened:
            content = FileBytes(opened.fileno())
            stored = read_objects(content).members["g"].members["rows"]
            for chunk in wanted:
                for row in (chunk.first_row, chunk.first_row + 7):
                    near = chunks_near(content, stored, row)
                    assert chunk in near
                    assert set(near) <= set(wanted)
            assert chunks_near(content, stored, -1) == []
