"""A web server on this machine that serves files in ranges, and does wrong what a test asks for."""

import contextlib
import email.utils
import socket
import struct
import threading
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from xml.sax.saxutils import escape


@dataclass
class Served:
    """What a server holds, and how it behaves.

    ``files`` are contents by path, such as ``/rows.csv``.  Each request takes ``delay`` seconds,
    and the next ones do wrong, in order, what ``faults`` say: a status, ``reset``, ``cut``,
    ``short`` or ``shifted``, nothing for ``None``, or what a function does before the answer.
    ``always`` is the fault of all others.  ``requests`` are the method, the path with its query,
    and the range of each.
    """

    port: int
    files: dict[str, bytes] = field(default_factory=dict)
    delay: float = 0.0
    faults: list[Any] = field(default_factory=list)
    always: Any = None
    has_ranges: bool = True
    has_tags: bool = True
    has_length: bool = True
    modified: float = 1e9
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def url(self, path: str, scheme: str = "http") -> str:
        """The URL of a file."""
        return f"{scheme}://127.0.0.1:{self.port}{path}"

    def put(self, path: str, content: bytes) -> str:
        """Serve a file; its URL."""
        self.files[path] = content
        return self.url(path)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        served: Served = self.server.served
        wanted = self.headers.get("Range", "")
        served.requests.append(("GET", self.path, wanted))
        served.headers.append({name.lower(): value for name, value in self.headers.items()})
        time.sleep(served.delay)
        fault = served.faults.pop(0) if served.faults else served.always
        if callable(fault):
            fault()
        if fault == "reset":
            self._reset()
        elif isinstance(fault, int):
            self._answer(fault, b"", {})
        elif "list-type=2" in self.path:
            self._listing(served)
        elif self.path.partition("?")[0] not in served.files:
            self._answer(404, b"no such file", {})
        else:
            self._file(served, served.files[self.path.partition("?")[0]], wanted, fault)

    def _listing(self, served: Served) -> None:
        """The objects of a bucket, in the words of Amazon's ListObjectsV2."""
        place = urllib.parse.urlsplit(self.path)
        asked = {name: some[0] for name, some in urllib.parse.parse_qs(place.query).items()}
        prefix, delimiter = asked.get("prefix", ""), asked.get("delimiter")
        found, folders = [], set()
        for path in sorted(served.files):
            key = urllib.parse.unquote(path.removeprefix(f"{place.path.rstrip('/')}/"))
            rest = key.removeprefix(prefix)
            if key == urllib.parse.unquote(path) or not key.startswith(prefix):
                continue
            if delimiter and delimiter in rest:
                folders.add(prefix + rest.partition(delimiter)[0] + delimiter)
            else:
                found.append(
                    f"<Contents><Key>{escape(key)}</Key><Size>{len(served.files[path])}</Size>"
                    "<LastModified>2001-09-09T01:46:40.000Z</LastModified></Contents>"
                )
        found += [
            f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>"
            for name in sorted(folders)
        ]
        text = (
            f"<ListBucketResult><IsTruncated>false</IsTruncated>{''.join(found)}</ListBucketResult>"
        )
        self._answer(200, text.encode(), {"Content-Type": "application/xml"})

    def _file(self, served: Served, content: bytes, wanted: str, fault: Any) -> None:
        headers = {"Last-Modified": email.utils.formatdate(served.modified, usegmt=True)}
        if served.has_tags:
            headers["ETag"] = f'"{hash(content) & 0xFFFFFFFF:x}"'
        if not (wanted and served.has_ranges):
            self._answer(200, content, headers, fault, tells_length=served.has_length)
            return
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        start, stop = int(first), min(int(last or len(content)) + 1, len(content))
        if start >= len(content):
            self._answer(416, b"", {"Content-Range": f"bytes */{len(content)}"})
            return
        shift = 1 if fault == "shifted" else 0
        body = content[start : stop - (fault == "short")]
        told = f"bytes {start + shift}-{stop - 1 + shift}/{len(content)}"
        self._answer(206, body, {**headers, "Content-Range": told}, fault)

    def _answer(
        self,
        status: int,
        body: bytes,
        headers: dict[str, str],
        fault: Any = None,
        *,
        tells_length: bool = True,
    ) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if tells_length:
            self.send_header("Content-Length", str(len(body)))
        else:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        with contextlib.suppress(OSError):  # a client may have enough
            if fault == "cut":
                self.wfile.write(body[: len(body) // 2])
                self._reset()
            else:
                self.wfile.write(body)

    def _reset(self) -> None:
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of connections that were closed."""


@contextlib.contextmanager
def serving() -> Iterator[Served]:
    """A server, until the context ends."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.served = Served(server.server_port)  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.served  # type: ignore[attr-defined]
        finally:
            server.shutdown()
            thread.join()
