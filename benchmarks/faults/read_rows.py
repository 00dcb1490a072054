"""A command that reads a converted file: the digest of all its rows, or of what --verify accepts.

read_rows FILE.h5 DIGEST             of rows, labels and classes, by the library
read_rows FILE.h5 DIGEST --verify    of everything that HDF5 has, if ooc-inspect calls it whole
"""

import contextlib
import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path

import h5py

import ooc_train
from ooc_train.cli import inspect
from ooc_train.errors import OocTrainError
from ooc_train.visible import visible


def main(arguments: Sequence[str]) -> int:
    """Run the command; the exit status."""
    source, target, *more = arguments
    if more:
        status = inspect.main([source, "--verify", "--quiet"])
        if status:
            return status
        found = _everything(source)
    else:
        try:
            found = _rows(source)
        except OocTrainError as error:
            print(f"read_rows: {visible(str(error))}", file=sys.stderr)
            return 1
    Path(target).write_text(found)
    return 0


def _rows(path: str) -> str:
    digest = hashlib.sha256()
    with ooc_train.open(path) as store:
        digest.update(repr([store.class_labels, store.class_names, [*store]]).encode())
        for name in store:
            split = store[name]
            digest.update(split.read(0, len(split)).to_dense().tobytes())
            digest.update(split.read_labels(0, len(split)).tobytes())
    return digest.hexdigest()


def _everything(path: str) -> str:
    with contextlib.suppress(ImportError):
        import hdf5plugin  # noqa: F401, PLC0415 - only compressed files need it
    digest = hashlib.sha256()
    with h5py.File(path, "r") as file:
        names: list[str] = ["/"]
        file.visit(names.append)
        for name in names:
            item = file[name]
            digest.update(repr((name, sorted(item.attrs.items()))).encode())
            if isinstance(item, h5py.Dataset):
                digest.update(item[...].tobytes())
    return digest.hexdigest()
