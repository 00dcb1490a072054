"""Texts that tasks read themselves, in ranges of files: the bytes of those passed to tasks."""

import csv
import gzip
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

import ooc_train
from ooc_train.conversion.resources import MemoryPlan
from ooc_train.conversion.sources.parts import PartRead, SourcePart
from ooc_train.conversion.storage.journal import Journal
from ooc_train.errors import InputError
from tests.conversion.test_executors import PLAN
from tests.conversion.test_ranges import counted
from tests.corpora import random_rows, write_rows

N_ROWS = 1200


def write_texts(folder):
    """Two tables of train rows and one of test rows, with all that is refused or counted."""
    lines = []
    for k, (label, title, body) in enumerate(random_rows(N_ROWS)):
        line = (
            f'{label},"{title}\n2,""two"",lines\n",{body}' if k % 40 == 0 else f"{label},{k},{body}"
        )
        odd = {7: f"{label},too few", 17: "", 27: f",no,{body}", 37: f"{label},,", 47: 'x,"y"z,w'}
        lines.append(odd.get(k % 100, line))
    header = "label,title,body"
    (folder / "a.csv").write_text("\n".join([header, *lines[:500]]))
    (folder / "b.csv").write_text("\n".join([header, *lines[500:800], header]))
    (folder / "test.csv").write_text("\n".join([header, *lines[800:], "8,no,class", "9,no,class"]))
    return [folder / "a.csv", folder / "b.csv"]


@pytest.fixture
def converted(tmp_path, monkeypatch):
    """Converts with a plan: the files, the list of rejects and what the report tells of rows."""
    monkeypatch.setattr("ooc_train.conversion.convert.convert_few_rows", lambda *_: None)
    train = write_texts(tmp_path)
    given = {"label": "label", "text": ["title", "body"], "validation_fraction": 0.3}

    def convert(name, plan=PLAN, **options):
        monkeypatch.setattr(MemoryPlan, "divide", lambda *_, **__: plan)
        rejects, output = tmp_path / f"{name}.rejects.csv", tmp_path / f"{name}.h5"
        report = ooc_train.convert(
            train, output, test=[tmp_path / "test.csv"], max_rejects=100, rejects=rejects,
            **(given | options),
        )  # fmt: skip
        keys = {"rows", "validation_rows", "test_rows", "classes", "files", "missing_rows", "auto"}
        told = {key: value for key, value in report.items() if key in keys}
        with rejects.open(newline="") as file:
            return output.read_bytes(), sorted(csv.reader(file)), told

    return convert


def in_parts(n_workers, block_bytes):
    return replace(PLAN, n_workers=n_workers, block_bytes=block_bytes, texts_in_parts=True)


@pytest.mark.parametrize("features", ["auto", "sequence"])
def test_parts_and_workers_change_no_byte(tmp_path, converted, monkeypatch, features):
    options = {"features": features, "top_k": 300}
    fitted = {"vectorizer": tmp_path / "passed.h5", "text": (), "label": None}
    expected = converted("passed", **options)
    again = converted("fitted", **fitted)
    alone = counted(monkeypatch, SourcePart, "alone")
    for n_workers, block_bytes in ((1, 300), (3, 2000), (2, 200_000)):
        plan = in_parts(n_workers, block_bytes)
        assert converted(f"{block_bytes}", plan, **options) == expected
        if block_bytes == 2000:
            assert converted("fitted-parts", plan, **fitted) == again
    assert alone  # some first rows were guessed wrongly


def test_shards_and_what_is_appended(tmp_path, monkeypatch):
    monkeypatch.setattr("ooc_train.conversion.convert.convert_few_rows", lambda *_: None)
    first, second = write_texts(tmp_path)
    given = {"label": "label", "text": ["title", "body"], "features": "ngram", "max_rejects": 100}
    for name, plan in (("passed", PLAN), ("parts", in_parts(2, 1500))):
        monkeypatch.setattr(MemoryPlan, "divide", lambda *_, plan=plan, **__: plan)
        (tmp_path / name).mkdir()
        index = tmp_path / name / "o.json"
        ooc_train.convert(first, index, shards=2, **given)
        ooc_train.convert(second, index, append=True, max_rejects=100)
    files = [sorted((tmp_path / name).iterdir()) for name in ("passed", "parts")]
    assert len(files[0]) > 3
    for one, other in zip(*files, strict=True):
        assert one.name == other.name
        assert one.suffix == ".csv" or one.read_bytes() == other.read_bytes()


def test_a_source_that_cannot_be_divided_is_passed(tmp_path, converted, monkeypatch):
    expected = converted("passed", features="ngram")
    path = tmp_path / "test.csv"
    path.write_bytes(gzip.compress(path.read_bytes()))
    monkeypatch.setattr(SourcePart, "__init__", None)
    assert converted("gz", in_parts(2, 2000), features="ngram")[2] == expected[2]


def test_json_lines(tmp_path, monkeypatch):
    monkeypatch.setattr("ooc_train.conversion.convert.convert_few_rows", lambda *_: None)
    rows = [{"label": label, "text": f"{title}\n{body}"} for label, title, body in random_rows(300)]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    for name, plan in (("passed", PLAN), ("parts", in_parts(2, 1000))):
        monkeypatch.setattr(MemoryPlan, "divide", lambda *_, plan=plan, **__: plan)
        ooc_train.convert(path, tmp_path / f"{name}.h5", features="sequence")
    assert (tmp_path / "parts.h5").read_bytes() == (tmp_path / "passed.h5").read_bytes()


class Killed(BaseException):
    """What is raised in place of a signal that nothing can catch."""


@pytest.mark.parametrize("began_with_threads", [True, False])
def test_other_workers_go_on(tmp_path, monkeypatch, began_with_threads):
    """A conversion that is resumed has the tasks of before, whoever does them now."""
    monkeypatch.setattr("ooc_train.conversion.convert.convert_few_rows", lambda *_: None)
    monkeypatch.setattr(MemoryPlan, "divide", lambda *_, **__: PLAN)
    rows = write_rows(tmp_path / "train.csv", random_rows(300))
    ooc_train.convert(rows, tmp_path / "whole.h5", features="ngram")
    note, done = Journal.note, []

    def noted(journal, step, task, result):
        note(journal, step, task, result)
        done.append(isinstance(result, PartRead))
        if len(done) == 30:
            raise Killed

    with ThreadPoolExecutor(3) as pool:
        workers = [{"workers": 3}, {"workers": 3, "scheduler": pool}]
        first, second = workers if began_with_threads else reversed(workers)
        given = {"features": "ngram", "resume": True}
        with monkeypatch.context() as patch:
            patch.setattr(Journal, "note", noted)
            with pytest.raises(Killed):
                ooc_train.convert(rows, tmp_path / "o.h5", **given, **first)
        assert ooc_train.convert(rows, tmp_path / "o.h5", **given, **second)["resumed"]
    assert (tmp_path / "o.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()
    assert any(done) != began_with_threads


def test_a_label_that_is_no_class_names_its_line(tmp_path, converted, monkeypatch):
    monkeypatch.setattr(MemoryPlan, "divide", lambda *_, **__: in_parts(2, 1000))
    path, index = tmp_path / "rows.csv", tmp_path / "o.json"
    rows = [f"{k % 2},some words {k}" for k in range(300)]
    path.write_text("\n".join(["label,text", *rows]))
    ooc_train.convert(path, index, shards=1, label="label", features="ngram")
    path.write_text("\n".join(["label,text", *rows, "x,others", *rows]))
    with pytest.raises(InputError, match=f"rows.csv, line 302: label 'x' is no class of {index}"):
        ooc_train.convert(path, index, append=True)
