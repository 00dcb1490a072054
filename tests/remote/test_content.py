"""Bytes come whole and of one version, or there is one clear sentence."""

import os
import re

import pytest

from ooc_train.errors import InputError, OptionError
from ooc_train.remote import content, stores
from ooc_train.remote.content import RemoteContent
from ooc_train.remote.url import Url

CONTENT = bytes(range(256)) * 40


def opened(served, path="/rows.bin?signature=secret", body=CONTENT):
    served.files[path.partition("?")[0]] = body
    return RemoteContent(Url.of(served.url(path)))


def test_ranges_are_read(served):
    found = opened(served)
    assert (found.size, found.has_ranges) == (len(CONTENT), True)
    assert bytes(found.read(10, 5000)) == CONTENT[10:5000]
    assert served.requests[-1] == ("GET", "/rows.bin?signature=secret", "bytes=10-4999")


def test_an_empty_file_has_no_bytes(served):
    assert opened(served, body=b"").size == 0


@pytest.mark.parametrize("fault", [500, 503, 429, 408, "reset", "cut", "short", "shifted"])
def test_what_fails_is_asked_for_again(served, fault):
    found = opened(served)
    assert found.size
    served.faults = [fault] * 4
    assert bytes(found.read(10, 5000)) == CONTENT[10:5000]
    assert len(served.requests) == 6


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (500, "the server answers 500 Internal Server Error"),
        ("reset", "the connection broke"),
        ("cut", "the connection broke"),
        ("short", "the server gave other bytes"),
        ("shifted", "the server gave other bytes"),
    ],
)
def test_attempts_are_bounded(served, fault, words):
    found = opened(served)
    assert found.size
    served.always = fault
    with pytest.raises(InputError) as caught:
        found.read(10, 5000)
    assert len(served.requests) == 6
    assert str(caught.value) == (
        f"{served.url('/rows.bin')} cannot be read: {words}, 5 times; check the URL and the "
        "network, and run the command again"
    )
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (404, "the server answers 404 Not Found; check the URL"),
        (403, "the server answers 403 Forbidden; give credentials in the environment, or sign"),
        (401, "the server answers 401 Unauthorized; give credentials"),
        (410, "the server answers 410 Gone; check the URL"),
    ],
)
def test_what_cannot_succeed_is_asked_for_once(served, status, words):
    found = opened(served)
    served.always = status
    for _ in range(2):  # nor are others, when the first has failed
        with pytest.raises(InputError, match=re.escape(words)) as caught:
            _ = found.version
    assert len(served.requests) == 1
    assert "secret" not in str(caught.value)


def test_a_server_that_is_not_there(served):
    found = RemoteContent(Url.of("http://127.0.0.1:1/rows.csv?key=secret"))
    with pytest.raises(InputError, match="no connection can be made, 4 times") as caught:
        _ = found.size
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("has_tags", [False, True])
def test_a_file_that_changes_is_refused(served, has_tags):
    served.has_tags = has_tags
    found = opened(served)
    assert found.size
    served.files["/rows.bin"] = CONTENT[::-1]
    served.modified += 60
    with pytest.raises(InputError, match="changed while it was read"):
        found.read(10, 5000)


def test_a_file_that_grows_is_refused(served):
    served.has_tags = False
    found = opened(served)
    assert found.size
    served.files["/rows.bin"] = CONTENT + b"more"
    with pytest.raises(InputError, match="changed while it was read"):
        found.read(10, 5000)


def test_a_server_without_ranges_gives_the_whole(served):
    served.has_ranges = False
    found = opened(served)
    assert (found.size, found.has_ranges) == (len(CONTENT), False)
    assert b"".join(found.pieces()) == CONTENT
    served.faults = ["cut"]
    with pytest.raises(InputError, match="the connection broke after .* gives no parts"):
        b"".join(found.pieces())
    served.files["/rows.bin"] = CONTENT[::-1]
    with pytest.raises(InputError, match="changed while it was read"):
        next(found.pieces())


def test_a_server_that_tells_no_length(served):
    served.has_ranges = served.has_length = False
    with pytest.raises(InputError, match=r"does not tell its length; download .* curl URL"):
        _ = opened(served).size


def test_credentials_in_a_url_become_a_header(served):
    served.files["/rows.bin"] = CONTENT
    url = Url.of(f"http://me:p%40ss@127.0.0.1:{served.port}/rows.bin#part")
    assert RemoteContent(url).size == len(CONTENT)
    assert served.headers[-1]["authorization"] == "Basic bWU6cEBzcw=="
    assert served.requests[-1][1] == "/rows.bin"


def test_a_forked_process_is_refused(served, monkeypatch):
    found = opened(served)
    assert found.size
    monkeypatch.setattr(content, "_process", os.getpid() + 1)
    with pytest.raises(InputError, match="in a forked process"):
        found.read(0, 10)


def test_a_file_of_the_hub(served, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", served.url(""))
    monkeypatch.setenv("HF_TOKEN", "token")
    served.files["/datasets/me/reviews/resolve/main/data/a%20b.csv"] = CONTENT
    served.files["/me/model/resolve/v1/x.csv"] = CONTENT
    for name in ("datasets/me/reviews/data/a b.csv", "me/model@v1/x.csv"):
        assert RemoteContent(Url.of(f"hf://{name}")).size == len(CONTENT)
        assert served.headers[-1]["authorization"] == "Bearer token"


def test_the_hubs_token_is_that_of_its_own_command(served, monkeypatch, tmp_path):
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    assert not stores._hub_token()
    (tmp_path / "token").write_text("kept\n")
    assert stores._hub_token() == "kept"


def test_an_object_in_a_bucket(served, monkeypatch):
    for name, value in {
        "AWS_ENDPOINT_URL": served.url(""),
        "AWS_ACCESS_KEY_ID": "me",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "eu-west-1",
    }.items():
        monkeypatch.setenv(name, value)
    served.files["/bucket/some/rows.bin"] = CONTENT
    found = RemoteContent(Url.of("s3://bucket/some/rows.bin"))
    assert bytes(found.read(5, 500)) == CONTENT[5:500]
    assert "eu-west-1/s3" in served.headers[-1]["authorization"]
    served.always = 403
    with pytest.raises(InputError, match=r"s3://bucket/some/rows.bin cannot be read: .*403"):
        found.read(5, 500)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("ftp://host/rows.csv", "URLs begin with https://, http://, hf://, s3://"),
        ("s3://bucket", "names no object; give s3://BUCKET/NAME"),
        ("hf://datasets/owner/name", "is no file on the hub; give hf://datasets/OWNER/NAME/FILE"),
        ("https:///rows.csv", "is no valid URL"),
        ("https://h st/rows.csv?secret", "is no valid URL"),
    ],
)
def test_urls_that_name_no_file(address, words):
    with pytest.raises(InputError) as caught:
        _ = RemoteContent(Url.of(address)).version
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)


def test_the_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "obstore.exceptions", None)
    with pytest.raises(OptionError, match="needs the package obstore: download the file, or pip"):
        _ = RemoteContent(Url.of("https://host/rows.csv")).version
