"""Folders as people have them: what is read, in which order, and what is passed over and said."""

import json
from pathlib import Path

import pytest

import ooc_train
from ooc_train.conversion.sources.files.listing import listed, splits_in
from ooc_train.errors import InputError, OptionError, OutputError
from tests.corpora import random_rows, read_terms, text_of, write_folder, write_rows

ROWS = random_rows(60)


def convert(source, tmp_path, **options):
    options = {"features": "sequence", "validation_fraction": 0, "force": True, **options}
    return ooc_train.convert(source, tmp_path / "o.h5", **options)


def write_texts(folder: Path, rows, name="{}"):
    """Texts by class, in files called by their numbers."""
    for number, row in enumerate(rows, 49_960):
        path = folder / row[0] / name.format(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text_of(row), "utf-8")
    return folder


def write_files(folder: Path, rows, names):
    """The rows in several files of CSV or JSON Lines."""
    for k, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if ".jsonl" in name:
            lines = [
                json.dumps({"label": row[0], "text": text_of(row)}) for row in rows[k :: len(names)]
            ]
            path.write_text("".join(f"{line}\n" for line in lines))
        else:
            write_rows(path, rows[k :: len(names)])
    return folder


# Texts


@pytest.mark.parametrize("name", ["{}", "{}.", "mail.{}", "{}.eml", "{}.text"])
def test_texts_have_any_suffix_or_none(tmp_path, name):
    write_texts(tmp_path / "texts", ROWS, name)
    report = convert(tmp_path / "texts", tmp_path)
    assert (report["rows"], report["classes"], report["notes"]) == (60, ["1", "2", "3"], [])
    terms = read_terms(tmp_path / "o.h5")
    write_folder(tmp_path / "txt", ROWS)
    convert(tmp_path / "txt", tmp_path)
    assert sorted(read_terms(tmp_path / "o.h5")) == sorted(terms)


def test_several_suffixes_are_said(tmp_path):
    folder = write_texts(tmp_path / "texts", ROWS, "{}.txt")
    (folder / "1" / "README").write_text("a file without a suffix")
    report = convert(folder, tmp_path)
    assert report["rows"] == 61
    assert report["notes"] == [
        f"{folder}: all files are texts, whatever their suffix: 60 in .txt, 1 without a suffix"
    ]


def test_texts_in_an_encoding(tmp_path):
    folder = write_texts(tmp_path / "texts", ROWS)
    (folder / "1" / "latin").write_bytes("größe größe".encode("latin-1"))
    (folder / "2" / "wide").write_bytes("größe größe".encode("utf-16"))
    assert convert(folder, tmp_path)["replaced_rows"] == 1
    assert "größe" in read_terms(tmp_path / "o.h5")
    (folder / "2" / "wide").unlink()
    assert convert(folder, tmp_path, encoding="latin-1")["replaced_rows"] == 0
    assert "größe" in read_terms(tmp_path / "o.h5")


@pytest.mark.parametrize("name", ["{}.csv", "{}.parquet", "{}.jsonl.gz"])
def test_files_of_rows_in_folders_are_not_taken_for_texts(tmp_path, name):
    write_texts(tmp_path / "data", ROWS, name)
    with pytest.raises(
        InputError, match=r"holds files of rows in folders, such as 1/499.*data/\*/\*\."
    ):
        convert(tmp_path / "data", tmp_path, text=["body"])


# Splits


def test_splits_in_one_folder_are_splits(tmp_path):
    folder = tmp_path / "news"
    write_texts(folder / "train", ROWS)
    write_texts(folder / "test", ROWS[:9])
    write_texts(folder / "dev", ROWS[:6])
    (folder / "README").touch()
    report = convert(folder, tmp_path, validation_fraction=None)
    rows = report["rows"], report["validation_rows"], report["test_rows"]
    assert (rows, report["classes"]) == ((60, 6, 9), ["1", "2", "3"])
    assert report["notes"] == [
        f"{folder}: train as train rows and dev as validation rows and test as test rows; "
        f"README is passed over"
    ]
    assert [file["split"] for file in report["files"]] == ["train", "validation", "test"]


@pytest.mark.parametrize(
    "names",
    [("train.csv", "test.csv"), ("train-00000-of-00001.jsonl", "test-00000-of-00001.jsonl")],
)
def test_files_of_splits_in_one_folder(tmp_path, names):
    write_files(tmp_path / "data", ROWS, [names[0]])
    write_files(tmp_path / "data", ROWS[:9], [names[1]])
    (tmp_path / "data" / "other.csv").touch()
    (tmp_path / "data" / "classes.txt").write_text("one\ntwo\nthree\n")
    report = convert(tmp_path / "data", tmp_path)
    assert (report["rows"], report["test_rows"]) == (60, 9)
    assert report["notes"][0].endswith("test rows; other.csv is passed over")


def test_a_train_folder_alone_is_no_class(tmp_path):
    write_texts(tmp_path / "data" / "train", ROWS)
    assert convert(tmp_path / "data", tmp_path)["classes"] == ["1", "2", "3"]
    write_texts(tmp_path / "data", [("plane", "one", "two")])
    assert splits_in(tmp_path / "data") is None


def test_splits_that_contradict_options(tmp_path):
    write_texts(tmp_path / "data" / "train", ROWS)
    for split in ("test", "valid"):
        write_texts(tmp_path / "data" / split, ROWS[:9])
    with pytest.raises(
        OptionError, match=r"has test rows of its own, in test; leave out --test, or"
    ):
        convert(tmp_path / "data", tmp_path, test=tmp_path / "data" / "test")
    with pytest.raises(
        OptionError, match="valid; leave out --validation-fraction, or give .*/train"
    ):
        convert(tmp_path / "data", tmp_path, validation_fraction=0.2)
    with pytest.raises(
        InputError, match=r"several splits, in train and valid and test; name those"
    ):
        convert(tmp_path / "data" / "train", tmp_path, test=tmp_path / "data")


def test_a_data_set_that_hugging_face_saved(tmp_path):
    for split, rows in (("train", ROWS), ("test", ROWS[:9])):
        names = ["data-00000-of-00002.jsonl", "data-00001-of-00002.jsonl"]
        write_files(tmp_path / "data" / split, rows, names)
        for name in ("dataset_info.json", "state.json"):
            (tmp_path / "data" / split / name).write_text("{}")
    (tmp_path / "data" / "dataset_dict.json").write_text("{}")
    report = convert(tmp_path / "data", tmp_path)
    assert (report["rows"], report["test_rows"]) == (60, 9)


def test_a_pattern_of_several_splits_is_said(tmp_path):
    write_files(tmp_path / "data", ROWS, ["train-0.csv", "test-0.csv"])
    write_files(tmp_path / "deep", ROWS, ["train/0.csv", "dev/0.csv", "dev/test.csv"])
    note = listed(tmp_path / "data" / "*.csv").note
    assert note.endswith("train-0.csv and {}/test-0.csv become rows of the same split, whatever "
                         "their names".format(tmp_path / "data"))  # fmt: skip
    assert "train/0.csv and " in listed(tmp_path / "deep" / "**" / "*.csv").note
    assert listed(tmp_path / "data" / "t*n-0.csv").note == ""
    assert listed(tmp_path / "deep" / "dev" / "*.csv").note == ""


# Files of rows


def test_a_folder_of_files_is_one_input_in_the_order_of_their_paths(tmp_path):
    names = ["part-0.jsonl", "part-1.jsonl", "part-10.jsonl", "part-2.jsonl"]
    folder = write_files(tmp_path / "data", ROWS, names)
    for name in ("_SUCCESS", ".part-0.jsonl.crc", "part-1.jsonl.crc", "_metadata", "README.md"):
        (folder / name).touch()
    report = convert(folder, tmp_path)
    data = (tmp_path / "o.h5").read_bytes()
    assert [Path(file["name"]).name for file in report["files"]] == names
    assert report["files"][0] == {
        "name": str(folder / names[0]), "split": "train", "rows": 15, "kept": 15, "rejected": 0,
        "blank_lines": 0,
    }  # fmt: skip
    assert report["notes"] == [
        f"{folder}: 4 jsonl files, in the order of their paths; 5 others, such as "
        f".part-0.jsonl.crc, are passed over"
    ]
    convert([folder / name for name in names], tmp_path)
    assert (tmp_path / "o.h5").read_bytes() == data
    convert(str(folder / "*.jsonl"), tmp_path)
    assert (tmp_path / "o.h5").read_bytes() == data


def test_files_of_hadoop_have_no_suffix(tmp_path):
    folder = write_files(tmp_path / "out", ROWS, ["part-00000", "part-00001", "000002_0"])
    (folder / "_SUCCESS").touch()
    assert [path.name for path in listed(folder).paths] == ["000002_0", "part-00000", "part-00001"]
    assert convert(folder, tmp_path)["rows"] == 60


def test_files_of_several_formats_are_refused(tmp_path):
    folder = write_files(tmp_path / "data", ROWS, ["a.csv", "b.csv.gz", "c.jsonl"])
    for source in (folder, folder / "*"):
        with pytest.raises(
            InputError, match=r"several formats, 2 csv \(a.csv\), 1 jsonl \(c.jsonl\)"
        ):
            convert(source, tmp_path)
    assert len(listed(folder, "csv").paths) == 3


def test_no_output_may_be_a_file_of_a_folder(tmp_path):
    folder = write_files(tmp_path / "data", ROWS, ["a.csv", "b.csv"])
    before = (folder / "b.csv").read_bytes()
    with pytest.raises(OutputError):
        ooc_train.convert(folder, folder / "b.csv", force=True)
    assert (folder / "b.csv").read_bytes() == before


def test_patterns_and_folders_that_stand_for_nothing(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"no file matches .*\*.csv; check the pattern"):
        convert(tmp_path / "*.csv", tmp_path)
    with pytest.raises(InputError, match="empty has no subfolders"):
        convert(tmp_path / "empty", tmp_path)


def test_a_run_is_no_folder_of_rows(tmp_path):
    for name in ("settings.json", "history.csv", "model.keras"):
        (tmp_path / name).touch()
    with pytest.raises(InputError, match=r"is a run folder of ooc-train, where rows are expected"):
        listed(tmp_path)
