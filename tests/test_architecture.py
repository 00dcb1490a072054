"""The shape of the package: its layers, its words, its documentation; and that each rule can fail.

What breaks a rule for now stands in `KNOWN`, which may only get shorter: an entry that is not
needed any more fails, too.
"""

import doctest
import importlib
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from tests import architecture

REPOSITORY = Path(__file__).parents[1]
PACKAGE = REPOSITORY / "ooc_train"

GROUND_FLOOR = (
    "atomic", "bars", "blas", "cluster", "compiling", "counts", "dtypes", "durations",
    "environment", "errors", "extras", "imports", "intrinsics", "jit", "json_text",
    "kernel_cache", "kernel_processes", "kinds", "linked_kernels", "locks", "memory", "options",
    "outputs", "parcels", "permutation", "progress", "remote", "schedulers", "signals",
    "signatures", "subprocesses", "suggestions", "system_errors", "tasks", "threads",
    "together", "toml_text", "version", "visible", "work_folder",
)  # fmt: skip
LAYERS = (
    GROUND_FLOOR,
    ("file",),
    ("reading",),
    ("report",),
    ("conversion", "training"),
    ("inspection", "prediction"),
    ("__init__",),
    ("cli",),
    ("__main__",),
)
HOMES = {
    "chunk": ("file",),  # HDF5's
    "block": ("conversion", "file", "prediction"),  # rows converted together; under one checksum
    "slice": ("reading",),
    "window": ("reading",),
    "spill": ("conversion",),
    "partition": ("conversion",),
}
LIBRARIES = {  # slow to load, or optional
    "dask": (),
    "distributed": ("cluster",),
    "keras": ("reading.adapters.keras_dataset",),
    "llvmlite": ("intrinsics",),
    "matplotlib": ("report.figures",),
    "numba": ("conversion.storage.spill", "intrinsics", "jit", "kernel_cache", "linked_kernels"),
    "obstore": ("remote.content", "remote.patterns", "remote.stores"),
    "pandas": (),
    "pyarrow": (),
    "scipy": ("reading.adapters.scipy_matrices",),
    "sklearn": (),
    "tensorflow": ("reading.adapters.tf_dataset", "training.run.event_files"),
    "torch": ("reading.adapters.torch_dataset",),
}
VAGUE = ("common", "data", "helpers", "manager", "misc", "process", "util", "utils")
NO_SUBJECT = ("It", "Its", "Of", "Such", "That", "These", "They", "This", "Those", "What", "Who")

RULES = {
    "every room has its layer": lambda root: architecture.unplaced_rooms(root, LAYERS),
    "imports go downwards": lambda root: architecture.imports_against_layers(root, LAYERS),
    "no circles": architecture.import_cycles,
    "silent below the command line": lambda root: architecture.side_effects_below(root, "cli"),
    "documented": architecture.undocumented_names,
    "docstrings begin with their subject": lambda root: architecture.headless_docstrings(
        root, NO_SUBJECT
    ),
    "one class, one name": architecture.doubled_classes,
    "array types": lambda root: architecture.array_types_outside(root, "dtypes"),
    "one dtype, one alias": lambda root: architecture.doubled_aliases(root, "dtypes"),
    "words at home": lambda root: architecture.words_away_from_home(root, HOMES),
    "libraries at home": lambda root: architecture.libraries_away_from_home(root, LIBRARIES),
    "no vague modules": lambda root: architecture.vague_modules(root, VAGUE),
}

KNOWN: dict[str, set[str]] = {}


@pytest.mark.parametrize("rule", RULES)
def test_the_package_keeps_its_rules(rule):
    found, known = RULES[rule](PACKAGE), KNOWN.get(rule, set())
    assert found - known == set(), "this breaks the rule"
    assert known - found == set(), "this breaks the rule no more; take it out of KNOWN"


def test_known_breaches_are_of_rules():
    assert KNOWN.keys() <= RULES.keys()


@pytest.mark.parametrize("half", ["conversion", "training"])
def test_the_halves_meet_only_in_the_file(half):
    other = {"conversion": "training", "training": "conversion"}[half]
    edges = architecture.imports(PACKAGE)
    assert [edge for edge in edges if architecture.room(edge.importer) == half]
    assert [edge for edge in edges if edge.importer.startswith(half) and
            edge.imported.startswith(other)] == []  # fmt: skip


# ---- Examples.

EXAMPLES = {
    name: count
    for folder in ("ooc_train", "benchmarks", "tests")
    for name, count in architecture.examples(REPOSITORY / folder).items()
}


@pytest.mark.parametrize(("name", "n_examples"), EXAMPLES.items())
def test_examples_in_docstrings_run_and_are_true(name, n_examples):
    module = importlib.import_module(name)
    found = sum(len(test.examples) for test in doctest.DocTestFinder().find(module))
    assert found == n_examples, "doctest does not find every example"
    assert doctest.testmod(module).failed == 0


# ---- Each rule, on a small package that breaks it and on one that does not.

SOUND = {
    "__init__.py": '"""A package."""',
    "errors.py": '"""Errors."""\nclass Wrong(Exception):\n    """Something is wrong."""',
    "dtypes.py": """
        '''Array types.'''
        from typing import TypeAlias
        import numpy as np
        import numpy.typing as npt
        I32: TypeAlias = npt.NDArray[np.int32]
        """,
    "file/__init__.py": '"""The file."""',
    "file/arrays.py": """
        '''Arrays.'''
        from toy.errors import Wrong
        class ChunkedArray:
            '''An array in chunks.'''
            def read(self):
                '''All rows.'''
                raise Wrong
        """,
    "conversion/__init__.py": '"""Conversion."""',
    "conversion/convert.py": '"""Convert."""\nfrom toy.file import arrays',
    "training/__init__.py": '"""Training."""',
    "training/train.py": '"""Train."""\nfrom toy.file.arrays import ChunkedArray',
    "cli/__init__.py": '"""Commands."""',
    "cli/train.py": """
        '''The command.'''
        import sys
        from toy.training import train
        print(sys.modules, file=sys.stderr)
        """,
}
TOY_LAYERS = (("errors", "dtypes"), ("file",), ("conversion", "training"), ("__init__",), ("cli",))
TOY_RULES = {
    **RULES,
    "every room has its layer": lambda root: architecture.unplaced_rooms(root, TOY_LAYERS),
    "imports go downwards": lambda root: architecture.imports_against_layers(root, TOY_LAYERS),
}
UNDER_TYPE_CHECKING = """
    '''Arrays.'''
    from typing import TYPE_CHECKING
    if TYPE_CHECKING:
        from toy.training.train import Training
    """
IN_A_FUNCTION = """
    '''Arrays.'''
    def read():
        '''Rows.'''
        import toy.cli.train
    """
BREACHES = [
    ("every room has its layer", "page.py", '"""A new room."""', "page"),
    ("imports go downwards", "file/arrays.py", UNDER_TYPE_CHECKING,
     "file.arrays -> training.train"),
    ("imports go downwards", "file/arrays.py", IN_A_FUNCTION, "file.arrays -> cli.train"),
    ("imports go downwards", "file/arrays.py", '"""A."""\nimport toy', "file.arrays -> __init__"),
    ("imports go downwards", "conversion/convert.py", '"""C."""\nfrom toy.training import train',
     "conversion.convert -> training.train"),
    ("no circles", "errors.py", '"""E."""\ndef f():\n    """F."""\n    from toy import dtypes',
     "dtypes, errors"),
    ("silent below the command line", "file/arrays.py", '"""A."""\nprint("read")',
     "file.arrays uses print"),
    ("silent below the command line", "file/arrays.py", '"""A."""\nimport sys\nsys.modules',
     "file.arrays uses sys.modules"),
    ("silent below the command line", "file/arrays.py", '"""A."""\nfrom sys import stderr',
     "file.arrays uses sys.stderr"),
    ("documented", "errors.py", "class Wrong(Exception): pass", "errors"),
    ("documented", "errors.py", '"""E."""\nclass Wrong(Exception): pass', "errors:Wrong"),
    ("documented", "errors.py", '"""E."""\nclass Wrong:\n    """W."""\n    def say(self): ...',
     "errors:Wrong.say"),
    ("docstrings begin with their subject", "errors.py", '"""What can go wrong."""',
     "errors: What can go wrong."),
    ("docstrings begin with their subject", "errors.py",
     '"""E."""\nclass Wrong:\n    def _say(self):\n        """It speaks."""', "errors: It speaks."),
    ("one class, one name", "errors.py", '"""E."""\nclass ChunkedArray: """C."""', "ChunkedArray"),
    ("array types", "errors.py", '"""E."""\nimport numpy.typing as npt\nInts = npt.NDArray[int]',
     "errors"),
    ("array types", "errors.py", '"""E."""\nfrom numpy.typing import NDArray', "errors"),
    ("one dtype, one alias", "dtypes.py", '"""D."""\nI32: T = N[i32]\nInts: T = N[i32]', "N[i32]"),
    ("one dtype, one alias", "dtypes.py", '"""D."""\nI32: T = N[i32]\nI32: T = N[i64]', "I32"),
    ("words at home", "errors.py", '"""E."""\nclass ChunkError: """C."""', "errors:ChunkError"),
    ("words at home", "errors.py", '"""E."""\ndef n_chunks(): """C."""', "errors:n_chunks"),
    ("libraries at home", "errors.py", '"""E."""\nimport keras.layers', "errors imports keras"),
    ("libraries at home", "errors.py", '"""E."""\nfrom scipy.sparse import csr_matrix',
     "errors imports scipy"),
    ("no vague modules", "file/utils.py", '"""Utilities."""', "file.utils"),
]  # fmt: skip


def package(folder, changes):
    """A package ``toy`` of the sound files and those changed."""
    for name, text in (SOUND | changes).items():
        path = folder / "toy" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text).strip() + "\n")
    return folder / "toy"


@pytest.mark.parametrize("rule", TOY_RULES)
def test_a_sound_package_breaks_no_rule(tmp_path, rule):
    assert TOY_RULES[rule](package(tmp_path, {})) == set()


@pytest.mark.parametrize(("rule", "name", "text", "breach"), BREACHES)
def test_each_rule_can_fail(tmp_path, rule, name, text, breach):
    changes = {name: text}
    if rule == "no circles":
        changes["dtypes.py"] = '"""D."""\nfrom toy.errors import Wrong'
    assert breach in TOY_RULES[rule](package(tmp_path, changes))


def test_every_rule_is_shown_to_fail():
    assert {rule for rule, *_ in BREACHES} == RULES.keys()


@pytest.fixture
def _importable(tmp_path, monkeypatch):
    """The package ``toy`` can be imported, and is forgotten afterwards."""
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for module in [module for module in sys.modules if module.split(".")[0] == "toy"]:
        del sys.modules[module]


@pytest.mark.usefixtures("_importable")
def test_a_false_example_fails(tmp_path):
    text = '"""Sums.\n\n>>> 1 + 1\n3\n"""'
    root = package(tmp_path, {"errors.py": text})
    ((name, n_examples),) = architecture.examples(root).items()
    with pytest.raises(AssertionError):
        test_examples_in_docstrings_run_and_are_true(name, n_examples)


@pytest.mark.usefixtures("_importable")
def test_an_example_that_doctest_does_not_find_fails(tmp_path):
    text = """
        '''Hidden.'''
        class Wrapped:
            def __init__(self, function): pass
        @Wrapped
        def kernel():
            '''Nothing.

            >>> 1 + 1
            2
            '''
        """
    root = package(tmp_path, {"dtypes.py": text})
    ((name, n_examples),) = architecture.examples(root).items()
    with pytest.raises(AssertionError, match="does not find every example"):
        test_examples_in_docstrings_run_and_are_true(name, n_examples)
