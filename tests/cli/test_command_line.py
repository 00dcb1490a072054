"""Wrong command lines: one sentence with what may have been meant."""

import pytest

from ooc_train.cli import convert, evaluate, inspect, predict, train
from ooc_train.cli.command_line import meant_by
from ooc_train.errors import OptionError

MAINS = {one.COMMAND.name: one.main for one in (convert, evaluate, inspect, predict, train)}
WRONG = [
    ("ooc-train d.h5 -o r --lr 1e-3", "--lr may be --lr-schedule, --lr-factor or --lr-patience; di"
     "d you mean --learning-rate?"),
    ("ooc-train d.h5 -o r --e 3", "--e may be --epochs, --embedding-dimension or --embeddings; w"),
    ("ooc-train d.h5 -o r --bs 3", "there is no option --bs; did you mean --batch-siz"),
    ("ooc-train d.h5 -o r --decay 3", "there is no option --decay; did you mean --weight-"),
    ("ooc-train d.h5 -epochs 3", "there is no option -epochs; did you mean --epochs?"),
    ("ooc-train d.h5 -output r", "there is no option -output; did you mean --output?"),
    ("ooc-predict r -i new.csv", "there is no option -i; did you mean --input?"),
    ("ooc-predict r -x", "there is no option -x; --help lists the options"),
    ("ooc-predict r --memory 1GB", "there is no option --memory; --help lists the options"),
    ("ooc-train d.h5 -o r --memory 512 MB", "--memory 512 MB: a size is one word; write --memory 5"
     "12MB"),
    ("ooc-convert a.csv -o a.h5 --memory 1.5 GiB", "a size is one word; write --memory 1.5GiB"),
    ("ooc-train d.h5 r", "r is one argument too many; if it is the run folder to write, write -"),
    ("ooc-evaluate r d.h5 more", "too many arguments, from more on; ooc-evaluate --help shows"),
    ("ooc-train d.h5", "-o/--output is missing, the run folder to write; write ooc-train data -o "),
    ("ooc-evaluate r", "data is missing, a file written by ooc-convert; write ooc-evaluate run"),
    ("ooc-convert a.csv o.h5", "-o/--output is missing, the HDF5 file to write; if it is o.h5, w"),
    ("ooc-convert", "-o/--output is missing, the HDF5 file to write; write ooc-convert train ..."),
    ("ooc-convert a.csv -o o.h5 --top-k 20,000", "not '20,000'; write 20000"),
    ("ooc-convert d.csv -o r.h5 --validation-fraction 20%", "a number, not '20%'; write 0.2"),
    ("ooc-train d.h5 -o r --learning-rate 0,01", "--learning-rate must be a number, not '0,01'; wri"
     "te 0.01"),
    ("ooc-train d.h5 -o r --optimizer Adam", "not 'Adam'; did you mean 'adam'?"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "message"), WRONG)
def test_a_wrong_command_line_says_what_may_be_meant(line, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command, *arguments = line.split()
    assert MAINS[command](arguments) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert message in said
    assert said.startswith(f"{command}: ")


def test_what_is_right_is_taken(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "MB").touch()
    given = train.COMMAND.given(["d.h5", "-or", "--memory", "1.5 GB", "--learn", "1e-3"])
    assert given.values["output"].name == "r"
    assert (given.values["memory_bytes"], given.values["learning_rate"]) == (1.5e9, 1e-3)
    given = convert.COMMAND.given(["-o", "o.h5", "--shards", "4", "MB"])  # a file of that name
    assert [path.name for path in given.values["train"]] == ["MB"]


@pytest.mark.parametrize("name", ["--zzz", "-q", "--x-y"])
def test_nothing_is_meant_by_what_is_like_nothing(name):
    assert meant_by(name, ["--learning-rate", "--epochs", "-o"]) is None


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("ooc-convert {} -o e.csv", "e.csv: a converted file is HDF5, and not written as .csv; name"
         " a file .h5 or .hdf5"),
        ("ooc-convert {} -o e.json", "name a file .h5 or .hdf5, or give --shards"),
        ("ooc-convert {} -o e.h5 --rejects e.xlsx", "the list of rejected rows is not written as"),
        ("ooc-convert {} -o e.h5 --report e.csv", "e.csv: the report is not written as .csv; name a"
         " file .json"),
        ("ooc-convert {} -o e.h5 --save-config e.json", "the file of options is not written as"),
        ("ooc-inspect {} --html e.pdf", "e.pdf: the page is not written as .pdf; name a file"),
    ],
)  # fmt: skip
def test_no_name_promises_another_kind_of_file(line, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.csv").write_text("label,text\n" + "a,one two\nb,two three\n" * 9)
    command, *arguments = line.format("rows.csv").split()
    assert MAINS[command]([*arguments, "--text", "text", "--label", "label"]) == 2
    assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]


def test_the_first_option_that_is_wrong_is_told_before_all_else():
    with pytest.raises(OptionError, match="there is no option --epoch-s"):
        train.COMMAND.given(["--epoch-s", "3"])
