"""Dotted paths: fields within objects of JSON and within structs of Arrow and Parquet."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import ooc_train
from ooc_train.conversion.sources.files.input_file import InputFile
from ooc_train.conversion.sources.files.rejects import Reject
from ooc_train.conversion.sources.find import find_source
from ooc_train.conversion.sources.layout import LayoutOptions
from ooc_train.errors import InputError
from ooc_train.file.provenance import column_names
from ooc_train.prediction.inputs import Trained, find_inputs, room_for
from ooc_train.prediction.options import PredictOptions
from tests.conversion.test_partitions import rows_of

KINDS = ["jsonl", "parquet", "arrow"]
ROWS = [
    {"id": 1, "review": {"body": "an apple", "by": {"name": "Ada"}}, "meta": {"stars": 5}},
    {"id": 2, "review": {"body": "a day", "by": {"name": "Bob"}}, "meta": {"stars": 1}},
    {"id": 3, "review": {"body": None, "by": None}, "meta": {"stars": 5}},
    {"id": 4, "review": None, "meta": {"stars": 1}},
    {"id": 5, "review": {"body": "a tree", "by": {"name": "Eve"}}, "meta": None},
]


def write(path, rows=ROWS):
    """Rows as JSON Lines, Parquet or a file of Arrow."""
    if path.suffix == ".jsonl":
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        return path
    table = pa.Table.from_pylist(rows)
    if path.suffix == ".parquet":
        pq.write_table(table, path)
    else:
        with pa.ipc.new_file(path, table.schema) as writer:
            writer.write_table(table)
    return path


def read(path, gives="text", **layout):
    """The source, its texts or numbers, its labels, and the places and reasons of rejects."""
    source = find_source(path, LayoutOptions(**layout), gives=gives)
    pieces = [piece for piece, _ in source.read(2**20)]
    rejects = [(piece.line, piece.reason) for piece in pieces if isinstance(piece, Reject)]
    return source, *rows_of(piece for piece in pieces if not isinstance(piece, Reject)), rejects


@pytest.mark.parametrize("kind", KINDS)
def test_fields_within_columns(tmp_path, kind):
    path = write(tmp_path / f"a.{kind}")
    source, texts, labels, rejects = read(path, text=("review.body",), label="meta.stars")
    assert texts == ["an apple", "a day", "", "", "a tree"]
    assert labels == ["5", "1", "5", "1", ""]
    assert rejects == []
    assert column_names(source.layout) == (("review.body",), "meta.stars")
    _, texts, labels, _ = read(path, text=("review.by.name", "id"), label="meta.stars")
    assert texts == ["Ada, 1", "Bob, 2", ", 3", ", 4", "Eve, 5"]
    missing = [piece.missing for piece, _ in source.read(2**20)]
    assert np.concatenate(missing).tolist() == [False, False, True, True, False]


@pytest.mark.parametrize("kind", KINDS)
def test_a_column_with_a_dot_in_its_name_comes_first(tmp_path, kind):
    rows = [{"a.b": "flat", "a": {"b": "nested", "c": "c"}, "label": "x"}]
    source, texts, _, _ = read(write(tmp_path / f"a.{kind}", rows * 3), text=("a.b", "a.c"))
    assert texts == ["flat, c"] * 3
    assert source.file.n_columns == 3


@pytest.mark.parametrize("kind", KINDS)
def test_an_unknown_path_names_the_fields_that_exist(tmp_path, kind):
    path = write(tmp_path / f"a.{kind}")
    with pytest.raises(InputError, match=r"no (field|column) 'review.text'; .* 'review.body'"):
        read(path, text=("review.text",), label="meta.stars")
    with pytest.raises(InputError, match=r"no (field|column) 'meta.star'; .* 'meta.stars'"):
        read(path, text=("review.body",), label="meta.star")


def test_the_fields_within_the_same_column_come_first(tmp_path):
    rows = [{**{f"c{k}": k for k in range(30)}, "meta": {"stars": 1}}]
    path = write(tmp_path / "a.jsonl", rows * 2)
    with pytest.raises(InputError, match="'meta.star'; the fields are 'meta.stars', 'c0', 'c1'"):
        read(path, text=("c1",), label="meta.star")


def test_what_is_no_object_on_the_way(tmp_path):
    rows = [*ROWS[:2], {"review": "a text", "meta": {"stars": 1}}, {"review": {}, "meta": [5]}]
    path = write(tmp_path / "a.jsonl", rows)
    _, _, labels, rejects = read(path, text=("review.body",), label="meta.stars")
    assert labels == ["5", "1"]
    assert rejects == [
        (3, "the field 'review' is a string, not an object"),
        (4, "the field 'meta' is an array, not an object"),
    ]


@pytest.mark.parametrize("kind", KINDS[1:])
def test_numbers_and_lists_within_structs(tmp_path, kind):
    rows = [
        {"x": {"y": k, "vector": [k, k + 1.0]}, "label": "ab"[int(k) % 2]} for k in (1.0, 2.0, 3.0)
    ]
    path = write(tmp_path / f"a.{kind}", rows)
    _, numbers, labels, _ = read(path, "dense", text=("x.vector", "x.y"))
    assert numbers == [[1, 2, 1], [2, 3, 2], [3, 4, 3]]
    assert labels == ["b", "a", "b"]


@pytest.mark.parametrize("kind", KINDS)
def test_rows_to_predict_are_read_by_the_same_path(tmp_path, kind):
    path = write(tmp_path / f"a.{kind}")
    layout = read(path, text=("review.body",), label="meta.stars")[0].layout
    trained = Trained("ngram", layout, lambda n_columns: None)
    for other in KINDS:
        new = write(tmp_path / f"new.{other}", ROWS[:2])
        found = find_inputs(trained, InputFile(new), PredictOptions())
        assert found.carried == ("id", "review", "meta")
        blocks = list(found.blocks(room_for(1)))
        assert rows_of(blocks)[0] == ["an apple", "a day"]
        assert [row for block in blocks for row in block.carried] == ROWS[:2]


def test_repeated_texts_within_structs(tmp_path):
    """Texts are places in a dictionary then, which pyarrow reads as such."""
    words = ["one two three", "two three four"]
    rows = [{"data": {"text": words[k % 2]}, "label": k % 2} for k in range(20_000)]
    path = write(tmp_path / "a.parquet", rows)
    _, texts, labels, _ = read(path, text=("data.text",))
    assert texts == [row["data"]["text"] for row in rows]
    assert labels == [str(row["label"]) for row in rows]


def test_objects_of_a_program(tmp_path):
    rows = [
        {"data": {"text": f"word{k % 5} and other"}, "meta": {"label": k % 2}} for k in range(40)
    ]
    for given in (rows, pa.Table.from_pylist(rows)):
        report = ooc_train.convert(
            given,
            tmp_path / "o.h5",
            text=["data.text"],
            label="meta.label",
            features="sequence",
            force=True,
        )
        assert (report["rows"] + report["validation_rows"], report["classes"]) == (40, ["0", "1"])
