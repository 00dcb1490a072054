"""What has a header is matched by its names, in all files, formats and commands."""

import json

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import ooc_train
from ooc_train.cli import inspect
from ooc_train.conversion.sources.files.input_file import InputFile
from ooc_train.conversion.sources.room import Room
from ooc_train.conversion.vectorizer import load_vectorizer
from ooc_train.errors import FormatError, InputError
from ooc_train.prediction.inputs import Trained, find_inputs
from ooc_train.prediction.options import PredictOptions
from ooc_train.reading.store import open as open_store
from ooc_train.training.run.folder import Run

VALUES = np.arange(120, dtype=np.float32).reshape(40, 3)
COLUMNS = {"a": VALUES[:, 0], "b": VALUES[:, 1], "2": VALUES[:, 2]}
CLASSES = [str(i % 2) for i in range(40)]


def write(path, order, columns=COLUMNS, **more):
    """A table of the columns in some order."""
    table = {**columns, **more, "label": CLASSES}
    table = {name: list(table[name]) for name in order}
    if path.suffix == ".parquet":
        pq.write_table(pa.table(table), path)
    else:
        rows = [order, *zip(*table.values(), strict=True)]
        path.write_text("".join(",".join(map(str, row)) + "\n" for row in rows))
    return path


def convert(source, **options):
    output = source.parent / "o.h5"
    options = {"features": "dense", "label": "label", "force": True, "shuffle": False} | options
    report = ooc_train.convert(source, output, **{"validation_fraction": 0} | options)
    with h5py.File(output) as file:
        return report, {name: file[name]["features"][:].reshape(-1, 3) for name in ("train", "test")
                        if name in file}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    for suffix in ("csv", "parquet"):
        write(folder / f"one.{suffix}", ["a", "b", "2", "label"])
        write(folder / f"other.{suffix}", ["label", "2", "more", "b", "a"], more=VALUES[:, 0])
        write(folder / f"less.{suffix}", ["a", "label", "b", "more"], more=VALUES[:, 0])
    return folder


@pytest.mark.parametrize("suffixes", [("csv", "csv"), ("csv", "parquet"), ("parquet", "csv")])
def test_other_files_are_read_by_the_names_of_the_first(folder, suffixes):
    one, other = (folder / f"{n}.{s}" for n, s in zip(["one", "other"], suffixes, strict=True))
    report, splits = convert(one, test=[other])
    assert np.array_equal(splits["train"], VALUES)
    assert np.array_equal(splits["test"], VALUES)
    assert "the features are 'a', 'b', '2'" in report["notes"][0]
    both = ooc_train.convert([one, other], folder / "o.h5", features="dense", label="label",
                             validation=[other], force=True)  # fmt: skip
    assert [file["kept"] for file in both["files"]] == [40, 40, 40]
    with pytest.raises(InputError, match=r"less.* there is no column '2'; the columns are 'a', "):
        convert(one, test=[folder / f"less.{suffixes[1]}"])


def test_a_fitted_vectorizer_remembers_names(folder):
    for suffix in ("csv", "parquet"):
        convert(folder / f"one.{suffix}")
        (folder / "o.h5").replace(folder / "fitted.h5")
        for source in ("other.csv", "other.parquet"):
            _, splits = convert(folder / source, vectorizer=folder / "fitted.h5", label=None)
            assert np.array_equal(splits["train"], VALUES)
    with pytest.raises(InputError, match="there is no column '2'"):
        convert(folder / "less.csv", vectorizer=folder / "fitted.h5")


def test_prediction_is_by_names(folder):
    for suffix in ("csv", "parquet"):
        convert(folder / f"one.{suffix}")
        for source in ("other.csv", "other.parquet"):
            assert np.array_equal(predicted(folder / "o.h5", folder / source), VALUES)
    for name in ("less.csv", "less.parquet"):
        with pytest.raises(InputError, match="there is no column '2'"):
            predicted(folder / "o.h5", folder / name)
    headerless = folder / "headerless.csv"
    headerless.write_text("1,2,3\n4,5,6\n")
    with pytest.raises(InputError, match="line 1: there is no column 'a'.* give numbers"):
        predicted(folder / "o.h5", headerless)
    assert len(predicted(folder / "o.h5", headerless, text=["1", "2", "3"])) == 2


def predicted(path, source, **options):
    """The rows that a run of a converted file would predict for."""
    with open_store(path) as store:
        run = Trained(
            store.features,
            store.provenance["layout"],
            load_vectorizer(store.handle).check_columns if store.features == "dense" else len,
        )
        inputs = find_inputs(run, InputFile(source), PredictOptions(**options))
        room = Room(2**30, 1, str)
        blocks = list(inputs.blocks(room))
    if store.features == "dense":
        return np.concatenate([block.values for block in blocks])
    return [block.text_bytes(row).decode() for block in blocks for row in range(len(block))]


def test_a_run_refuses_data_of_other_columns(folder):
    convert(folder / "one.csv")
    (folder / "o.h5").replace(folder / "mine.h5")
    with open_store(folder / "mine.h5") as mine:
        labels = mine.class_labels
        run = Run(
            folder, mine.handle, {"n_columns": 3}, {}, "dense", mine.provenance, labels, labels
        )
        convert(folder / "other.csv", columns=["b", "a", "2"])
        with (
            open_store(folder / "o.h5") as data,
            pytest.raises(
                FormatError, match="feature 1 is the column 'b', not 'a'; convert it with the same"
            ),
        ):
            run.check_matches(data)
        convert(folder / "other.parquet", columns=["a", "b", "2"])
        with open_store(folder / "o.h5") as data:
            run.check_matches(data)


def test_an_index_is_no_feature(folder, capsys):
    numbers = list(range(40))
    frame = {"index_columns": ["b"]}
    table = pa.table({**COLUMNS, "__index_level_0__": numbers, "label": CLASSES})
    table = table.replace_schema_metadata({"pandas": json.dumps(frame)})
    pq.write_table(table, folder / "index.parquet")
    report = ooc_train.convert(
        folder / "index.parquet", folder / "o.h5", features="dense", force=True
    )
    assert report["n_features"] == 2
    assert [note.partition(": ")[2] for note in report["notes"]] == [
        "the features are 'a', '2'",
        "the column 'b' (2) numbers the rows and is no feature",
        "the column '__index_level_0__' (4) numbers the rows and is no feature",
    ]
    source = write(folder / "index.csv", ["", "a", "b", "2", "label"], **{"": numbers})
    report, splits = convert(source)
    assert np.array_equal(splits["train"], VALUES)
    assert report["notes"][1].endswith("the column '' (1) numbers the rows and is no feature")
    assert inspect.main([str(folder / "o.h5")]) == 0
    assert "columns a, b, 2, class label\n" in capsys.readouterr().out
    named = ooc_train.convert(
        folder / "index.parquet", folder / "o.h5", columns=["a", "b"], force=True
    )
    assert (named["n_features"], named["notes"]) == (2, [])


def test_two_columns_of_one_name_are_asked_about(tmp_path):
    source = tmp_path / "twice.csv"
    source.write_text("a,a,label,text\n" + "".join(f"1,{i},{i % 2},some words\n" for i in range(9)))
    message = r"line 1: 2 columns are called 'a' \(1, 2\); give their numbers with --columns, or"
    for options in ({"columns": ["a"]}, {"columns": ["2", "a"]}, {}):
        with pytest.raises(InputError, match=message):
            ooc_train.convert(source, tmp_path / "o.h5", features="dense", label="label", **options)
    options = {"label": "label", "columns": ["2"], "test": [source]}
    assert ooc_train.convert(source, tmp_path / "o.h5", **options)["test_rows"] == 9
    assert (
        ooc_train.convert(source, tmp_path / "t.h5", label="label", features="ngram")["rows"] == 8
    )


def test_rows_of_each_file_are_accounted_for(tmp_path):
    one, two = tmp_path / "one.csv", tmp_path / "two.csv"
    one.write_text("label,text\n1,some words\n\n2,some words\n,no label\nlabel,text\n1,a,b\n")
    two.write_text("text,label\nmore words,1\nother words,3\n")
    report = ooc_train.convert(
        one, tmp_path / "o.h5", test=[two], header=True, label="label", features="ngram",
        validation_fraction=0,
    )  # fmt: skip
    assert report["files"] == [
        {"name": str(one), "split": "train", "rows": 5, "kept": 2, "rejected": 3,
         "blank_lines": 1},
        {"name": str(two), "split": "test", "rows": 2, "kept": 1, "rejected": 1,
         "blank_lines": 0},
    ]  # fmt: skip


def test_a_test_file_that_is_the_training_file_is_said(folder):
    copy = folder / "copy.csv"
    copy.write_bytes((folder / "one.csv").read_bytes())
    for same in (copy, folder / "one.csv"):
        report, _ = convert(folder / "one.csv", test=[same])
        assert f"{same}, test rows, is the training file" in report["notes"][1]
    for name in ("one", "two"):
        (folder / "texts" / name).mkdir(parents=True)
        for i in range(4):
            (folder / "texts" / name / f"{i}.txt").write_text("some words")
    texts = folder / "texts"
    report = ooc_train.convert(texts, folder / "o.h5", test=[texts], features="ngram", force=True)
    assert f"{texts}, test rows, is the training file {texts}" in report["notes"][0]
    copy.write_bytes(copy.read_bytes().replace(b"9", b"8"))
    assert len(convert(folder / "one.csv", test=[copy])[0]["notes"]) == 1


def text_file(path, header, rows):
    path.write_text(header + "".join(f"{','.join(row)}\n" for row in rows))
    return path


def test_texts_are_predicted_by_names_and_a_header_is_no_row(tmp_path):
    rows = [(("no", "yes")[i % 2], f"some words {i % 3}") for i in range(12)]
    texts = [text for _, text in rows]
    plain = text_file(tmp_path / "plain.csv", "", rows)
    titled = text_file(tmp_path / "titled.csv", "label,text\n", rows)
    swapped = text_file(tmp_path / "swapped.csv", "text,label\n", [row[::-1] for row in rows])
    other = text_file(tmp_path / "other.csv", "id,phrase\n", [("1", text) for text in texts])
    alone = text_file(tmp_path / "alone.csv", "Comment_Text\n", [row[1:] for row in rows])
    options = {"features": "ngram", "validation_fraction": 0, "force": True}

    ooc_train.convert(plain, tmp_path / "o.h5", **options)
    assert predicted(tmp_path / "o.h5", plain) == texts
    for source in (titled, other, alone):
        with pytest.raises(InputError, match="line 1 looks like a header .* --header, or name"):
            predicted(tmp_path / "o.h5", source)
    assert predicted(tmp_path / "o.h5", titled, header=True) == texts
    assert predicted(tmp_path / "o.h5", other, text=["phrase"]) == texts

    ooc_train.convert(titled, tmp_path / "o.h5", header=True, label="2", text=["1"], **options)
    assert predicted(tmp_path / "o.h5", swapped) == [label for label, _ in rows]
    ooc_train.convert(titled, tmp_path / "o.h5", header=True, label="1", text=["2"], **options)
    assert predicted(tmp_path / "o.h5", swapped) == texts
    assert predicted(tmp_path / "o.h5", swapped, text=["1"]) == texts
    one = text_file(tmp_path / "one.csv", "", rows[:1])
    assert predicted(tmp_path / "o.h5", one, text=["2"]) == texts[:1]
    for source in (plain, alone):
        with pytest.raises(InputError, match="line 1: there is no column 'text'; the columns are"):
            predicted(tmp_path / "o.h5", source)
    assert predicted(tmp_path / "o.h5", plain, text=["2"]) == texts


def test_a_name_with_a_comma(tmp_path):
    source = tmp_path / "comma.csv"
    source.write_text('label,"a, b"\n' + "".join(f"{i % 2},some words\n" for i in range(9)))
    with pytest.raises(InputError, match="a name with a comma is put in quotes, --text '\"a, b\"'"):
        ooc_train.convert(source, tmp_path / "o.h5", text=["a", "b"], label="label")
    options = {"label": "label", "features": "ngram"}
    assert ooc_train.convert(source, tmp_path / "o.h5", text=["a, b"], **options)["rows"] == 8


def test_columns_that_are_text_because_nothing_names_them_are_said(tmp_path):
    """Such as an id, a date and a user beside the text."""
    path = tmp_path / "a.csv"
    path.write_text("".join(f"{i % 2},{i},someone,some text {i}\n" for i in range(40)))
    notes = ooc_train.convert(path, tmp_path / "o.h5", features="ngram")["notes"]
    assert notes == [f"{path}: the text is made of the columns 2, 3, 4"]
    named = ooc_train.convert(path, tmp_path / "p.h5", features="ngram", text=[4])
    assert named["notes"] == []
