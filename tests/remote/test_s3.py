"""Objects of a bucket are read from moto's server, which speaks Amazon's protocol."""

import urllib.request

import pytest

from ooc_train.errors import InputError
from ooc_train.remote.content import RemoteContent
from ooc_train.remote.stores import stored
from ooc_train.remote.stream import open_url
from ooc_train.remote.url import Url

obstore = pytest.importorskip("obstore", reason="obstore is not installed")
moto = pytest.importorskip(
    "moto.server", reason="moto is not installed (pip install 'moto[server]', some 50 packages)"
)
CONTENT = bytes(range(256)) * 4000


def put(address, body):
    store, key = stored(Url.of(address))
    obstore.put(store, key, body)


@pytest.fixture
def bucket(monkeypatch):
    server = moto.ThreadedMotoServer(port=0, verbose=False)
    server.start()
    endpoint = "http://{}:{}".format(*server.get_host_and_port())
    for name, value in {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "me",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    for path, method in (("/moto-api/reset", "POST"), ("/rows", "PUT")):
        request = urllib.request.Request(endpoint + path, method=method)
        urllib.request.urlopen(request, timeout=20).close()
    put("s3://rows/a b.bin", CONTENT)
    put("s3://rows/empty", b"")
    yield
    server.stop()


def test_an_object_is_read(bucket):
    url = Url.of("s3://rows/a b.bin")
    with open_url(url) as found:
        assert found.read() == CONTENT
        found.seek(-500, 2)
        assert found.read(1000) == CONTENT[-500:]
    assert RemoteContent(Url.of("s3://rows/empty")).size == 0


def test_an_object_that_is_not_there(bucket):
    with pytest.raises(InputError, match=r"s3://rows/none cannot be read: the server answers 404"):
        _ = RemoteContent(Url.of("s3://rows/none")).size


def test_an_object_that_changes_is_refused(bucket):
    found = RemoteContent(Url.of("s3://rows/a b.bin"))
    assert found.size == len(CONTENT)
    put("s3://rows/a b.bin", CONTENT[::-1])
    with pytest.raises(InputError, match="changed while it was read"):
        found.read(0, 100)
