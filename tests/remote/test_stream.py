"""A stream of a file at a URL reads as the file does, with few requests and in bounded memory."""

import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ooc_train.errors import InputError
from ooc_train.remote import stream
from ooc_train.remote.stream import open_url
from ooc_train.remote.url import Url

CONTENT = np.random.default_rng(0).bytes(300_000)


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch):
    monkeypatch.setattr(stream, "_FIRST_BYTES", 1000)
    monkeypatch.setattr(stream, "_MOST_BYTES", 8000)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("read"), st.integers(0, 30_000)),
        st.tuples(st.just("start"), st.integers(0, 310_000)),
        st.tuples(st.just("current"), st.integers(-5000, 5000)),
        st.tuples(st.just("end"), st.integers(-9000, 10)),
    ),
    max_size=30,
)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=STEPS)
def test_a_stream_reads_as_a_file_does(served, tmp_path, steps):
    (tmp_path / "rows").write_bytes(CONTENT)
    url = Url.of(served.put("/rows", CONTENT))
    with (tmp_path / "rows").open("rb") as file, open_url(url) as found:
        for what, number in steps:
            if what == "read":
                assert found.read(number) == file.read(number)
            else:
                whence = {"start": os.SEEK_SET, "current": os.SEEK_CUR, "end": os.SEEK_END}[what]
                if whence == os.SEEK_CUR and file.tell() + number < 0:
                    continue
                assert found.seek(number, whence) == file.seek(number, whence)
            assert found.tell() == file.tell()


def test_few_requests_read_a_file(served):
    url = Url.of(served.put("/rows", CONTENT))
    with open_url(url) as found:
        pieces = iter(lambda: found.read(3000), b"")
        assert b"".join(pieces) == CONTENT
    assert len(served.requests) <= 3 + 300_000 / 8000 + 3


def test_a_look_at_the_beginning_asks_for_little(served):
    url = Url.of(served.put("/rows", CONTENT))
    with open_url(url) as found:
        assert found.read(500) == CONTENT[:500]
    assert [wanted for *_, wanted in served.requests] == ["bytes=0-0", "bytes=0-999"]


def test_what_is_ahead_is_bounded(served):
    url = Url.of(served.put("/rows", CONTENT))
    with open_url(url) as found:
        found.read(50_000)
        assert 50_000 < found._ahead[-1].stop <= 50_000 + 4 * 8000


def test_a_server_without_ranges_is_read_from_the_beginning(served):
    served.has_ranges = False
    url = Url.of(served.put("/rows", CONTENT))
    for _ in range(2):  # once for each reading
        with open_url(url) as found:
            assert found.read(10) + found.read(20_000) == CONTENT[:20_010]
            assert found.tell() == found.seek(0, os.SEEK_CUR) == 20_010
            with pytest.raises(InputError, match="its server gives no parts of a file; download"):
                found.seek(0)
    with open_url(url) as found:
        assert found.readall() == CONTENT


def test_errors_ahead_come_where_they_are(served):
    url = Url.of(served.put("/rows", CONTENT))
    with open_url(url) as found:
        assert found.read(20_000) == CONTENT[:20_000]
        served.always = 500
        with pytest.raises(InputError, match="500 Internal Server Error"):
            found.read()
