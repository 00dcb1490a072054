"""The quickstart's corpus, built from a small installation made up here."""

import ast
import csv
import doctest
import importlib
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

TOOLS = Path(__file__).resolve().parents[2] / "tools"
VOCABULARY = [a + b + c for a in "bdfg" for b in ("al", "en", "ir", "os") for c in "klmn"]


@pytest.fixture(scope="module")
def corpus_tool():
    """The script as a module; on the path, since worker processes import it too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(TOOLS))
        yield importlib.import_module("docstring_corpus")


def paragraph(rng, n_words=15):
    return " ".join(rng.choices(VOCABULARY, k=n_words))


def write_module(path, rng, n_functions):
    path.parent.mkdir(parents=True, exist_ok=True)
    docs = (f'"""{paragraph(rng)}\n\n    {paragraph(rng)}"""' for _ in range(n_functions))
    path.write_text("".join(f"def f{i}():\n    {doc}\n" for i, doc in enumerate(docs)))


@pytest.fixture
def installation(tmp_path):
    """Site-packages with packages of 60, 40, 30 and 6 rows, and a standard library of 50."""
    site, stdlib, rng = tmp_path / "site", tmp_path / "stdlib", random.Random(0)
    write_module(site / "apple" / "__init__.py", rng, 20)
    write_module(site / "apple" / "core" / "seed.py", rng, 10)
    write_module(site / "banana.py", rng, 20)
    write_module(site / "cherry" / "stone.py", rng, 15)
    write_module(site / "tiny" / "small.py", rng, 3)
    write_module(stdlib / "queue.py", rng, 25)
    for left_out in (
        "apple/tests/t.py",
        "apple/_vendor/v.py",
        "_hidden/h.py",
        "x-1.dist-info/m.py",
    ):
        write_module(site / left_out, rng, 100)
    write_module(stdlib / "site-packages" / "other" / "o.py", rng, 100)
    return [site], stdlib


def build(tool, installation, out, **options):
    packages = tool.find_packages(*installation)
    return tool.build_corpus(packages, out, **{"n_classes": 12, "seed": 0, **options})


def read(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return [tuple(row) for row in csv.reader(stream)]


def test_the_examples_in_its_own_docstrings(corpus_tool):
    results = doctest.testmod(corpus_tool)
    assert results.attempted >= 3
    assert results.failed == 0


def test_packages_with_enough_rows_become_classes(corpus_tool, installation, tmp_path):
    n_rows = build(corpus_tool, installation, tmp_path)
    assert {label: sum(rows) for label, rows in n_rows.items()} == {
        "apple": 60,
        "banana": 40,
        "cherry": 30,
        "python": 50,
    }
    assert (tmp_path / "classes.txt").read_text() == "apple\nbanana\ncherry\npython\n"


def test_the_largest_packages_are_chosen(corpus_tool, installation, tmp_path):
    assert list(build(corpus_tool, installation, tmp_path, n_classes=2)) == ["apple", "python"]


def test_rows_are_as_the_returned_counts_say(corpus_tool, installation, tmp_path):
    n_rows = build(corpus_tool, installation, tmp_path)
    for column, name in enumerate(("train.csv", "test.csv")):
        indices = [row[0] for row in read(tmp_path / name)]
        assert [indices.count(str(k)) for k in range(1, 5)] == [v[column] for v in n_rows.values()]


def test_a_tenth_of_every_class_is_held_out(corpus_tool, installation, tmp_path):
    # Whole docstrings of two pieces each, so an odd tenth is rounded up.
    n_rows = build(corpus_tool, installation, tmp_path)
    assert [test for _, test in n_rows.values()] == [6, 4, 4, 6]


def test_no_docstring_is_in_both_splits(corpus_tool, installation, tmp_path):
    build(corpus_tool, installation, tmp_path)
    train, test = read(tmp_path / "train.csv"), read(tmp_path / "test.csv")
    assert not {body for _, _, body in train} & {body for _, _, body in test}
    # The packages' function names are unique within a file, and banana is one file.
    assert not {row[1] for row in train if row[0] == "2"} & {
        row[1] for row in test if row[0] == "2"
    }


def test_titles_are_bare_names(corpus_tool, installation, tmp_path):
    build(corpus_tool, installation, tmp_path)
    assert all(title.startswith("f") for _, title, _ in read(tmp_path / "train.csv"))


def test_same_installation_and_seed_same_bytes(corpus_tool, installation, tmp_path):
    for out, seed, n_processes in (("a", 1, 1), ("b", 1, 2), ("c", 2, 1)):
        build(corpus_tool, installation, tmp_path / out, seed=seed, n_processes=n_processes)
    for name in ("train.csv", "test.csv", "classes.txt"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert (tmp_path / "a/test.csv").read_bytes() != (tmp_path / "c/test.csv").read_bytes()


def test_every_field_is_quoted_and_a_row_is_a_line(corpus_tool, tmp_path):
    path = tmp_path / "rows.csv"
    corpus_tool.write_rows(path, [(1, "f", 'say "hi",\nthen go'), (2, "", "ü")])
    assert path.read_bytes().decode() == '"1","f","say ""hi"",\\nthen go"\n"2","","ü"\n'
    assert list(tmp_path.iterdir()) == [path]


def test_a_repeated_text_counts_once_and_a_shared_one_never(corpus_tool):
    def docstrings(*texts):
        return [corpus_tool.Docstring("f", (text,)) for text in texts]

    corpus = {"a": docstrings("One  Text", "one\ntext", "Shared"), "b": docstrings("shared", "own")}
    kept = corpus_tool.without_repeats(corpus)
    assert kept == {"a": docstrings("One  Text"), "b": docstrings("own")}


def test_a_large_class_is_capped(corpus_tool, installation, tmp_path, monkeypatch):
    monkeypatch.setattr(corpus_tool, "MAX_ROWS_PER_CLASS", 40)
    n_rows = build(corpus_tool, installation, tmp_path)
    assert [sum(rows) for rows in n_rows.values()] == [40, 40, 30, 40]


def test_a_module_docstring_has_no_title(corpus_tool, tmp_path):
    path = tmp_path / "apple.py"
    path.write_text(f'"""{paragraph(random.Random(0))}"""\n')
    assert [docstring.title for docstring in corpus_tool.read_docstrings(path)] == [""]


def test_every_docstring_of_a_module_is_found(corpus_tool):
    # The standard library's ast.walk, which visits every node, is the oracle.
    path = Path(ast.__file__).parent / "subprocess.py"
    owners = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(ast.parse(path.read_bytes())) if isinstance(node, owners)]
    titles = [
        getattr(node, "name", "")
        for node in nodes
        if corpus_tool.split_pieces(ast.get_docstring(node) or "")
    ]
    found = [docstring.title for docstring in corpus_tool.read_docstrings(path)]
    assert sorted(found) == sorted(titles)


BLOCKS = """
try:
    def a(): "{0}"
except OSError:
    def b(): "{0}"
else:
    async def c(): "{0}"
finally:
    class D:
        class E: "{0}"
match 1:
    case 1:
        with x:
            def f(): "{0}"
for _ in x:
    pass
else:
    if x:
        pass
    elif x:
        def g(): "{0}"
"""


def test_docstrings_inside_blocks_are_found(corpus_tool, tmp_path):
    path = tmp_path / "blocks.py"
    path.write_text(BLOCKS.format(paragraph(random.Random(0))))
    found = {docstring.title for docstring in corpus_tool.read_docstrings(path)}
    assert found == set("abcEfg")


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(b"def f(:\n", id="syntax"),
        pytest.param(b"x = 1\x00\n", id="NUL"),
        pytest.param(b"# coding: no-such\n", id="unknown encoding"),
        pytest.param(b"\xff\n", id="not UTF-8"),
        pytest.param(b"x = 1" + b" + 1" * 50_000, id="a deep tree"),
        pytest.param(b"x = " + b"-" * 50_000 + b"1", id="deeper than the parser"),
    ],
)
def test_what_is_no_python_has_no_docstrings(corpus_tool, tmp_path, source):
    path = tmp_path / "broken.py"
    path.write_bytes(source)
    assert corpus_tool.read_docstrings(path) == []


def test_a_long_paragraph_is_cut_at_a_line_end(corpus_tool):
    line = " ".join(["word"] * 30)
    assert corpus_tool.split_pieces("\n".join([line] * 4)) == ["\n".join([line] * 3), line]


def test_an_invalid_escape_in_a_source_does_not_warn(corpus_tool, tmp_path):
    path = tmp_path / "escape.py"
    path.write_text(f'"""{paragraph(random.Random(0))} \\d"""\n')
    assert len(corpus_tool.read_docstrings(path)) == 1


def test_an_installation_with_one_package_is_refused(corpus_tool, installation, tmp_path):
    with pytest.raises(ValueError, match="found 1 packages with 20 rows or more, but a corpus"):
        corpus_tool.build_corpus(
            corpus_tool.find_packages([], installation[1]), tmp_path / "out", n_classes=12, seed=0
        )
    assert not (tmp_path / "out").exists()


def test_a_failure_is_one_sentence(corpus_tool, installation, tmp_path, monkeypatch, capsys):
    packages = corpus_tool.find_packages(*installation)
    monkeypatch.setattr(corpus_tool, "installed_packages", lambda: packages)
    (tmp_path / "file").write_text("")
    assert corpus_tool.main([str(tmp_path / "file" / "out")]) == 1
    assert capsys.readouterr().err.startswith("docstring_corpus: ")


def test_the_command_prints_rows_by_class(corpus_tool, installation, tmp_path, monkeypatch, capsys):
    packages = corpus_tool.find_packages(*installation)
    monkeypatch.setattr(corpus_tool, "installed_packages", lambda: packages)
    assert corpus_tool.main([str(tmp_path / "out"), "--classes", "3"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert [line.split() for line in printed[:-1]] == [
        ["class", "train", "test"],
        ["apple", "54", "6"],
        ["banana", "36", "4"],
        ["python", "44", "6"],
        ["rows", "134", "16"],
    ]
    assert printed[-1].startswith("0.0 MB in ")


def test_a_single_class_is_a_wrong_command_line(corpus_tool, capsys):
    with pytest.raises(SystemExit, match="2"):
        corpus_tool.main(["out", "--classes", "1"])
    assert "at least two classes" in capsys.readouterr().err


def test_this_installation_has_packages(corpus_tool):
    packages = corpus_tool.installed_packages()
    assert {"python", "numpy", "pip"} <= packages.keys()
    assert all(path.suffix == ".py" for paths in packages.values() for path in paths)


@given(st.lists(st.sampled_from([*VOCABULARY, "\n", "\n\n", "12"])))
def test_pieces_hold_the_words_in_order(corpus_tool, tokens):
    text = " ".join(tokens)
    pieces = corpus_tool.split_pieces(text)
    words = " ".join(pieces).split()
    assert words == text.split()[: len(words)]
    assert all(sum(word.isalpha() for word in piece.split()) >= 10 for piece in pieces)
    rest = text.split()[len(words) :]
    assert sum(word.isalpha() for word in rest) < 80
