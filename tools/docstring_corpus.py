"""Labelled text without a download: the docstrings of this installation, the package as label.

    python tools/docstring_corpus.py OUT_FOLDER [--classes 12] [--seed 0]

Every module of the standard library (class `python`) and of the installed packages is parsed,
never imported.  Docstrings are cut into pieces of one or a few paragraphs, a piece is a row, and
the packages with most rows become the classes.  Three files result, in the layout of Zhang,
Zhao and LeCun's data sets (`"class index","title","body"`, every field quoted, line breaks
written as backslash and n), sorted by class:

    train.csv    nine tenths
    test.csv     a held-out tenth of every class
    classes.txt  line k names class k

What keeps the task honest: the title is the bare name of the documented class or function, so no
module path tells the label; a docstring's pieces are all in train or all in test; a text found
twice counts once, one found in two packages belongs to neither; copies of other packages
(`_vendor` and the like) are left out; the largest classes are capped, so that always guessing
the largest gains little.  The same installation and seed give the same bytes.
"""

from __future__ import annotations

import argparse
import ast
import csv
import os
import random
import re
import sys
import sysconfig
import time
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

MIN_WORDS = 10
MAX_WORDS = 80
MIN_ROWS_PER_CLASS = 20
MAX_ROWS_PER_CLASS = 10_000
TEST_FRACTION = 0.1
STANDARD_LIBRARY = "python"
FOLDERS_LEFT_OUT = frozenset(
    {"_bundled", "_vendor", "dist-packages", "externals", "site-packages", "test", "tests"}
)

_WORD = re.compile(r"[^\W\d_]{2,}")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True)
class Docstring:
    """The pieces of one docstring; `title` is the bare name of what it documents."""

    title: str
    pieces: tuple[str, ...]


Corpus = dict[str, list[Docstring]]
Row = tuple[int, str, str]


def split_pieces(docstring: str) -> list[str]:
    r"""Cut a docstring after each paragraph, sooner when it is long, later when it is short.

    A piece ends at the first blank line after `MIN_WORDS` words or at the first line end after
    `MAX_WORDS`; words too few for a piece of their own are dropped at the end.

    >>> text = "One two.\n\n" + "word " * 10 + "\n\n" + "end " * 12 + "\n\nToo short."
    >>> [piece.split()[0] for piece in split_pieces(text)]
    ['One', 'end']
    """
    pieces: list[str] = []
    lines: list[str] = []
    n_words = 0
    for line in [*docstring.splitlines(), ""]:
        lines.append(line)
        n_words += len(_WORD.findall(line))
        if n_words >= (MAX_WORDS if line.strip() else MIN_WORDS):
            pieces.append("\n".join(lines).strip())
            lines, n_words = [], 0
    return pieces


def clean(text: str) -> str:
    r"""Drop what a text file cannot hold: control characters and lone surrogates.

    >>> clean("a\x00b\ud800")
    'a b?'
    """
    return _CONTROL.sub(" ", text).encode("utf-8", "replace").decode("utf-8")


def read_docstrings(path: Path) -> list[Docstring]:
    """Parse one module; a file that is no Python of this version has no docstrings."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes in other people's strings
            tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return []  # the last two: nested deeper than the parser can follow
    return list(_docstrings_of(tree))


def _docstrings_of(tree: ast.Module) -> Iterator[Docstring]:
    for node in _walk_statements(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            pieces = split_pieces(clean(ast.get_docstring(node) or ""))
            if pieces:
                yield Docstring(getattr(node, "name", ""), tuple(pieces))


def _walk_statements(tree: ast.Module) -> Iterator[ast.AST]:
    """Do as `ast.walk`, but pass by the expressions: most of a tree, and they hold no docstring."""
    nodes: list[ast.AST] = [tree]
    for node in nodes:  # which grows on the way
        yield node
        for block in ("body", "handlers", "orelse", "finalbody", "cases"):
            nodes += getattr(node, block, ())


def find_packages(package_folders: Iterable[Path], standard_library: Path) -> dict[str, list[Path]]:
    """List the source files of every installed package, in a fixed order, by its import name."""
    packages = {STANDARD_LIBRARY: _sources(standard_library)}
    for folder in package_folders:
        for entry in sorted(folder.iterdir()):
            name = entry.stem if entry.suffix == ".py" else entry.name
            if name.isidentifier() and not name.startswith("_"):
                packages.setdefault(name, _sources(entry))
    return packages


def _sources(root: Path) -> list[Path]:
    if root.is_file():
        return [root]
    found = []
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = sorted(set(subfolders) - FOLDERS_LEFT_OUT)
        found += [Path(folder, name) for name in sorted(names) if name.endswith(".py")]
    return found


def read_packages(packages: dict[str, list[Path]], n_processes: int = 1) -> Corpus:
    """Read every package's docstrings; the result does not depend on the number of processes."""
    labels = [label for label, paths in packages.items() for _ in paths]
    paths = [path for paths in packages.values() for path in paths]
    corpus: Corpus = {label: [] for label in packages}
    if n_processes == 1:
        for label, path in zip(labels, paths, strict=True):
            corpus[label] += read_docstrings(path)
        return corpus
    with ProcessPoolExecutor(n_processes, mp_context=get_context("spawn")) as pool:
        documented = pool.map(read_docstrings, paths, chunksize=32)
        for label, docstrings in zip(labels, documented, strict=True):
            corpus[label] += docstrings
    return corpus


def without_repeats(corpus: Corpus) -> Corpus:
    """Keep the first of equal texts in a package, and none of a text that two packages have.

    Texts are equal if they differ in letter case and white space only.
    """
    labels_of: dict[str, set[str]] = defaultdict(set)
    for label, docstrings in corpus.items():
        for docstring in docstrings:
            for piece in docstring.pieces:
                labels_of[_essence(piece)].add(label)
    unwanted = {essence for essence, labels in labels_of.items() if len(labels) > 1}
    return {label: _first_of_each(docstrings, unwanted) for label, docstrings in corpus.items()}


def _first_of_each(docstrings: list[Docstring], unwanted: set[str]) -> list[Docstring]:
    seen = set(unwanted)
    kept = []
    for docstring in docstrings:
        pieces = []
        for piece in docstring.pieces:
            essence = _essence(piece)
            if essence not in seen:
                seen.add(essence)
                pieces.append(piece)
        if pieces:
            kept.append(Docstring(docstring.title, tuple(pieces)))
    return kept


def _essence(text: str) -> str:
    return " ".join(text.casefold().split())


def count_rows(docstrings: Iterable[Docstring]) -> int:
    """Return the number of rows that these docstrings make."""
    return sum(len(docstring.pieces) for docstring in docstrings)


def largest_packages(corpus: Corpus, n_classes: int) -> list[str]:
    """Name the packages with most rows, alphabetically; fewer where the installation is small."""
    n_rows = {label: count_rows(docstrings) for label, docstrings in corpus.items()}
    large = [label for label in n_rows if n_rows[label] >= MIN_ROWS_PER_CLASS]
    return sorted(sorted(large, key=lambda label: (-n_rows[label], label))[:n_classes])


def split_class(docstrings: list[Docstring], rng: random.Random) -> tuple[list[Docstring], ...]:
    """Draw (train, test) from a class's docstrings: at most `MAX_ROWS_PER_CLASS` rows in all."""
    drawn = rng.sample(docstrings, len(docstrings))
    n_rows = min(count_rows(docstrings), MAX_ROWS_PER_CLASS)
    test, drawn = _take_rows(drawn, round(TEST_FRACTION * n_rows))
    train, _ = _take_rows(drawn, n_rows - count_rows(test))
    return train, test


def _take_rows(docstrings: list[Docstring], n_rows: int) -> tuple[list[Docstring], list[Docstring]]:
    taken = 0
    for index, docstring in enumerate(docstrings):
        if taken >= n_rows:
            return docstrings[:index], docstrings[index:]
        taken += len(docstring.pieces)
    return docstrings, []


def rows_of(class_index: int, docstrings: Iterable[Docstring]) -> Iterator[Row]:
    """Yield a row for every piece."""
    for docstring in docstrings:
        for piece in docstring.pieces:
            yield class_index, docstring.title, piece


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write the Zhang layout; the file has its name only once it is complete."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, quoting=csv.QUOTE_ALL, lineterminator="\n")
        for class_index, title, body in rows:
            writer.writerow((class_index, title, body.replace("\n", "\\n")))
    partial.replace(path)


def build_corpus(
    packages: dict[str, list[Path]], out: Path, *, n_classes: int, seed: int, n_processes: int = 1
) -> dict[str, tuple[int, int]]:
    """Write `train.csv`, `test.csv` and `classes.txt` into `out`.

    Returns the number of train and of test rows by class.  Raises ValueError where fewer than
    two packages have `MIN_ROWS_PER_CLASS` rows.
    """
    corpus = without_repeats(read_packages(packages, n_processes))
    labels = largest_packages(corpus, n_classes)
    if len(labels) < 2:
        raise ValueError(
            f"found {len(labels)} packages with {MIN_ROWS_PER_CLASS} rows or more, but a corpus "
            "takes two: run this with a Python that has packages installed"
        )
    train: list[Row] = []
    test: list[Row] = []
    n_rows = {}
    for class_index, label in enumerate(labels, start=1):
        for_train, for_test = split_class(corpus[label], random.Random(f"{seed} {label}"))
        train += rows_of(class_index, for_train)
        test += rows_of(class_index, for_test)
        n_rows[label] = count_rows(for_train), count_rows(for_test)
    out.mkdir(parents=True, exist_ok=True)
    write_rows(out / "train.csv", train)
    write_rows(out / "test.csv", test)
    (out / "classes.txt").write_text("".join(f"{label}\n" for label in labels), encoding="utf-8")
    return n_rows


def installed_packages() -> dict[str, list[Path]]:
    """List the sources of this Python's own packages and of its standard library."""
    paths = sysconfig.get_paths()
    folders = sorted({Path(paths["purelib"]), Path(paths["platlib"])})
    return find_packages(filter(Path.is_dir, folders), Path(paths["stdlib"]))


def print_table(n_rows: dict[str, tuple[int, int]]) -> None:
    """Print the train and test rows of every class, and of all."""
    total = sum(train for train, _ in n_rows.values()), sum(test for _, test in n_rows.values())
    print(f"{'class':<20} {'train':>7} {'test':>7}")
    for label, (train, test) in {**n_rows, "rows": total}.items():
        print(f"{label:<20} {train:>7,} {test:>7,}")


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description="Build a labelled corpus from the docstrings of the installed packages.",
        epilog="example: python tools/docstring_corpus.py corpus --classes 12",
    )
    parser.add_argument("out", metavar="OUT_FOLDER", type=Path, help="train.csv, ... go here")
    parser.add_argument("--classes", type=int, default=12, metavar="N", help="packages to take")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="which rows are held out")
    options = parser.parse_args(arguments)
    if options.classes < 2:
        parser.error(f"--classes {options.classes}: a corpus takes at least two classes")
    return options


def main(arguments: list[str] | None = None) -> int:
    """Build the corpus and print what is in it."""
    options = parse_arguments(arguments)
    start = time.perf_counter()
    try:
        n_rows = build_corpus(
            installed_packages(),
            options.out,
            n_classes=options.classes,
            seed=options.seed,
            n_processes=min(os.cpu_count() or 1, 8),
        )
        n_bytes = sum((options.out / name).stat().st_size for name in ("train.csv", "test.csv"))
    except (OSError, ValueError) as error:
        print(f"docstring_corpus: {error}", file=sys.stderr)
        return 1
    print_table(n_rows)
    seconds = time.perf_counter() - start
    print(f"{n_bytes / 1e6:.1f} MB in {options.out}, {seconds:.1f} seconds")
    return 0


if __name__ == "__main__":
    sys.exit(main())
