"""Tables whose columns never touch, and a class without rows, which is said."""

import re

from hypothesis import given
from hypothesis import strategies as st

import ooc_train
from ooc_train.cli.tables import aligned, columns_of
from ooc_train.progress import Silent
from tests.files import write_file

CELLS = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1), st.integers(0, 3))
def test_columns_never_touch_and_lines_are_whole(rows, n_left):
    rows = [[f"a{cell}z" for cell in row] for row in rows]
    lines = aligned(rows, n_left)
    assert len(lines) == len(rows)
    for line in lines:
        assert len(re.findall(r"(?<=z)  +(?=a)", line)) >= 2
        assert line.isprintable() or not re.search(r"[\x00-\x1f\x7f-\x9f]", line)


def test_ends_of_columns_are_below_each_other():
    lines = aligned([("label", "rows"), ("文", "1"), ("businessbusiness", "903")], 1)
    assert {columns_of(line) for line in lines} == {22}


class Told(Silent):
    def __init__(self):
        self.messages = []

    def message(self, text):
        self.messages.append(text)


def test_a_class_without_rows_is_said(tmp_path):
    rows = ([0, 1, 0, 1], [0, 1, 2, 3, 4], [0, 1, 0, 1], [1.0] * 4)
    write_file(tmp_path / "toy.h5", {"train": rows}, n_classes=3, n_columns=2)
    told = Told()
    ooc_train.train(tmp_path / "toy.h5", tmp_path / "run", epochs=1, progress=told)
    assert any("no train row is of class" in message for message in told.messages)
