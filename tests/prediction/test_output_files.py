"""The file of predictions: one process's own until it is complete, and never half of it."""

import pytest

from ooc_train.errors import OutputError
from ooc_train.prediction.outputs import open_writer
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
