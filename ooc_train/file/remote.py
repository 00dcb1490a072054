"""The bytes of a converted file at a URL, as those who read its structures want them."""

from ooc_train.file.objects import FileBytes
from ooc_train.remote.parts import RemoteParts


class RemoteBytes(FileBytes):
    """The bytes of a file at a URL."""

    def __init__(self, parts: RemoteParts) -> None:
        self._parts = parts
        self._start(parts.size)

    def _read(self, position: int, n_bytes: int) -> bytes:
        found = bytearray(n_bytes)
        self._parts.read_into(memoryview(found), position)
        return bytes(found)
