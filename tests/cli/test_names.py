"""Names of files and classes that act on terminals, or are no UTF-8, through the commands."""

import importlib
import json
import os
from xml.etree import ElementTree

import pytest

FILE = os.fsdecode(b"-\xff\x1b[31m\n ")
LABELS = ["\x1b]0;title\x07", "red\u202e\x7f", "\x9bgreen"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [f"{LABELS[i % 3]},{i}.5,{i}" for i in range(30)]
    (tmp_path / f"{FILE}.csv").write_text("\n".join([*rows, "4,no number,5"]), "utf-8")
    return tmp_path


def run(capsys, command, *arguments):
    """What a command prints, in which nothing acts."""
    status = importlib.import_module(f"ooc_train.cli.{command}").main(arguments)
    out, err = capsys.readouterr()
    assert status == 0, err
    assert (out + err).replace("\n", "").isprintable()
    return out


def test_names_are_escaped_where_they_are_shown_and_kept_where_they_are_data(folder, capsys):
    given = ["--features", "dense", "--report", f"./{FILE}.json"]
    run(capsys, "convert", f"./{FILE}.csv", "-o", f"./{FILE}.h5", *given)
    report = json.loads((folder / f"{FILE}.json").read_text("utf-8"))
    assert report["output"] == f"{FILE}.h5"
    assert report["classes"] == sorted(LABELS)
    assert r"-\udcff" in (folder / f"{FILE}.h5.rejected.csv").read_text("utf-8")

    shown = run(capsys, "inspect", f"./{FILE}.h5", "--report", "inspect.json")
    assert r"train from -\udcff\x1b[31m\n .csv" in shown
    assert r"\x1b]0;title\x07" in shown
    inspected = json.loads((folder / "inspect.json").read_text("utf-8"))
    assert inspected["provenance"]["sources"]["train"][0]["name"] == f"{FILE}.csv"


def test_names_in_a_picture_are_xml(folder, capsys):
    pytest.importorskip("matplotlib")
    run(capsys, "convert", f"./{FILE}.csv", "-o", "o.h5", "--features", "dense", "--quiet")
    run(capsys, "inspect", "o.h5", "--plot", f"./{FILE}.svg", "--quiet")
    ElementTree.parse(folder / f"{FILE}.svg")
