"""A web server on this machine that serves the files of a folder in ranges, each after a delay."""

import contextlib
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

_RANGE = re.compile(r"bytes=(\d+)-(\d+)")
_PIECE_BYTES = 2**20


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer with a range of a file, or with all of it."""
        time.sleep(self.server.delay)
        self.server.n_requests += 1
        path = self.server.folder / Path(self.path).name
        size = path.stat().st_size
        wanted = _RANGE.fullmatch(self.headers.get("Range", ""))
        start, stop = (int(wanted[1]), min(int(wanted[2]) + 1, size)) if wanted else (0, size)
        self.send_response(206 if wanted else 200)
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{size}")
        self.send_header("Content-Length", str(stop - start))
        self.send_header("ETag", f'"{path.stat().st_mtime_ns}"')
        self.end_headers()
        with path.open("rb") as file, contextlib.suppress(OSError):  # a client may have enough
            file.seek(start)
            for first in range(start, stop, _PIECE_BYTES):
                self.wfile.write(file.read(min(_PIECE_BYTES, stop - first)))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    n_requests = 0


@contextlib.contextmanager
def serving(folder: Path, delay: float) -> Iterator[Any]:
    """A server whose every answer takes ``delay`` seconds; it has ``url`` and ``n_requests``."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.folder, server.delay = folder, delay  # type: ignore[attr-defined]
        server.url = f"http://127.0.0.1:{server.server_port}"  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
