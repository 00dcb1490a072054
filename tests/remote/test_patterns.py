"""Patterns at URLs stand for the objects of a bucket that match them, as patterns of paths do."""

import glob

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ooc_train
from ooc_train.conversion.sources.files.listing import listed
from ooc_train.errors import InputError
from ooc_train.remote.patterns import is_pattern, matching
from ooc_train.remote.url import Url
from tests.corpora import random_rows, write_rows

pytest.importorskip("obstore", reason="obstore is not installed")
KEYS = [
    "a.csv",
    "b.csv",
    "c.txt",
    ".d.csv",
    "x/a.csv",
    "x/b c.csv",
    "x/y/a.csv",
    "x/.z/a.csv",
    "xa/1",
]
PATTERNS = [
    "*.csv", "?.csv", "[ac].*", "x/*.csv", "x/*/*.csv", "*/*", "**/*.csv", "x/**/a.csv", "x/.z/*",
    "x*/a.csv", "*/a.csv", ".*", "none/*", "x/b c*", "**/.*/*",
]  # fmt: skip


@pytest.fixture
def bucket(served, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", served.url(""))
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "true")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    return served


def in_bucket(served, key, content):
    served.put(f"/bucket/{key}".replace(" ", "%20"), content)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_objects_match_as_files_do(bucket, tmp_path, pattern):
    for key in KEYS:
        in_bucket(bucket, key, b"1")
        (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / key).write_bytes(b"1")
    files = glob.glob(pattern, root_dir=tmp_path, recursive=True)  # noqa: PTH207 - another rule
    wanted = sorted(name for name in files if (tmp_path / name).is_file())
    found = [str(url) for url in matching(Url.of(f"s3://bucket/{pattern}"))]
    assert found == [f"s3://bucket/{key}" for key in wanted]


def test_only_folders_that_may_match_are_listed(bucket):
    for key in KEYS:
        in_bucket(bucket, key, b"1")
    matching(Url.of("s3://bucket/x/y/*.csv"))
    assert len(bucket.requests) == 1
    assert "prefix=x%2Fy%2F" in bucket.requests[0][1]
    assert "delimiter=" in bucket.requests[0][1]


def test_rows_of_a_pattern_are_those_of_the_files(bucket, tmp_path):
    rows = random_rows(300)
    for number in range(3):
        path = write_rows(tmp_path / f"train-{number}.csv", rows[100 * number : 100 * number + 100])
        in_bucket(bucket, f"a b/{path.name}", path.read_bytes())
    in_bucket(bucket, "a b/_SUCCESS.csv", b"")
    bucket.faults = [500]
    options = {"features": "ngram", "validation_fraction": 0}
    here, there = tmp_path / "here.h5", tmp_path / "there.h5"
    ooc_train.convert(sorted(tmp_path.glob("train-*.csv")), here, **options)
    report = ooc_train.convert("s3://bucket/a b/*.csv", there, **options)
    assert not bucket.faults
    assert report["rows"] == 300
    with ooc_train.open(here) as one, ooc_train.open(there) as other:
        assert one["train"][:].labels.tolist() == other["train"][:].labels.tolist()
        assert (one["train"][:].rows.to_dense() == other["train"][:].rows.to_dense()).all()


def test_patterns_that_stand_for_nothing(bucket):
    in_bucket(bucket, "a.csv", b"1")
    in_bucket(bucket, "b.jsonl", b"{}")
    with pytest.raises(InputError, match=r"no file matches s3://bucket/\*.txt; check the pattern"):
        listed(Url.of("s3://bucket/*.txt"))
    with pytest.raises(InputError, match=r"s3://bucket/\* holds files of several formats"):
        listed(Url.of("s3://bucket/*"))
    with pytest.raises(
        InputError, match=r"only buckets \(s3, gs, az\) list what they have; name each"
    ):
        listed(Url.of("https://host/a/*.csv"))
    bucket.always = 403
    with pytest.raises(
        InputError, match=r"s3://bucket/\*.csv cannot be read: the server answers 403"
    ):
        listed(Url.of("s3://bucket/*.csv"))


@given(st.text(max_size=8).filter(lambda text: "/" not in text))
def test_a_query_is_no_pattern(text):
    assert not is_pattern(Url.of(f"https://host/rows.csv?{text}*"))
