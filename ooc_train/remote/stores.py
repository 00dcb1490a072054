"""The stores that URLs name, by scheme: web servers, Hugging Face, and object storage."""

import base64
import os
import urllib.parse
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

from ooc_train.errors import InputError, OptionError
from ooc_train.extras import pip_install
from ooc_train.remote.url import Url

BUCKETS = ("s3", "gs", "az")
"""The schemes of object storage, which lists what it has."""
_CONNECT_SECONDS, _SILENT_SECONDS = 20, 30
_NO_RETRIES: Any = {
    "max_retries": 0,  # `content` tries again
    "retry_timeout": timedelta(0),
    "backoff": {
        "init_backoff": timedelta(milliseconds=1),
        "max_backoff": timedelta(milliseconds=1),
        "base": 2,
    },
}
_ENDPOINTS = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT")
_HUB = "https://huggingface.co"
_HUB_KINDS = ("datasets", "spaces")


class Stored(NamedTuple):
    """A store of obstore, and the key of a file in it."""

    store: Any
    key: str


def stored(url: Url) -> Stored:
    """The store that holds the file at a URL.  Nothing is asked of it yet.

    Raises ``InputError`` for a URL of another scheme or without a file, and ``OptionError`` where
    the package obstore is not installed.
    """
    opener = _SCHEMES.get(url.scheme)
    if opener is None:
        raise InputError(
            f"{url}: URLs begin with {', '.join(f'{name}://' for name in _SCHEMES)}; download the "
            f"file"
        )
    try:
        from obstore.exceptions import BaseError  # noqa: PLC0415 - an extra
    except ImportError:
        raise OptionError(
            f"{url} is a URL, which needs the package obstore: download the file, or "
            f"{pip_install(extra='remote')}"
        ) from None
    try:
        return opener(url)
    except (BaseError, ValueError):  # whose text may have secrets
        raise InputError(f"{url} is no valid URL of a file; check its spelling") from None


def _web(url: Url) -> Stored:
    return _at(url.address, {})


def _at(address: str, headers: dict[str, str]) -> Stored:
    """A file on a web server; credentials in the address become a header."""
    from obstore.store import HTTPStore  # noqa: PLC0415 - an extra

    parts = urllib.parse.urlsplit(address)
    user, at, host = parts.netloc.rpartition("@")
    if at:
        pair = urllib.parse.unquote(user).encode()
        headers = {"authorization": f"Basic {base64.b64encode(pair).decode()}"}
    if not host:
        raise ValueError("there is no host")
    options: Any = _client(allow_http=parts.scheme.lower() == "http")
    if headers:
        options["default_headers"] = headers
    bare = parts._replace(netloc=host, fragment="").geturl()
    store = HTTPStore.from_url(bare, client_options=options, retry_config=_NO_RETRIES)
    return Stored(store, "")


def _hub(url: Url) -> Stored:
    """A file on Hugging Face's hub: ``hf://datasets/owner/name@revision/path``."""
    parts = url.address.split("://", 1)[1].split("/")
    kind = [parts.pop(0)] if parts[0] in _HUB_KINDS else []
    if len(parts) < 3 or not all(parts):
        raise InputError(f"{url} is no file on the hub; give hf://datasets/OWNER/NAME/FILE")
    owner, (name, _, revision), path = parts[0], parts[1].partition("@"), parts[2:]
    quoted = urllib.parse.quote("/".join(path))
    repository = "/".join([*kind, owner, name])
    endpoint = os.environ.get("HF_ENDPOINT", _HUB).rstrip("/")
    token = _hub_token()
    headers = {"authorization": f"Bearer {token}"} if token else {}
    revision = urllib.parse.quote(revision or "main", safe="")
    return _at(f"{endpoint}/{repository}/resolve/{revision}/{quoted}", headers)


def _hub_token() -> str:
    """The token of the environment, or the one that ``hf auth login`` keeps; empty if none."""
    if "HF_TOKEN" in os.environ:
        return os.environ["HF_TOKEN"]
    home = Path(os.environ.get("HF_HOME", "~/.cache/huggingface")).expanduser()
    try:
        return (home / "token").read_text("utf-8").strip()
    except (OSError, UnicodeError):
        return ""


def _bucket(url: Url) -> Stored:
    """An object in a bucket; credentials and region come from the environment."""
    from obstore.store import from_url  # noqa: PLC0415 - an extra

    root, _, key = url.address.partition("://")[2].partition("/")
    if not root or not key:
        raise InputError(f"{url} names no object; give {url.scheme}://BUCKET/NAME")
    address = f"{url.scheme}://{root}"
    is_plain = any(os.environ.get(name, "").startswith("http://") for name in _ENDPOINTS)
    options: Any = _client(allow_http=is_plain)
    store = from_url(address, client_options=options, retry_config=_NO_RETRIES)
    return Stored(store, key)


def _client(*, allow_http: bool = False) -> dict[str, Any]:
    options: dict[str, Any] = {
        "connect_timeout": timedelta(seconds=_CONNECT_SECONDS),
        "read_timeout": timedelta(seconds=_SILENT_SECONDS),
        "timeout": timedelta(days=1),  # a file may be long
    }
    return options | ({"allow_http": True} if allow_http else {})


_SCHEMES: dict[str, Callable[[Url], Stored]] = {
    "https": _web,
    "http": _web,
    "hf": _hub,
    **dict.fromkeys(BUCKETS, _bucket),
}
