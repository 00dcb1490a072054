"""Columns in the names of folders, as Hive and Spark write them, in every format of tables."""

import csv
import json
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import ooc_train
from ooc_train.conversion.sources.files.input_file import InputFile
from ooc_train.conversion.sources.files.listing import listed
from ooc_train.conversion.sources.find import find_source
from ooc_train.conversion.sources.layout import LayoutOptions
from ooc_train.errors import InputError, OptionError
from ooc_train.file.provenance import column_names
from ooc_train.prediction.inputs import Trained, find_inputs, room_for
from ooc_train.prediction.options import PredictOptions

TEXTS = ["an apple a day", "a day without", "nothing at all"]
FORMATS = ["parquet", "arrow", "csv", "headerless.csv", "jsonl"]


def write(path, columns):
    """A table in the format that the name tells."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = list(zip(*columns.values(), strict=True))
    if path.suffix == ".parquet":
        pq.write_table(pa.table(columns), path)
    elif path.suffix == ".arrow":
        table = pa.table(columns)
        with pa.ipc.new_file(path, table.schema) as writer:
            writer.write_table(table)
    elif path.suffix == ".jsonl":
        lines = [json.dumps(dict(zip(columns, row, strict=True))) for row in rows]
        path.write_text("".join(f"{line}\n" for line in lines))
    else:
        header = [] if "headerless" in path.name else [tuple(columns)]
        with path.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([*header, *rows])
    return path


def read(path, gives="text", **layout):
    """The source, its texts or numbers, and its labels."""
    source = find_source(path, LayoutOptions(**layout), gives=gives)
    return source, *rows_of(piece for piece, _ in source.read(2**20))


def rows_of(blocks):
    """The texts or numbers, and the labels, of blocks of rows."""
    rows, labels = [], []
    for block in blocks:
        labels += [block.labels.distinct[k].decode() for k in block.labels.numbers.tolist()]
        if hasattr(block, "values"):
            rows += block.values.tolist()
        else:
            rows += [block.text_bytes(k).decode() for k in range(len(block))]
    return rows, labels


@pytest.mark.parametrize("kind", FORMATS)
def test_the_label_is_in_the_names_of_folders(tmp_path, kind):
    path = write(tmp_path / "day=1%2F5" / "label=pos%20itive" / f"a.{kind}", {"text": TEXTS})
    text = () if "headerless" in kind else ("text",)
    source, rows, labels = read(path, text=text)
    assert labels == ["pos itive"] * 3
    assert rows == TEXTS
    assert source.remarks[-1] == "the names of its folders have columns, 'day', 'label'"
    assert source.layout["label"] == "label"
    names = None if "headerless" in kind else (("text",), "label")
    assert column_names(source.layout) == names
    _, rows, labels = read(path, text=text, label="day")
    assert labels == ["1/5"] * 3


@pytest.mark.parametrize("kind", FORMATS)
def test_texts_and_labels_of_the_file_and_of_folders(tmp_path, kind):
    columns = {"kind": ["a", "b", "a"], "text": TEXTS}
    path = write(tmp_path / "topic=film" / f"a.{kind}", columns)
    own = ("2", "1") if "headerless" in kind else ("text", "kind")
    source, rows, labels = read(path, text=("topic", own[0]), label=own[1])
    assert rows == [f"film, {text}" for text in TEXTS]
    assert labels == ["a", "b", "a"]
    layout = dict(source.layout)
    names = layout.get("names", layout["text"])
    assert names == (["topic", 2] if "headerless" in kind else ["topic", "text"])


@pytest.mark.parametrize("kind", FORMATS)
def test_the_value_that_stands_for_a_missing_one(tmp_path, kind):
    path = write(tmp_path / "label=__HIVE_DEFAULT_PARTITION__" / f"a.{kind}", {"text": TEXTS})
    assert read(path, text=() if "headerless" in kind else ("text",))[2] == [""] * 3


@pytest.mark.parametrize("kind", FORMATS[:4])
def test_numbers_of_the_file_and_of_folders(tmp_path, kind):
    columns = {"x": [1.5, 2.5], "y": [3.0, 4.0], "class": ["a", "b"]}
    path = write(tmp_path / "year=2024" / f"a.{kind}", columns)
    is_named = "headerless" not in kind
    x, label = ("x", "class") if is_named else ("1", "3")
    _, rows, labels = read(path, "dense", text=(x, "year"), label=label)
    assert rows == [[1.5, 2024], [2.5, 2024]]
    assert labels == ["a", "b"]
    _, rows, labels = read(path, "dense", label=label, header=kind == "csv")
    assert [len(row) for row in rows] == [2, 2], (
        "a column of folders is no feature unless it is named"
    )
    path = write(tmp_path / "year=last" / f"a.{kind}", columns)
    with pytest.raises(InputError, match="year=last is no number; name other columns"):
        read(path, "dense", text=(x, "year"), label=label)


def test_a_column_of_the_file_comes_first(tmp_path):
    columns = {"label": ["a", "b", "a"], "text": TEXTS}
    path = write(tmp_path / "label=c" / "a.parquet", columns)
    assert read(path)[2] == ["a", "b", "a"]


def test_what_cannot_be_chosen(tmp_path):
    path = write(tmp_path / "label=c" / "a.parquet", {"body": TEXTS})
    with pytest.raises(InputError, match=r"no column 'txt'; the columns are 'body', 'label'"):
        read(path, text=("txt",))
    with pytest.raises(InputError, match="no column but those in the names of folders; name at"):
        read(path, text=("label",), needs_label=False)
    with pytest.raises(OptionError, match="must name different columns"):
        read(path, text=("body", "label"))


@pytest.mark.parametrize("kind", FORMATS)
def test_rows_to_predict_carry_the_columns_of_folders(tmp_path, kind):
    is_named = "headerless" not in kind
    path = write(tmp_path / "label=pos" / f"a.{kind}", {"text": TEXTS})
    layout = read(path, text=("text",) if is_named else ())[0].layout
    new = write(tmp_path / "day=2" / "label=neg" / f"b.{kind}", {"text": TEXTS})
    trained = Trained("ngram", layout, lambda n_columns: None)
    found = find_inputs(trained, InputFile(new), PredictOptions())
    assert found.carried == ("day", "label")
    blocks = list(found.blocks(room_for(1)))
    assert rows_of(blocks)[0] == TEXTS
    assert [row for block in blocks for row in block.carried] == [{"day": "2", "label": "neg"}] * 3


def test_a_folder_of_partitions_is_converted_with_each_row_accounted_for(tmp_path):
    words = ["alpha beta", "beta gamma", "gamma alpha"] * 10
    for value in ("pos", "neg", "__HIVE_DEFAULT_PARTITION__"):
        write(tmp_path / "hive" / f"label={value}" / "part-0.parquet", {"text": words})
    (tmp_path / "hive" / "_SUCCESS").touch()
    (tmp_path / "hive" / "label=pos" / "_metadata").touch()
    reports = []
    for source in (
        tmp_path / "hive",
        tmp_path / "hive" / "*" / "*.parquet",
        tmp_path / "hive" / "*",
    ):
        report = ooc_train.convert(
            source,
            tmp_path / "o.h5",
            features="sequence",
            force=True,
            test=tmp_path / "hive" / "label=neg",
        )
        reports.append([report["files"], report["classes"], (tmp_path / "o.h5").read_bytes()])
    files, classes, _ = reports[0]
    assert classes == ["neg", "pos"]
    assert [(file["kept"], file["rejected"]) for file in files] == [
        (0, 30),
        (30, 0),
        (30, 0),
        (30, 0),
    ]
    assert reports[1] == reports[0] == reports[2]


def test_folders_that_link_to_folders_above(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}=1").symlink_to(tmp_path)
    write(tmp_path / "c=1" / "a.csv", {"text": TEXTS})
    found = listed(tmp_path)
    assert found.paths == [tmp_path / "c=1" / "a.csv"]
    assert found.note.endswith("2 others, such as a=1, are passed over")


def test_names_of_folders_that_are_no_utf8(tmp_path):
    folder = tmp_path / os.fsdecode(b"label=\xff")
    path = write(folder / "a.jsonl", {"text": TEXTS})
    source = find_source(path, LayoutOptions(needs_label=False, carry=True))
    carried = [row for block, _ in source.read(2**20) for row in block.carried]
    assert carried == [{"label": "\ufffd"}] * 3
    blocks = [block for block, _ in find_source(path, LayoutOptions()).read(2**20)]
    assert blocks[0].labels.distinct == [b"\xff"]
