"""Rows at a URL are converted and predicted as those of the same files here, to the same bytes."""

import contextlib
import gzip
import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import ooc_train
from ooc_train.cli import convert as command
from ooc_train.conversion.storage.journal import Journal
from ooc_train.errors import InputError, OptionError, OutputError
from ooc_train.remote import content, stream
from tests.corpora import random_rows, write_rows

ROWS = random_rows(400)
OPTIONS = {"features": "ngram", "validation_fraction": 0, "force": True}
SECRET = "?X-Signature=secret&path=/x.json"


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch):
    """Many requests, and no pauses between attempts."""
    monkeypatch.setattr(content, "PAUSES", (0.0,) * 4)
    monkeypatch.setattr(stream, "_FIRST_BYTES", 2000)
    monkeypatch.setattr(stream, "_MOST_BYTES", 5000)


def as_csv():
    with io.StringIO() as text:
        for label, title, body in ROWS:
            text.write(f'"{label}","{title}","{body}"\n')
        return text.getvalue().encode()


def as_lines():
    rows = [{"label": label, "text": f"{title} {body}"} for label, title, body in ROWS]
    return "".join(f"{json.dumps(row)}\n" for row in rows).encode()


def table():
    labels, titles, bodies = zip(*ROWS, strict=True)
    texts = [" ".join(pair) for pair in zip(titles, bodies, strict=True)]
    return pa.table({"label": labels, "n": range(len(ROWS)), "text": texts})


def as_parquet():
    sink = io.BytesIO()
    pq.write_table(table(), sink, row_group_size=90)
    return sink.getvalue()


def as_arrow():
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table().schema) as writer:
        writer.write_table(table(), 50)
    return sink.getvalue()


def as_svmlight():
    rng = np.random.default_rng(0)
    return "".join(f"{k % 3} {1 + k % 7}:{rng.random():.4f} 9:1\n" for k in range(400)).encode()


def as_npz():
    sink = io.BytesIO()
    numbers = np.random.default_rng(0).normal(size=(400, 5))
    np.savez(sink, x=numbers, y=(numbers[:, 0] > 0).astype(int))
    return sink.getvalue()


CASES = {
    "rows.csv": (as_csv, {}),
    "rows.csv.gz": (lambda: gzip.compress(as_csv()), {}),
    "rows.jsonl": (as_lines, {}),
    "rows.parquet": (as_parquet, {}),
    "rows.arrows": (as_arrow, {}),
    "rows.svm": (as_svmlight, {"features": "sparse"}),
    "rows.npz": (as_npz, {"features": "dense"}),
}


def converted(source, output, **options):
    report = ooc_train.convert(source, output, **(OPTIONS | options))
    return output.read_bytes(), report


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_rows_at_a_url_become_the_same_bytes(served, tmp_path, name):
    made, options = CASES[name]
    (tmp_path / name).write_bytes(made())
    url = served.put(f"/some/{name}", made()) + SECRET
    local, _ = converted(tmp_path / name, tmp_path / "local.h5", **options)
    remote, report = converted(url, tmp_path / "remote.h5", **options)
    assert remote == local
    assert report["rows"] == 400
    assert "secret" not in str(report)
    assert b"secret" not in remote


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rows.csv", "rows.csv.gz", "rows.jsonl", "rows.svm"])
def test_a_server_without_ranges_is_read_as_it_comes(served, tmp_path, name):
    made, options = CASES[name]
    (tmp_path / name).write_bytes(made())
    served.has_ranges = False
    local, _ = converted(tmp_path / name, tmp_path / "local.h5", **options)
    assert converted(served.put(f"/{name}", made()), tmp_path / "remote.h5", **options)[0] == local


@pytest.mark.parametrize("name", ["rows.parquet", "rows.npz"])
def test_formats_that_are_read_in_any_order_need_ranges(served, tmp_path, name):
    made, options = CASES[name]
    served.has_ranges = False
    url = served.put(f"/{name}", made())
    with pytest.raises(InputError, match="its format is read in any order, and its server gives"):
        converted(url, tmp_path / "remote.h5", **options)


def test_splits_and_labels_may_be_at_urls(served, tmp_path):
    numbers = np.random.default_rng(0).normal(size=(90, 3)).astype(np.float32)
    sides = "".join(f"{int(one)}\n" for one in numbers[:, 0] > 0)
    np.save(tmp_path / "x.npy", numbers)
    (tmp_path / "y.txt").write_text(sides)
    given = [tmp_path / "x.npy", tmp_path / "y.txt"]
    there = [served.put(f"/{path.name}", path.read_bytes()) for path in given]
    found = [
        converted(x, tmp_path / "out.h5", features="dense", labels=[y], test=[x], test_labels=[y])
        for x, y in (given, there)
    ]
    assert found[0][0] == found[1][0]
    assert found[1][1]["test_rows"] == 90


@pytest.mark.slow
def test_requests_that_fail_change_nothing(served, tmp_path):
    write_rows(tmp_path / "rows.csv", ROWS)
    url = served.put("/rows.csv", (tmp_path / "rows.csv").read_bytes())
    local, _ = converted(tmp_path / "rows.csv", tmp_path / "local.h5")
    served.faults = [500, "reset", "cut", None, "short", 503, "shifted", None, None, "cut", "reset"]
    assert converted(url, tmp_path / "remote.h5")[0] == local
    assert not served.faults


@pytest.mark.parametrize("when", [12, 20, 25])
def test_a_file_that_changes_is_refused_and_leaves_nothing(served, tmp_path, when):
    """Whatever is read then, samples or rows."""
    url = served.put("/rows.csv", as_csv())

    def change():
        served.files["/rows.csv"] = as_csv().replace(b"alpha", b"omega")

    served.faults = [None] * when + [change]
    with pytest.raises(InputError, match=r"rows.csv changed while it was read; start again"):
        converted(url, tmp_path / "remote.h5")
    assert list(tmp_path.iterdir()) == []


def test_an_error_names_the_url_without_its_secrets(served, tmp_path, capfd):
    url = served.url("/none.csv") + SECRET
    assert command.main([url, "-o", str(tmp_path / "x.h5")]) == 1
    assert capfd.readouterr().err.splitlines()[-1] == (
        f"ooc-convert: {served.url('/none.csv')} cannot be read: the server answers 404 Not Found; "
        "check the URL"
    )
    assert list(tmp_path.iterdir()) == []


def test_bad_rows_are_listed_with_their_url(served, tmp_path):
    url = served.put("/rows.csv", as_csv() + b'"1"\n') + SECRET
    _, report = converted(url, tmp_path / "x.h5")
    assert report["rejected_rows"] == 1
    listed = (tmp_path / "x.h5.rejected.csv").read_text()
    assert served.url("/rows.csv") in listed
    assert "secret" not in listed


def test_a_pattern_of_a_web_server_is_refused(served, tmp_path):
    url = served.url("/part*.csv")
    with pytest.raises(InputError, match=r"part\*.csv is a pattern, and only buckets \(s3, gs"):
        converted(url, tmp_path / "x.h5")
    assert not served.requests


def test_outputs_are_files_here(tmp_path, served):
    url = served.put("/rows.csv", as_csv())
    with pytest.raises(OutputError, match="cannot be written to a URL; write it here, and copy"):
        ooc_train.convert(url, "s3://bucket/x.h5", **OPTIONS)


class KilledError(BaseException):
    """What is raised in place of a signal that nothing can catch."""


@pytest.mark.slow
@pytest.mark.parametrize("has_changed", [False, True])
def test_a_conversion_of_a_url_goes_on(served, tmp_path, monkeypatch, has_changed):
    content_of_rows = as_csv()
    whole, _ = converted(served.put("/rows.csv", content_of_rows), tmp_path / "whole.h5")
    url = served.url("/rows.csv")
    note = Journal.note

    def killed(journal, step, task, result):
        note(journal, step, task, result)
        raise KilledError

    with monkeypatch.context() as patch, contextlib.suppress(KilledError):
        patch.setattr(Journal, "note", killed)
        converted(url + "?sign=secret1", tmp_path / "x.h5", resume=True, force=False)
    kept = next(tmp_path.glob(".ooc-*"))
    assert "secret" not in "".join(
        path.read_text("utf-8", "replace") for path in kept.rglob("*") if path.is_file()
    )
    if has_changed:
        served.modified += 60
        served.files["/rows.csv"] = content_of_rows + content_of_rows
        with pytest.raises(OptionError, match=r"another one: http://.*/rows.csv has changed"):
            converted(url, tmp_path / "x.h5", resume=True, force=False)
        return
    # A URL that is signed anew is that of the same file.
    found, report = converted(url + "?sign=secret2", tmp_path / "x.h5", resume=True, force=False)
    assert found == whole
    assert report["resumed"]


@pytest.mark.slow
def test_rows_at_a_url_are_predicted_and_explored(served, tmp_path):
    write_rows(tmp_path / "rows.csv", ROWS)
    url = served.put("/rows.csv", (tmp_path / "rows.csv").read_bytes()) + SECRET
    converted(tmp_path / "rows.csv", tmp_path / "x.h5")
    ooc_train.train(tmp_path / "x.h5", tmp_path / "run", epochs=1)
    for source, name in ((tmp_path / "rows.csv", "local.csv"), (url, "remote.csv")):
        ooc_train.predict(tmp_path / "run", source, tmp_path / name)
    assert (tmp_path / "remote.csv").read_bytes() == (tmp_path / "local.csv").read_bytes()
    local, remote = (
        ooc_train.explore(source, **{k: v for k, v in OPTIONS.items() if k == "features"})
        for source in (tmp_path / "rows.csv", url)
    )
    assert remote["splits"] == local["splits"]
    assert "secret" not in str(remote)
