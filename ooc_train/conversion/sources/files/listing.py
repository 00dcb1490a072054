"""The files that a path stands for: itself, those that match a pattern, or those of a folder.

A folder holds the splits of a data set, such as ``train`` and ``test``; or files of rows, as Spark
and Hive write them, some of them in folders with names such as ``label=pos``; or texts by class,
see ``formats.folder``.  Files come in the order of their paths.  Names that begin with a dot or
``_``, such as ``_SUCCESS``, Hadoop's checksums and Hugging Face's descriptions are passed over.
"""

import glob
import itertools
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ooc_train.conversion.sources.class_names import CLASSES_NAME
from ooc_train.conversion.sources.files.input_file import InputFile
from ooc_train.conversion.sources.formats.table import FORMATS, format_of, named_format
from ooc_train.counts import counted
from ooc_train.errors import InputError
from ooc_train.remote.patterns import is_pattern, matching
from ooc_train.remote.url import Url
from ooc_train.system_errors import reason

_OF_RUNS = ("settings.json", "history.csv", "model.keras")
_ASIDE = (".", "_")
_CHECKSUM = ".crc"
_DESCRIPTIONS = {"dataset_dict.json", "dataset_info.json", "dataset_infos.json", "state.json"}
_BY_HADOOP = re.compile(r"part-[a-z]?-?\d[^.]*|\d+_\d+")
"""Names without a suffix that Hadoop and Hive give to files of rows."""
_SPLITS = {
    "train": "train", "training": "train",
    "valid": "validation", "validation": "validation", "val": "validation", "dev": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip
_FIRST_WORD = re.compile(r"([a-z]+)[-_.]")


class FoundPaths(NamedTuple):
    """The files, and folders of texts, that a path stands for, and a note on them, if any."""

    paths: list[Path]
    note: str = ""


class Splits(NamedTuple):
    """The files and folders of the splits in a folder, train first, and a note on them."""

    paths: dict[str, list[Path]]
    note: str


class FolderEntries(NamedTuple):
    """The files and folders in a folder, in the order of names, and the names passed over."""

    used: list["os.DirEntry[str]"]
    aside: list[str]


def listed(path: Path, kind: str | None = None) -> FoundPaths:
    """The files that a path stands for; ``kind`` is their format, where an option names it.

    A URL is one file, unless it is a pattern.

    Raises ``InputError`` for a pattern that no name matches, for files of several formats, and for
    a folder of several splits.
    """
    if isinstance(path, Url):
        if not is_pattern(path):
            return FoundPaths([path])
    elif not glob.has_magic(str(path)) or path.exists():
        return _in_folder(path, kind) if path.is_dir() else FoundPaths([path])
    found, aside = _matching(path)
    if not found:
        raise InputError(f"no file matches {path}; check the pattern")
    # What a pattern has found is no further pattern, whatever its name.
    parts = [[one] if isinstance(one, Url) else listed(one, kind).paths for one in found]
    paths = sorted({str(one): one for part in parts for one in part}.values(), key=str)
    _check_formats(path, paths, kind)
    said = [passed_over(aside), _splits_among(paths, _n_fixed(path))]
    told = "; ".join(filter(None, said))
    return FoundPaths(paths, f"{path}: {told}" if told else "")


def _matching(path: Path) -> tuple[list[Path], list[str]]:
    """The paths that match a pattern, in order, and what is passed over: unless it is asked for."""
    fixed = _n_fixed(path)
    is_asked_for = any(is_aside(part) for part in path.parts[fixed:])
    paths, aside = [], []
    found: Iterable[Path]
    if isinstance(path, Url):
        found = matching(path)
    else:
        found = map(Path, sorted(glob.glob(str(path), recursive=True)))  # noqa: PTH207 - absolute
    for one in found:
        parts = one.parts[fixed:]
        if is_asked_for or not any(map(is_aside, parts)):
            paths.append(one)
        else:
            aside.append(str(Path(*parts)))
    return paths, aside


def _n_fixed(path: Path) -> int:
    """How many parts of a pattern are the same in all that it matches."""
    return len(list(itertools.takewhile(lambda part: not glob.has_magic(part), path.parts)))


def _splits_among(paths: Iterable[Path], n_fixed: int) -> str:
    """A sentence on paths whose names tell splits, of which a pattern makes one."""
    found: dict[str, Path] = {}
    for path in paths:
        *folders, name = path.parts[n_fixed:]
        word = _FIRST_WORD.match(name.lower())
        for split in {_SPLITS.get(one.lower()) for one in folders} | {
            word and _SPLITS.get(word[1])
        }:
            found.setdefault(split or "", path)
    examples = [str(found[split]) for split in dict.fromkeys(_SPLITS.values()) if split in found]
    if "train" not in found or len(examples) == 1:
        return ""
    return f"{' and '.join(examples)} become rows of the same split, whatever their names"


def splits_in(folder: Path, kind: str | None = None) -> Splits | None:
    """The splits that the names in a folder tell, such as ``train`` and ``test.csv``, if any do.

    There are train rows among them, and others; or nothing else is in the folder.
    """
    found: dict[str, list[Path]] = {}
    used, others = entries(folder)
    is_alone = True
    for entry in used:
        split = _split_of(entry, kind)
        if split:
            found.setdefault(split, []).append(Path(entry.path))
        else:
            is_alone = is_alone and not (entry.is_dir() or _is_table(entry.name, kind))
            others += [entry.name] if entry.name != CLASSES_NAME else []
    is_folder = any(path.is_dir() for path in found.get("train", []))
    if "train" not in found or (len(found) == 1 and not (is_alone and is_folder)):
        return None
    paths = {split: found[split] for split in dict.fromkeys(_SPLITS.values()) if split in found}
    told = [f"{_told(some)} as {split} rows" for split, some in paths.items()]
    return Splits(paths, f"{folder}: {' and '.join(told)}{_also(others)}")


def _told(paths: Sequence[Path]) -> str:
    more = f" and {counted(len(paths) - 1, 'other')}" if len(paths) > 1 else ""
    return f"{paths[0].name}{more}"


def entries(folder: Path) -> FolderEntries:
    """The entries of a folder.  Raises ``InputError`` for one that cannot be read."""
    everything = sorted(scanned(folder), key=lambda entry: os.fsencode(entry.name))
    used = [entry for entry in everything if not is_aside(entry.name)]
    return FolderEntries(used, [entry.name for entry in everything if is_aside(entry.name)])


def scanned(folder: Path) -> Iterator["os.DirEntry[str]"]:
    """The entries of a folder in any order.  Raises ``InputError`` for one that cannot be read."""
    try:
        with os.scandir(folder) as found:
            yield from found
    except OSError as error:
        raise InputError(f"{folder} cannot be read: {reason(error)}") from error


def is_aside(name: str) -> bool:
    """Whether a file or folder of this name holds no rows, but something about them.

    >>> [is_aside(name) for name in (".part-0.csv.crc", "_SUCCESS", "part-0.csv")]
    [True, True, False]
    """
    return name[:1] in _ASIDE or name.endswith(_CHECKSUM) or name in _DESCRIPTIONS


def passed_over(names: Sequence[str]) -> str:
    """A sentence on names that are passed over; nothing if there are none.

    >>> passed_over(["_SUCCESS"]), passed_over(["_a", "_b"])
    ('_SUCCESS is passed over', '2 others, such as _a, are passed over')
    """
    if len(names) > 1:
        return f"{counted(len(names), 'other')}, such as {names[0]}, are passed over"
    return f"{names[0]} is passed over" if names else ""


def _also(names: Sequence[str]) -> str:
    return f"; {passed_over(names)}" if names else ""


def _in_folder(folder: Path, kind: str | None) -> FoundPaths:
    """The files of rows in a folder; the folder itself, if it has none and may hold texts."""
    if all((folder / name).is_file() for name in _OF_RUNS):
        raise InputError(f"{folder} is a run folder of ooc-train, where rows are expected")
    splits = splits_in(folder, kind)
    if splits:
        names = " and ".join(map(_told, splits.paths.values()))
        one = next(iter(splits.paths.values()))[0]
        raise InputError(
            f"{folder} holds the rows of several splits, in {names}; name those to read, such as "
            f"{one}"
        )
    tables, others = _tables_in(folder, kind)
    if not tables:
        return FoundPaths([folder])
    found = _check_formats(folder, tables, kind)
    n_files = f"{len(tables):,} {found} files" if len(tables) > 1 else f"one {found} file"
    return FoundPaths(tables, f"{folder}: {n_files}, in the order of their paths{_also(others)}")


def _tables_in(
    folder: Path, kind: str | None, above: tuple[Path, ...] = ()
) -> tuple[list[Path], list[str]]:
    """The files of rows in a folder and its partitions, and the names of what is passed over.

    A partition that links to a folder ``above`` is passed over.
    """
    used, others = entries(folder)
    above = (*above, folder.resolve())
    tables: list[Path] = []
    for entry in used:
        path = Path(entry.path)
        if entry.is_dir() and "=" in entry.name[1:] and path.resolve() not in above:
            found, more = _tables_in(path, kind, above)
            tables += found
            others += more if found else [entry.name]
        elif not entry.is_dir() and _is_table(entry.name, kind):
            tables.append(path)
        elif entry.name != CLASSES_NAME:  # which is read for the classes' names
            others.append(entry.name)
    return sorted(tables, key=str), others


def _is_table(name: str, kind: str | None) -> bool:
    """Whether a file of this name holds rows with columns."""
    if name == CLASSES_NAME:
        return False
    if kind or _BY_HADOOP.fullmatch(name):
        return True
    found = named_format(InputFile(Path(name)))
    return found is not None and FORMATS[found].gives != ("dense",)


def _split_of(entry: "os.DirEntry[str]", kind: str | None) -> str | None:
    """The split whose name a folder has, or a file of rows begins with."""
    name = entry.name.lower()
    if entry.is_dir():
        return _SPLITS.get(name)
    word = _FIRST_WORD.match(name)
    return _SPLITS.get(word[1]) if word and _is_table(entry.name, kind) else None


def _check_formats(path: Path, files: Iterable[Path], kind: str | None) -> str:
    """The format of all files.  Raises ``InputError`` if there are several."""
    if kind:
        return kind
    found: dict[str, list[Path]] = {}
    for file in files:
        given = InputFile(file)
        name = named_format(given) or ("folder" if file.is_dir() else format_of(given))
        found.setdefault(name, []).append(file)
    if len(found) > 1:
        counts = ", ".join(f"{len(some):,} {name} ({some[0].name})" for name, some in found.items())
        pattern = path / f"*{next(iter(found.values()))[0].suffix}" if path.is_dir() else path
        raise InputError(
            f"{path} holds files of several formats, {counts}; name those of one, such as with the "
            f"pattern '{pattern}'"
        )
    return next(iter(found), "")
