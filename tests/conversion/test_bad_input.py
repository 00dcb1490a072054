"""Input that cannot be used: what happens, what the message says, and what is left behind."""

import csv
import errno
import gzip
import os
import subprocess
import sys
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

import ooc_train
from ooc_train.conversion import disk
from ooc_train.conversion.sources.files import rejects
from ooc_train.conversion.storage import job
from ooc_train.errors import BudgetError, FormatError, InputError, OptionError, OutputError
from ooc_train.file import output
from ooc_train.progress import Silent
from tests.corpora import random_rows, read_split, write_rows
from tests.full_disk import needs_hdf5_that_survives

GOOD = "".join(f'"{1 + i % 2}","a title","some words of text number {i % 7}"\n' for i in range(40))


def convert(tmp_path, content, **options):
    """Convert ``content`` (text or bytes) written to ``train.csv``."""
    source = tmp_path / "train.csv"
    source.write_bytes(content if isinstance(content, bytes) else content.encode())
    return ooc_train.convert(source, tmp_path / "o.h5", **{"validation_fraction": 0, **options})


def rejected(tmp_path):
    with (tmp_path / "o.h5.rejected.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "train.csv is empty"),
        ("\n\n", "train.csv is empty"),
        ("class,title,body\n" + GOOD, r"train.csv, line 1 looks like a header \('class', 'title'"),
        ("kind,title,body\n" + GOOD, "line 1 looks like a header .* say --header, or name"),
        ('"1","a","some words"\n' * 5, "all rows have the label '1'; training takes at least two"),
        (
            '"1","a","b"\n"2","c","d"\n' * 5,
            "no term occurs in as many rows of the train split as --min-df 2",
        ),
        ("a line\nof text\n", "the row has one column; a label and at least one more"),
    ],
)
def test_files_that_cannot_be_used_at_all(tmp_path, content, message):
    with pytest.raises(InputError, match=message):
        convert(tmp_path, content)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["train.csv"]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ('"1","no body"\n', "found 2 columns, expected 3"),
        ('"1","a","b","c"\n', "found 4 columns, expected 3"),
        ('"1","a "stray" quote","b"\n', "text follows a closing quote"),
        ('"1","a","never closed\n', "text follows a closing quote"),
        ('"1","a","nul \0 byte"\n', "the row contains a NUL byte"),
        ('"","a","no label"\n', "no label"),
    ],
)
def test_rows_that_cannot_be_read_are_written_down(tmp_path, bad, reason):
    report = convert(tmp_path, GOOD + bad + GOOD)
    assert report["rows"] == 80
    assert report["rejected_rows"] == 1
    (row,) = rejected(tmp_path)
    assert row["file"].endswith("train.csv")
    assert row["line"] == "41"
    assert row["reason"].startswith(reason)
    assert row["row"].strip()


def test_a_label_unseen_in_training_is_rejected_with_its_line(tmp_path):
    test = write_rows(tmp_path / "test.csv", [*random_rows(3, n_classes=2), ("7", "x", "y")])
    report = convert(tmp_path, GOOD, test=[test])
    assert (report["test_rows"], report["rejected_rows"]) == (3, 1)
    (row,) = rejected(tmp_path)
    assert row["reason"] == "label '7' does not occur in the train rows"
    assert (row["file"], row["line"]) == (str(test), "4")
    assert read_split(tmp_path / "o.h5", "test")[0].shape[0] == 3


def test_too_many_rejects_stop_the_conversion(tmp_path):
    content = 3 * GOOD + '"1","x"\n' * 101
    message = r"more than 100 rows cannot be used, such as .*line 121: found 2.*--max-rejects"
    with pytest.raises(InputError, match=message):
        convert(tmp_path, content)
    assert len(rejected(tmp_path)) == 101
    assert not (tmp_path / "o.h5").exists()
    with pytest.raises(OutputError, match="o.h5.rejected.csv exists; give --force"):
        convert(tmp_path, content, max_rejects=101)
    assert convert(tmp_path, content, max_rejects=101, force=True)["rejected_rows"] == 101


def test_no_usable_test_row_is_an_error(tmp_path):
    test = write_rows(tmp_path / "test.csv", [("7", "x", "y")])
    message = (
        "test.csv: no row can be used for the test split, such as .*test.csv, line 1: label "
        "'7' does not occur in the train rows; .*o.h5.rejected.csv has all of them"
    )
    with pytest.raises(InputError, match=message):
        convert(tmp_path, GOOD, test=[test])
    assert rejected(tmp_path)[0]["reason"] == "label '7' does not occur in the train rows"


BAD = '"1","x"\n'


def test_a_list_of_an_earlier_conversion_is_replaced_by_the_next_one_that_is_complete(tmp_path):
    convert(tmp_path, GOOD + BAD)
    old = (tmp_path / "o.h5.rejected.csv").read_bytes()
    with pytest.raises(OutputError, match="exists; give --force"):
        convert(tmp_path, GOOD)
    with pytest.raises(InputError, match="cannot be read"):
        convert(tmp_path, GOOD + BAD * 2, force=True, classes=tmp_path / "none.txt")
    with pytest.raises(ZeroDivisionError):
        convert(tmp_path, GOOD + BAD * 2, force=True, progress=Failing())
    assert (tmp_path / "o.h5.rejected.csv").read_bytes() == old
    convert(tmp_path, GOOD + BAD * 2, force=True)
    assert len(rejected(tmp_path)) == 2
    with pytest.raises(InputError, match="more than 2 rows cannot be used"):
        convert(tmp_path, GOOD + BAD * 3, force=True, max_rejects=2)
    assert len(rejected(tmp_path)) == 3
    convert(tmp_path, GOOD, force=True)  # a list that stays would mislead
    assert sorted(path.name for path in tmp_path.iterdir()) == ["o.h5", "train.csv"]


class Failing(Silent):
    def start(self, phase, total, unit):
        if phase == "writing":
            raise ZeroDivisionError


def test_what_is_no_list_of_rejected_rows_stays_if_none_is(tmp_path):
    (tmp_path / "notes.txt").write_text("precious")
    convert(tmp_path, GOOD, rejects=tmp_path / "notes.txt", force=True)
    assert (tmp_path / "notes.txt").read_text() == "precious"


def test_a_list_that_cannot_be_written_leaves_no_output(tmp_path, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(rejects, "flush", full)
    with pytest.raises(OutputError, match="the disk is full"):
        convert(tmp_path, GOOD + BAD)
    assert [path.name for path in tmp_path.iterdir()] == ["train.csv"]


def test_invalid_utf8_is_replaced_and_counted(tmp_path):
    content = GOOD.encode() + b'"1","caf\xe9 caf\xe9","ok"\n' * 2
    report = convert(tmp_path, content)
    assert report["replaced_rows"] == 2
    assert report["rejected_rows"] == 0


def test_texts_without_a_word_are_kept_as_zeros_and_counted(tmp_path):
    report = convert(tmp_path, GOOD + '"1","",""\n"2","!","a b"\n')
    assert report["empty_rows"] == 2
    assert report["rows"] == 42
    assert (read_split(tmp_path / "o.h5", "train")[0].getnnz(axis=1) == 0).sum() == 2


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"text": ["review"], "label": "stars"}, InputError,
         "line 1: there is no column 'stars'; the columns are 'label', 'text'"),
        ({"text": ["review"]}, InputError, "no column 'review'; the columns are 'label', 'text'"),
        ({"text": ["5"]}, InputError, "there is no column 5; the row has 2 columns"),
        ({"label": "text", "text": ["text"]}, OptionError, "must name different columns"),
    ],
)  # fmt: skip
def test_columns_that_do_not_exist(tmp_path, options, error, message):
    with pytest.raises(error, match=message):
        convert(tmp_path, "label,text\n1,some words\n2,some words\n", **options)


def test_a_header_alone(tmp_path):
    with pytest.raises(InputError, match="holds a header and no rows"):
        convert(tmp_path, "label,text\n", header=True)


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(InputError, match=r"gone.csv does not exist; check the path"):
        ooc_train.convert(tmp_path / "gone.csv", tmp_path / "o.h5")
    with pytest.raises(InputError, match="has no subfolders, .* name the files in it"):
        ooc_train.convert(tmp_path, tmp_path / "o.h5")


def test_damaged_gzip(tmp_path):
    whole = gzip.compress(random_text().encode())
    within = whole[:2000] + b"x" * 2000 + whole[4000:]
    for damaged in (whole[: len(whole) // 2], whole[:-2000] + b"x" * 2000, within):
        source = tmp_path / "train.csv.gz"
        source.write_bytes(damaged)
        with pytest.raises(InputError, match=r"train.csv.gz cannot be (read to its end|decompre)"):
            ooc_train.convert(source, tmp_path / "o.h5")
        assert not (tmp_path / "o.h5").exists()


def random_text():
    return "".join(",".join(row) + "\n" for row in random_rows(4000))


def test_an_output_that_exists_is_kept_without_force(tmp_path):
    (tmp_path / "o.h5").write_text("precious")
    with pytest.raises(OutputError, match="o.h5 exists; give --force to overwrite it"):
        convert(tmp_path, GOOD)
    assert (tmp_path / "o.h5").read_text() == "precious"
    assert convert(tmp_path, GOOD, force=True)["rows"] == 40


def test_outputs_that_cannot_be_written(tmp_path):
    source = write_rows(tmp_path / "train.csv", random_rows(20))
    with pytest.raises(
        OutputError,
        match="o.h5, the output, cannot be written, since the folder .*none does not exist; make",
    ):
        ooc_train.convert(source, tmp_path / "none" / "o.h5")
    with pytest.raises(OutputError, match="is a folder; name the file to write"):
        ooc_train.convert(source, tmp_path)
    with pytest.raises(OutputError, match="/, the output, is a folder; name the file to write"):
        ooc_train.convert(source, "/")


def test_an_output_folder_without_permission(tmp_path, monkeypatch):
    source = write_rows(tmp_path / "train.csv", random_rows(20))
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    with pytest.raises(OutputError, match="cannot be written to"):
        ooc_train.convert(source, tmp_path / "o.h5")


def test_a_failed_conversion_keeps_the_file_it_was_to_replace(tmp_path):
    convert(tmp_path, GOOD)
    before = (tmp_path / "o.h5").read_bytes()
    with pytest.raises(InputError):
        convert(tmp_path, GOOD + '"1","x"\n', force=True, max_rejects=0)
    assert (tmp_path / "o.h5").read_bytes() == before


def test_a_full_disk_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(job.os, "write", full)
    with pytest.raises(OutputError, match="o.h5 was not written: the disk is full at .*--temp-dir"):
        convert(tmp_path, GOOD)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["train.csv"]


def test_a_lack_of_open_files_names_the_remedy_and_no_other_file(tmp_path, monkeypatch):
    def none_left(*_):
        raise OSError(errno.EMFILE, "Too many open files", "kernels/some.kernel")

    monkeypatch.setattr(job.os, "write", none_left)
    says = r"o.h5 was not written: Too many open files \(allow more with ulimit -n\); look into"
    with pytest.raises(OutputError, match=says):
        convert(tmp_path, GOOD)


def test_too_small_a_disk_is_refused_before_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: SimpleNamespace(free=4000))
    with pytest.raises(BudgetError, match="has 0.0 MB free, and the conversion takes about .* MB"):
        convert(tmp_path, GOOD)
    assert not (tmp_path / "o.h5").exists()


def test_a_disk_that_is_too_small_for_what_a_compressed_source_holds(tmp_path, monkeypatch):
    source = tmp_path / "train.csv.gz"
    source.write_bytes(gzip.compress(GOOD.encode() * 500))  # far more than four times
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: SimpleNamespace(free=200_000))
    with pytest.raises(BudgetError, match="has 0.2 MB free, and the conversion takes about .* MB"):
        ooc_train.convert(source, tmp_path / "o.h5", features="ngram")
    assert [path.name for path in tmp_path.iterdir()] == ["train.csv.gz"]


def test_what_is_foreseen_while_reading_is_what_the_share_that_is_read_says(tmp_path, monkeypatch):
    """After a tenth 5,000 - 300 bytes are to come, after a fifth 5,000 - 600."""
    free = [4399, 4700]
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: SimpleNamespace(free=free.pop()))
    watch = disk.DiskWatch(tmp_path, 1000)
    watch.check(100, n_spilled=300, n_text_bytes=200)
    with pytest.raises(BudgetError, match="free some space"):
        watch.check(100, n_spilled=300, n_text_bytes=200)


def test_an_interrupt_leaves_nothing_behind(tmp_path):
    class Interrupt(Silent):
        def start(self, phase, total, unit):
            if phase == "writing":
                raise KeyboardInterrupt

    source = write_rows(tmp_path / "train.csv", random_rows(100))
    with pytest.raises(KeyboardInterrupt):
        ooc_train.convert(source, tmp_path / "o.h5", progress=Interrupt())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["train.csv"]


@pytest.mark.parametrize("what", ["more", "fewer"])
def test_input_that_changes_between_the_two_readings(tmp_path, what):
    rows = random_rows(100)
    source = write_rows(tmp_path / "train.csv", rows)
    changed = {"more": [*rows, ("1", "one", "more row")], "fewer": rows[:-1]}
    ooc_train.convert(source, tmp_path / "fitted.h5")

    class Writer(Silent):
        def start(self, phase, total, unit):
            if phase == "transforming":
                write_rows(source, changed[what])

    with pytest.raises(InputError, match="the input changed while it was being read"):
        ooc_train.convert(
            source, tmp_path / "o.h5", vectorizer=tmp_path / "fitted.h5", progress=Writer()
        )


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"validation_fraction": 1.0},
            OptionError,
            "--validation-fraction must be from 0 to below 1, such as 0.1, not 1.0",
        ),
        ({"validation_fraction": 0.1, "validation": ["v.csv"]}, OptionError, "exclude each other"),
        ({"features": "pixels"}, OptionError, "--features must be one of auto, ngram, seq"),
        ({"seed": -1}, OptionError, "--seed must be at least 0, not -1"),
        ({"ngrams": (2, 1)}, OptionError, "--ngrams must be two numbers from 1 to 8"),
        ({"ngrams": (0, 1)}, OptionError, "--ngrams must be .*, the smaller first, not"),
        ({"min_df": 0}, OptionError, "--min-df must be a number of rows from 1, or"),
        ({"max_df": 1.5}, OptionError, "--max-df must be .* or a share above 0.0"),
        ({"top_k": 0}, OptionError, "--top-k must be at least 1, or auto, not 0"),
        ({"score": "luck"}, OptionError, "--score must be one of f_classif, chi2, none, not"),
        ({"vectorizer": "gone.h5"}, InputError, "there is no file gone.h5"),
        ({"vectorizer": "o.h5", "top_k": 5}, OptionError, "--vectorizer brings its own terms"),
        ({"workers": 0}, OptionError, "--workers must be at least 1, not 0"),
        ({"max_rejects": -1}, OptionError, "--max-rejects must be at least 0, not -1"),
        ({"memory_bytes": 10_000_000}, BudgetError, r"10 MB is too small.* give --memory \d+MB"),
        ({"temp_dir": "nowhere"}, OptionError, "nowhere is not a folder"),
        ({"temp_dir": "/dev/shm"}, OptionError, "lies in memory, which temporary files are meant"),
    ],
)
def test_options_out_of_range(tmp_path, options, error, message):
    with pytest.raises(error, match=message):
        convert(tmp_path, GOOD, **options)


def test_names_of_classes(tmp_path):
    names = tmp_path / "classes.txt"
    names.write_text("first\nsecond\n")
    convert(tmp_path, GOOD)
    with ooc_train.open(tmp_path / "o.h5") as store:
        assert store.class_labels == ["1", "2"]
        assert store.class_names == ["first", "second"]
    names.write_text("first\n")
    phases = []

    class Recorder(Silent):
        def start(self, phase, total, unit):
            phases.append(phase)

    with pytest.raises(InputError, match=r"names 1 class, .* no line for label '2'"):
        convert(tmp_path, GOOD, force=True, progress=Recorder())
    assert phases[-1] == "reading"  # found before the long work
    with pytest.raises(InputError, match="the classes' names, cannot be read"):
        convert(tmp_path, GOOD, force=True, classes=tmp_path / "none.txt")


LIMITED = """
import sys
from pathlib import Path
import ooc_train
from ooc_train.errors import OutputError
from tests.full_disk import limited_files

source, output, features, n_bytes = sys.argv[1:]
for limit in range(0, int(n_bytes), int(n_bytes) // 12):
    try:
        with limited_files(limit):
            ooc_train.convert(source, output, features=features)
    except OutputError as error:
        assert "was not written: a file grew beyond" in str(error), error
    else:
        raise AssertionError(f"nobody heard that byte {limit} was not written")
    assert [path.name for path in Path(output).parent.iterdir()] == [Path(source).name]
"""


@needs_hdf5_that_survives
@pytest.mark.parametrize("features", ["ngram", "sequence"])
def test_wherever_the_disk_gets_full_it_is_told_and_nothing_is_left_behind(tmp_path, features):
    """In a process of its own: HDF5 can crash where its writing fails."""
    source = write_rows(tmp_path / "train.csv", random_rows(400))
    ooc_train.convert(source, tmp_path / "o.h5", features=features)
    n_bytes = (tmp_path / "o.h5").stat().st_size
    (tmp_path / "o.h5").unlink()
    arguments = [str(source), str(tmp_path / "o.h5"), features, str(n_bytes)]
    subprocess.run([sys.executable, "-c", LIMITED, *arguments], check=True)


FULL_TO_THE_END = """
import os, resource, sys
import ooc_train
from ooc_train.errors import OutputError

source, output, features, n_bytes = sys.argv[1:]
ooc_train.convert(source, output, features=features, workers=1)  # loads all that children need
os.unlink(output)
for limit in range(0, int(n_bytes), int(n_bytes) // 12):
    child = os.fork()
    if not child:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        try:
            ooc_train.convert(source, output, features=features, workers=1)
        except OutputError as error:
            sys.exit("was not written: a file grew beyond" not in str(error))
        sys.exit("success was said")
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status == 0, f"limit {limit}: exit status {status}"
"""


@needs_hdf5_that_survives
@pytest.mark.parametrize("features", ["ngram", "dense"])
def test_a_disk_that_stays_full_does_not_crash_the_process_at_its_end(tmp_path, features):
    """HDF5 tries to write again when the process ends."""
    source = write_rows(tmp_path / "train.csv", random_rows(400))
    if features == "dense":
        source.write_text("".join(f"{i % 2},{','.join(['1.5'] * 40)}\n" for i in range(2000)))
    ooc_train.convert(source, tmp_path / "o.h5", features=features)
    n_bytes = (tmp_path / "o.h5").stat().st_size
    (tmp_path / "o.h5").unlink()
    arguments = [str(source), str(tmp_path / "o.h5"), features, str(n_bytes)]
    done = subprocess.run(
        [sys.executable, "-c", FULL_TO_THE_END, *arguments],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert [path.name for path in tmp_path.iterdir()] == [source.name]


def test_checksums_are_those_of_what_was_handed_over(tmp_path, monkeypatch):
    """What changes on its way to the disk does not get a checksum that makes it whole."""
    fill = output.OutputFile.fill

    def damaged(file, dataset, rows):
        fill(file, dataset, rows)
        if dataset.name == "/vectorizer/term_hashes":
            dataset[3] ^= np.uint64(1)

    monkeypatch.setattr(output.OutputFile, "fill", damaged)
    source = write_rows(tmp_path / "train.csv", random_rows(100))
    ooc_train.convert(source, tmp_path / "o.h5", features="ngram")
    (damage,) = ooc_train.verify(tmp_path / "o.h5")["damaged"]
    assert damage["array"] == "vectorizer/term_hashes"


def test_a_damaged_vectorizer_is_not_converted_with(tmp_path):
    source = write_rows(tmp_path / "train.csv", random_rows(100))
    ooc_train.convert(source, tmp_path / "first.h5", features="ngram")
    with h5py.File(tmp_path / "first.h5", "r+") as file:
        file["vectorizer/kept_df"][2] ^= np.uint32(1)
    with pytest.raises(FormatError, match="damaged: the checksum differs in array 'vectorizer/ke"):
        ooc_train.convert(source, tmp_path / "o.h5", vectorizer=tmp_path / "first.h5")


def test_of_two_conversions_to_one_new_name_the_first_to_end_wins(tmp_path):
    source = write_rows(tmp_path / "train.csv", random_rows(30))
    other = write_rows(tmp_path / "other.csv", random_rows(40))

    class Other(Silent):
        def start(self, phase, total, unit):
            if phase == "writing":
                ooc_train.convert(other, tmp_path / "o.h5", features="ngram")

    with pytest.raises(OutputError, match="was made by another program meanwhile"):
        ooc_train.convert(source, tmp_path / "o.h5", features="ngram", progress=Other())
    assert ooc_train.inspect(tmp_path / "o.h5")["splits"]["train"]["rows"] == 36
    assert sorted(path.name for path in tmp_path.iterdir()) == ["o.h5", "other.csv", "train.csv"]
