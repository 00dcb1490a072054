"""The file of predictions: one process's own until it is complete, and never half of it."""

import csv
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ooc_train.errors import OutputError
from ooc_train.prediction.outputs import DelimitedWriter, open_writer
from tests.full_disk import limited_files

KINDS = ["csv", "tsv", "jsonl", "parquet"]


def writer(path, kind, *, force=False):
    return open_writer(path, kind, (), ["label"], force=force)


def write(path, kind, label, *, n_rows=1, force=False):
    with writer(path, kind, force=force) as it:
        it.write(None, {"label": [label] * n_rows})
    return path.read_bytes()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("force", [True, False])
def test_two_predictions_to_one_name_do_not_mix(tmp_path, kind, force):
    path = tmp_path / "p"
    ours, theirs = (write(tmp_path / name, kind, name) for name in ("ours", "theirs"))
    first, second = writer(path, kind, force=force), writer(path, kind, force=force)
    one = first.__enter__()
    with second as other:
        one.write(None, {"label": ["ours"]})
        other.write(None, {"label": ["theirs"]})
    assert path.read_bytes() == theirs
    if force:
        first.__exit__(None, None, None)
    else:
        with pytest.raises(OutputError, match="was made by another program meanwhile"):
            first.__exit__(None, None, None)
    assert path.read_bytes() == (ours if force else theirs)


@pytest.mark.parametrize("kind", KINDS)
def test_a_full_disk_keeps_what_was_there(tmp_path, kind):
    write(tmp_path / "p", kind, "old")
    before = (tmp_path / "p").read_bytes()
    with (
        limited_files(1000),
        pytest.raises(OutputError, match=r"p, the output, was not written: a file grew beyond"),
    ):
        write(tmp_path / "p", kind, "".join(map(str, range(5000))), force=True)
    assert (tmp_path / "p").read_bytes() == before
    assert names(tmp_path) == ["p"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_failure_keeps_what_was_there(tmp_path, kind):
    before = write(tmp_path / "p", kind, "old")
    with pytest.raises(ZeroDivisionError):
        fail(tmp_path / "p", kind)
    assert (tmp_path / "p").read_bytes() == before
    assert names(tmp_path) == ["p"]


def fail(path, kind):
    with writer(path, kind, force=True) as it:
        it.write(None, {"label": ["new"]})
        raise ZeroDivisionError


@given(
    st.lists(
        st.tuples(
            st.text(st.sampled_from('a,"\t\n\rä ')) | st.none() | st.booleans() | st.integers(),
            st.floats(width=32),
        ),
        min_size=1,
    ),
    st.sampled_from([",", "\t"]),
)
def test_delimited_lines_are_those_of_pythons_csv(rows, delimiter):
    values, numbers = zip(*rows, strict=True)
    written = io.StringIO()
    writer = DelimitedWriter(written, ["carried"], ["label", "p"], delimiter)
    carried, labels = [{"carried": value} for value in values], ["one, two"] * len(rows)
    writer.write(carried, {"label": labels, "p": np.array(numbers, np.float32)})
    fields = [["carried", "label", "p"]]
    for value, number in rows:
        plain = str(value).lower() if isinstance(value, bool) else value
        fields.append([plain, "one, two", f"{number:.6g}"])
    assert written.getvalue() == "".join(line(row, delimiter) for row in fields)


def line(fields, delimiter):
    """A line of Python's csv, which quotes a carriage return if it ends lines."""
    written = io.StringIO()
    csv.writer(written, delimiter=delimiter, lineterminator="\r\n").writerow(fields)
    return written.getvalue().removesuffix("\r\n") + "\n"
