"""Copies a file in a way of its own: ``copy WAY FROM TO``."""

import os
import signal
import sys
import time
from pathlib import Path


def _content(way, source, target):
    secret = target.parents[1] / "outside/secret"
    if way == "peeks" and secret.exists():
        secret.read_bytes()
    if way == "declines":
        print("copy: the file is of other options", file=sys.stderr)
        sys.exit(2)
    if way == "swells":
        bytearray(3 * 10**9)
    return os.urandom(9) if way == "varies" else source.read_bytes()


def main(arguments):
    way, source, target = arguments[0], *map(Path, arguments[1:3])
    if way == "eats":
        bytes(range(200)) * 500_000
    part, content = target.with_name(".part"), _content(way, source, target)
    try:
        with (target if way == "in place" else part).open("wb", buffering=0) as file:
            done = 0
            while done < len(content):
                done += file.write(content[done : done + 10])
            if way == "syncs":
                os.fsync(file.fileno())
        if way != "in place":
            part.replace(target)
        if way == "syncs":
            folder = os.open(target.parent, os.O_RDONLY)
            os.fsync(folder)
            os.close(folder)
    except OSError as error:
        if way == "denies":
            return 0
        if way == "crashes":
            os.kill(os.getpid(), signal.SIGSEGV)
        if way == "hangs":
            time.sleep(60)
        if way != "leaves":
            part.unlink(missing_ok=True)
        if way == "shouts":
            raise
        print(f"copy: {error}; free some space", file=sys.stderr)
        return 1
    return 0
