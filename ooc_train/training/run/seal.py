"""The seal of a complete run: digests in ``report.json``, which tie the files of the run together.

The report is written last.  Under ``digests`` it has the XXH3-128 of each file that predictions
depend on, and of its own content.  So what a disk, a copy or a hand has changed is found before it
is used, and files of two runs are never taken for one.  A seal is no signature: those who change a
file on purpose can seal the run again.  Everything in a run is therefore checked in itself, too.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import xxhash

from ooc_train.errors import FormatError
from ooc_train.system_errors import reason
from ooc_train.training.run.json_files import AGAIN, read_json

DIGESTS = "digests"
_PIECE_BYTES = 2**20


def digest_of(path: Path) -> str:
    """The XXH3-128 of a file, as hexadecimal digits.  Memory: a megabyte.  Raises OSError."""
    digest = xxhash.xxh3_128()
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def sealed(report: Mapping[str, Any], digests: Mapping[str, str], name: str) -> dict[str, Any]:
    """A report with the digests of other files, by their names, and its own as that of ``name``."""
    content = {**report, DIGESTS: dict(digests)}
    return {**content, DIGESTS: {**digests, name: _digest_of_content(content)}}


def check_seal(path: Path, names: Iterable[str]) -> dict[str, Any]:
    """The report at ``path``, after it and the files of these names beside it have been checked.

    Raises FormatError for the first that is not what was written, and if the report has no digests.
    """
    report = read_json(path)
    if DIGESTS not in report:
        raise FormatError(
            f"the run {path.parent} was written by an earlier release, without digests of its "
            "files; train again"
        )
    digests = report[DIGESTS]
    if not isinstance(digests, dict) or digests.keys() != {*names, path.name}:
        raise FormatError(f"{path} is damaged: it has digests of other files; {AGAIN}")
    content = {**report, DIGESTS: {name: digests[name] for name in digests if name != path.name}}
    if digests[path.name] != _digest_of_content(content):
        raise FormatError(f"{path} is damaged: it is not what was written; {AGAIN}")
    for name in names:
        file = path.with_name(name)
        try:
            is_same = digest_of(file) == digests[name]
        except OSError as error:
            raise FormatError(f"{file} cannot be read: {reason(error)}; {AGAIN}") from error
        if not is_same:
            raise FormatError(f"{file} is damaged, or of another run; {AGAIN}")
    return report


def _digest_of_content(content: Mapping[str, Any]) -> str:
    return xxhash.xxh3_128_hexdigest(json.dumps(content).encode())
