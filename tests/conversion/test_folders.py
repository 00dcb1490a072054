"""Folders of text files by class: the rows of a CSV with the same texts, and what is refused."""

import csv
import io
import os

import pytest

import ooc_train
from ooc_train.conversion.resources import MemoryPlan
from ooc_train.conversion.sources.find import find_source
from ooc_train.conversion.sources.layout import LayoutOptions
from ooc_train.errors import InputError, OptionError
from ooc_train.progress import Silent
from tests.corpora import PLANS, random_rows, read_terms, text_of, write_folder, write_rows
from tests.sequence_oracle import read_sequences


def convert(source, output, **options):
    options = {"features": "sequence", "force": True, **options}
    return ooc_train.convert(source, output, **options)


@pytest.mark.slow
def test_a_folder_gives_the_rows_of_a_csv_in_its_order(tmp_path, monkeypatch):
    rows = write_folder(tmp_path / "train", random_rows(150))
    test_rows = write_folder(tmp_path / "test", random_rows(60, seed=1))
    (tmp_path / "train" / "urls_pos.txt").write_text("beside the classes")
    (tmp_path / "train" / "1" / ".notes.txt").write_text("not a text")
    (tmp_path / "train" / "1" / "_SUCCESS").touch()
    (tmp_path / "train" / ".cache").mkdir()
    convert(
        write_rows(tmp_path / "train.csv", rows),
        tmp_path / "csv.h5",
        test=[write_rows(tmp_path / "test.csv", test_rows)],
    )
    expected = [read_sequences(tmp_path / "csv.h5", s) for s in ("train", "validation", "test")]
    contents = set()
    for plan in PLANS:
        monkeypatch.setattr(MemoryPlan, "divide", lambda *_, plan=plan, **__: plan)
        report = convert(tmp_path / "train", tmp_path / "o.h5", test=[tmp_path / "test"])
        splits = ("train", "validation", "test")
        assert [read_sequences(tmp_path / "o.h5", split) for split in splits] == expected
        contents.add((tmp_path / "o.h5").read_bytes())
    assert len(contents) == 1
    assert read_terms(tmp_path / "o.h5") == read_terms(tmp_path / "csv.h5")
    assert report["classes"] == ["1", "2", "3"]
    assert report["rejected_rows"] == 0
    assert report["notes"] == [f"{tmp_path / 'train'}: 4 others, such as .cache, are passed over"]


def test_files_that_are_no_rows_are_rejected_by_name(tmp_path):
    write_folder(tmp_path / "train", [*random_rows(30), ("a class", "of", "its own")])
    folder = tmp_path / "train" / "a class"
    (folder / "nul.txt").write_bytes(b"one\0two")
    (folder / "gone.txt").symlink_to("nowhere")
    os.mkfifo(folder / "pipe.txt")
    (folder / "deeper").mkdir()
    with (folder / "large.txt").open("wb") as file:
        file.truncate(9 * 2**20)
    (folder / "mark.txt").write_bytes(b"\xef\xbb\xbfmarked caf\xe9")
    (folder / "empty.txt").touch()
    report = convert(tmp_path / "train", tmp_path / "o.h5", validation_fraction=0)
    assert (report["rows"], report["rejected_rows"]) == (33, 4)
    assert report["replaced_rows"] == 1
    assert "marked" in read_terms(tmp_path / "o.h5")
    with (tmp_path / "o.h5.rejected.csv").open(newline="") as file:
        rejected = list(csv.DictReader(file))
    assert [(row["file"], row["line"], row["reason"]) for row in rejected] == [
        (str(folder / "gone.txt"), "1", "the file cannot be read: No such file or directory"),
        (str(folder / "large.txt"), "1", "the file is longer than 8,388,608 bytes"),
        (str(folder / "nul.txt"), "1", "the file contains a NUL byte"),
        (str(folder / "pipe.txt"), "1", "not a file"),
    ]


def test_a_class_without_training_rows_is_rejected_by_file(tmp_path):
    write_folder(tmp_path / "train", random_rows(30))
    write_folder(tmp_path / "test", [("1", "a", "row"), ("9", "no", "class")])
    report = convert(tmp_path / "train", tmp_path / "o.h5", test=[tmp_path / "test"])
    assert (report["test_rows"], report["rejected_rows"]) == (1, 1)
    text = (tmp_path / "o.h5.rejected.csv").read_text()
    assert f"{tmp_path / 'test' / '9' / '1_1.txt'},1,label '9' does not occur" in text


def test_folders_that_cannot_be_used(tmp_path):
    write_folder(tmp_path / "train", random_rows(30))
    with pytest.raises(OptionError, match="folder of text files, which have no columns; leave out"):
        convert(tmp_path / "train", tmp_path / "o.h5", text=["2"])
    (tmp_path / "train" / "zero").mkdir()
    with pytest.raises(
        InputError, match="zero has no file; put the texts of the class 'zero' there"
    ):
        convert(tmp_path / "train", tmp_path / "o.h5")
    with pytest.raises(
        InputError, match="zero has no subfolders, each with the texts of one class"
    ):
        convert(tmp_path / "train" / "zero", tmp_path / "o.h5")
    write_folder(tmp_path / "one", [("1", "a", "b")] * 3)
    with pytest.raises(InputError, match="all rows have the label '1'"):
        convert(tmp_path / "one", tmp_path / "o.h5")


def test_every_number_finds_its_file_again(tmp_path):
    rows = write_folder(tmp_path, random_rows(40))
    folder = find_source(tmp_path, LayoutOptions())
    for number, row in enumerate(rows, 1):
        path, line, _ = folder.place(number)
        assert (path.parent.name, path.read_text("utf-8"), line) == (row[0], text_of(row), 1)
    assert folder.n_bytes == sum(len(text_of(row).encode()) for row in rows)


def test_a_folder_that_changes_between_the_two_readings(tmp_path):
    write_folder(tmp_path / "train", random_rows(30))
    convert(tmp_path / "train", tmp_path / "fitted.h5")

    class Remover(Silent):
        def start(self, phase, total, unit):
            if phase == "transforming":
                next((tmp_path / "train" / "1").iterdir()).unlink()

    with pytest.raises(InputError, match="the input changed while it was being read"):
        convert(
            tmp_path / "train",
            tmp_path / "o.h5",
            vectorizer=tmp_path / "fitted.h5",
            progress=Remover(),
        )


@pytest.mark.slow
def test_predictions_for_a_folder_are_those_of_its_texts(tmp_path):
    write_folder(tmp_path / "train", random_rows(200))
    rows = write_folder(tmp_path / "new", random_rows(20, seed=1))
    convert(tmp_path / "train", tmp_path / "o.h5", features="ngram")
    ooc_train.train(tmp_path / "o.h5", tmp_path / "run", epochs=1)
    outputs = []
    lines = "".join(text_of(row) + "\n" for row in rows).encode()
    for source in (tmp_path / "new", io.BufferedReader(io.BytesIO(lines))):
        output = io.StringIO()
        assert ooc_train.predict(tmp_path / "run", source, output)["rows"] == len(rows)
        outputs.append(output.getvalue())
    assert outputs[0] == outputs[1]
    (tmp_path / "new" / "1" / "nul.txt").write_bytes(b"\0")
    with pytest.raises(InputError, match=r"1.nul.txt, line 1: the file contains a NUL byte; mend"):
        ooc_train.predict(tmp_path / "run", tmp_path / "new", io.StringIO())


def test_parts_without_rows_are_passed_over_and_said(tmp_path):
    folder = tmp_path / "reviews"
    folder.mkdir()
    rows = "label,text\n" + "1,good words\n2,bad words\n" * 9
    parts = {"part-0.csv": "", "part-1.csv": rows, "part-2.csv": "label,text\n", "part-3.csv": rows}
    for name, content in parts.items():
        (folder / name).write_text(content)
    options = {"label": "label", "text": ["text"], "validation_fraction": 0}
    report = ooc_train.convert(folder, tmp_path / "o.h5", **options)
    assert (report["rows"], report["rejected_rows"], len(report["files"])) == (36, 0, 2)
    assert report["notes"][1] == (
        f"passed over: {folder / 'part-0.csv'} is empty; it must hold one row a line, and 1 more "
        f"file without rows"
    )
    for name in ("part-1.csv", "part-3.csv"):
        (folder / name).write_text("")
    with pytest.raises(InputError, match="part-0.csv is empty"):
        ooc_train.convert(folder, tmp_path / "p.h5", **options)


def test_a_file_that_is_given_twice_is_said(tmp_path):
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(f"1,good words {name}\n2,bad words\n" * 9)
    a, b = tmp_path / "a.csv", tmp_path / "b.csv"
    report = ooc_train.convert([a, a], tmp_path / "o.h5", validation=[b], test=[b])
    assert report["notes"] == [
        f"{a} is given twice for the train rows, which count twice",
        f"{b}, test rows, is the validation file {b}",
    ]
    assert report["rows"] == 36
