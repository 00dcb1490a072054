"""URLs stand for files wherever paths do, and their text has no secrets."""

import pickle
from pathlib import Path

import pytest

from ooc_train.remote.url import Url, is_url, located

SECRET = "https://me:pass@host:8080/some/rows.csv.gz?X-Signature=pass&x=/y#pass"


def test_a_text_of_a_url_has_no_secrets():
    url = Url.of(SECRET)
    for text in (str(url), repr(url), f"{url}", str(url.parent), url.name, *url.suffixes):
        assert "pass" not in text
    assert str(url) == "https://host:8080/some/rows.csv.gz"
    assert url.address == SECRET


def test_a_url_is_a_path():
    url = Url.of(SECRET)
    assert isinstance(url, Path)
    assert (url.name, url.suffixes) == ("rows.csv.gz", [".csv", ".gz"])
    assert url.absolute() is url
    assert not url.exists()
    assert str(url.with_name("classes.txt")) == "https://host:8080/some/classes.txt"


def test_another_process_gets_the_whole_address():
    assert pickle.loads(pickle.dumps(Url.of(SECRET))).address == SECRET


@pytest.mark.parametrize("name", ["s3://bucket/a?b*.csv", "hf://datasets/a/b/c.parquet", "x+y://z"])
def test_only_web_addresses_have_a_query(name):
    assert str(located(name)) == name


@pytest.mark.parametrize("name", ["rows.csv", "/a/rows.csv", "C:/rows.csv", "a:b", "://x", "-"])
def test_other_names_are_paths(name):
    assert not is_url(name)
    assert type(located(name)) is type(Path())
    assert located(name) == Path(name)
