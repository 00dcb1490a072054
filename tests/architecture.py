"""The rules of a package's shape, each as a function of its folder that returns what breaks it.

Sources are parsed, never imported: an import counts wherever it stands, also in a function and
under ``TYPE_CHECKING``.
"""

import ast
import functools
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

Layers = Sequence[Sequence[str]]
"""The layers from the lowest to the highest, each the names of its rooms.

A room is a folder or a module directly below the package; ``__init__`` is the package itself.
"""


class Import(NamedTuple):
    """One module of the package imports another; names are relative to the package."""

    importer: str
    imported: str

    def __str__(self) -> str:
        return f"{self.importer} -> {self.imported}"


# ---- What is in a package.


@functools.cache
def modules(root: Path) -> dict[str, ast.Module]:
    """The syntax tree of each module below ``root``, by its name relative to the package."""
    return {_name(root, path): ast.parse(path.read_text("utf-8")) for path in _files(root)}


def _files(root: Path) -> list[Path]:
    return sorted(root.rglob("*.py"))


def _name(root: Path, path: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts) or "__init__"


def imports(root: Path) -> set[Import]:
    """Every import of one module of the package by another."""
    trees = modules(root)
    return {
        Import(importer, imported)
        for importer, tree in trees.items()
        for imported in _imported(tree, root.name, trees)
        if imported != importer
    }


def _imported(tree: ast.Module, package: str, known: Iterable[str]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (_relative(alias.name, package) for alias in node.names
                        if _is_inside(alias.name, package))  # fmt: skip
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(f"a relative import of {node.module} is not understood")
            if _is_inside(node.module or "", package):
                for alias in node.names:
                    module = _relative(f"{node.module}.{alias.name}", package)
                    yield module if module in known else _relative(node.module or "", package)


def _is_inside(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def _relative(module: str, package: str) -> str:
    return module.removeprefix(package).removeprefix(".") or "__init__"


def room(module: str) -> str:
    """The room that a module is in.

    >>> room("file.arrays"), room("errors")
    ('file', 'errors')
    """
    return module.partition(".")[0]


# ---- The rules.


def unplaced_rooms(root: Path, layers: Layers) -> set[str]:
    """Rooms that no layer names, and names in layers that no room has."""
    return {room(module) for module in modules(root)} ^ {name for layer in layers for name in layer}


def imports_against_layers(root: Path, layers: Layers) -> set[str]:
    """Imports that go upwards or, but on the ground floor, into another room of the same layer."""
    floor_of = {name: number for number, layer in enumerate(layers) for name in layer}
    found = set()
    for edge in imports(root):
        here, there = room(edge.importer), room(edge.imported)
        above, below = floor_of.get(here, -1), floor_of.get(there, len(layers))
        allowed = here == there or below < above or below == above == 0
        found |= set() if allowed else {str(edge)}
    return found


def import_cycles(root: Path) -> set[str]:
    """Groups of modules that import one another in a circle, the package's ``__init__`` aside."""
    targets: dict[str, set[str]] = defaultdict(set)
    for importer, imported in imports(root):
        targets[importer].add(imported)
    reachable = {module: _reachable(module, targets) for module in list(targets)}
    circles = {
        frozenset(other for other in reached if module in reachable.get(other, ()))
        for module, reached in reachable.items()
        if module in reached
    }
    return {", ".join(sorted(circle)) for circle in circles}


def _reachable(start: str, targets: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = list(targets[start])
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting += targets.get(module, ())
    return found


def libraries_away_from_home(root: Path, homes: Mapping[str, Sequence[str]]) -> set[str]:
    """Imports of the libraries in ``homes`` by other modules, as these are imported themselves.

    Imports inside functions and under ``TYPE_CHECKING`` are free.
    """
    return {
        f"{module} imports {library}"
        for module, tree in modules(root).items()
        for library in _libraries(tree) & homes.keys()
        if module not in homes[library]
    }


def _libraries(tree: ast.Module) -> set[str]:
    names: list[str] = []
    for node in tree.body:
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names.append(node.module or "")
    return {name.partition(".")[0] for name in names}


SIDE_EFFECTS = {"print", "input", "sys.modules", "sys.stdout", "sys.stderr"}


def side_effects_below(root: Path, top: str) -> set[str]:
    """Modules outside the room ``top`` that print, write to a standard stream, or ask who runs."""
    return {
        f"{module} uses {what}"
        for module, tree in modules(root).items()
        if room(module) != top
        for what in _side_effects(tree)
    }


def _side_effects(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute) and ast.unparse(node) in SIDE_EFFECTS:
            yield ast.unparse(node)
        if isinstance(node, ast.ImportFrom) and node.module == "sys":
            yield from (f"sys.{alias.name}" for alias in node.names)


def undocumented_names(root: Path) -> set[str]:
    """Public modules, classes, functions and methods without a docstring."""
    return {
        f"{module}:{name}" if name else module
        for module, tree in modules(root).items()
        for name, node in _public(tree)
        if not ast.get_docstring(node)
    }


def headless_docstrings(root: Path, words: Sequence[str]) -> set[str]:
    """Docstrings that begin with one of ``words``, and not with their subject or a verb."""
    return {
        f"{module}: {text.splitlines()[0]}"
        for module, tree in modules(root).items()
        for text in _docstrings(tree)
        if text and text.split()[0].strip(",.:;") in words
    }


Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def _public(tree: ast.Module) -> Iterator[tuple[str, Documented]]:
    yield "", tree
    waiting: list[tuple[str, Documented]] = [("", tree)]
    while waiting:
        prefix, parent = waiting.pop()
        for node in parent.body:
            if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if not node.name.startswith("_") and not _is_overload(node):
                yield prefix + node.name, node
                if isinstance(node, ast.ClassDef):
                    waiting.append((f"{prefix}{node.name}.", node))


def _is_overload(node: Documented) -> bool:
    decorators = getattr(node, "decorator_list", [])
    return any(ast.unparse(each) in {"overload", "typing.overload"} for each in decorators)


def doubled_classes(root: Path) -> set[str]:
    """Names that more than one class of the package has."""
    names = Counter(
        node.name
        for tree in modules(root).values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    )
    return {name for name, count in names.items() if count > 1}


def array_types_outside(root: Path, home: str) -> set[str]:
    """Modules other than ``home`` that write ``NDArray``: there each dtype has its one name."""
    return {
        module
        for module, tree in modules(root).items()
        if module != home and any(map(_is_array_type, ast.walk(tree)))
    }


def _is_array_type(node: ast.AST) -> bool:
    names = {getattr(node, "id", ""), getattr(node, "attr", "")}
    names |= {alias.name for alias in node.names} if isinstance(node, ast.ImportFrom) else set()
    return "NDArray" in names


def doubled_aliases(root: Path, home: str) -> set[str]:
    """Types that two aliases of the module ``home`` stand for, and aliases given twice."""
    aliases = [
        (ast.unparse(node.target), ast.unparse(node.value))
        for node in modules(root)[home].body
        if isinstance(node, ast.AnnAssign) and node.value is not None
    ]
    counts = Counter(part for alias in aliases for part in alias)
    return {name for name, count in counts.items() if count > 1}


def words_away_from_home(root: Path, homes: Mapping[str, Sequence[str]]) -> set[str]:
    """Public names that have a word of ``homes`` outside of the rooms that the word belongs to."""
    return {
        f"{module}:{name}"
        for module, tree in modules(root).items()
        for name, _ in _public(tree)
        for word in _words(name) & homes.keys()
        if room(module) not in homes[word]
    }


def _words(name: str) -> set[str]:
    """The words of an identifier, in the singular.

    >>> sorted(_words("ChunkedArray.n_blocks"))
    ['array', 'block', 'chunked', 'n']
    """
    spaced = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name)
    return {word.removesuffix("s") for word in spaced.replace("_", " ").replace(".", " ").split()}


def vague_modules(root: Path, words: Iterable[str]) -> set[str]:
    """Modules that have a name that says nothing."""
    return {module for module in modules(root) if set(module.split(".")) & set(words)}


def examples(root: Path) -> dict[str, int]:
    """How many examples stand in the docstrings of each module that has any."""
    counts = {
        root.name if module == "__init__" else f"{root.name}.{module}": sum(
            text.count(">>> ") for text in _docstrings(tree)
        )
        for module, tree in modules(root).items()
    }
    return {module: count for module, count in counts.items() if count}


def _docstrings(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node) or ""
