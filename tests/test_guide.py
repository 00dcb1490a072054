"""README and guide: their examples run, their commands parse, their links lead somewhere."""

import importlib
import importlib.util
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from ooc_train.cli import reference
from ooc_train.errors import OptionError
from tests.corpora import random_rows, write_rows

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
GUIDE = ROOT / "ooc_train/guide"
PAGES = [README, *sorted(GUIDE.glob("*.md"))]
MAINTAINERS = [
    ROOT / name
    for name in ("ooc_train/README.md", "benchmarks/README.md", "tests/README.md", "CHANGELOG.md")
]
COMMANDS = {command.name: command for command in reference.COMMANDS}
PYTHON = [README, GUIDE / "python.md", GUIDE / "models.md"]
"""The pages with Python in them, in the order in which it runs."""
README_LINES = 200


def named(pages):
    return pytest.mark.parametrize(
        "page", pages, ids=[str(page.relative_to(ROOT)) for page in pages]
    )


def blocks(page, *languages):
    """The text of the fenced blocks in these languages."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    return [text for language, text in found if language in languages]


# Python


def test_all_python_is_in_the_pages_that_run():
    assert [page for page in PAGES if blocks(page, "python")] == sorted(PYTHON, key=PAGES.index)


@pytest.mark.slow
def test_the_python_examples_run(tmp_path):
    """In a process of its own: the budget that they give is for the whole process."""
    examples = [block for page in PYTHON for block in blocks(page, "python")]
    assert len(examples) == 11
    if not importlib.util.find_spec("torch"):
        examples = [block for block in examples if "import torch" not in block]
    examples[1] = examples[1].replace('"reviews.h5"', '"again.h5"').replace("runs/reviews", "again")
    own_model = 'print(lstm(DataShape("sequence", 9, 5, 3, 0)).output_shape)'
    write_rows(tmp_path / "train.csv", random_rows(400))
    write_rows(tmp_path / "test.csv", random_rows(50, seed=1))
    (tmp_path / "examples.py").write_text(
        "\n".join([*examples, own_model, "print(model.count_params())"])
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "examples.py"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    accuracy, label, *_, shape, n_parameters = done.stdout.splitlines()
    assert 0 < float(accuracy) <= 1
    assert label in {"['1']", "['2']", "['3']"}
    assert shape == "(None, 3)"
    assert int(n_parameters) > 0
    assert (tmp_path / "runs/reviews/model.keras").is_file()


# The shell


def command_lines(text):
    """The calls of this package's commands in a block of shell, as lists of arguments."""
    text = text.replace("\\\n", " ")
    for line in text.splitlines():
        words = shlex.split(line.removeprefix("$ "), comments=True)
        for start, word in enumerate(words):
            if word in COMMANDS:
                call = words[start:]
                stop = next(
                    (at for at, one in enumerate(call) if one in {"|", "&&", "<", ">"}), None
                )
                yield call[:stop]


def check_call(call):
    """Raise OptionError if a command would refuse its command line."""
    command = COMMANDS[call[0]]
    given = command.given(call[1:])
    for declared in command.declared:
        given.made(declared)


def calls_of(page):
    """The calls in a page's blocks of shell, and those within its sentences that are whole."""
    text = page.read_text("utf-8")
    shell = blocks(page, "sh", "console")
    inline = [" ".join(one.split()) for one in re.findall(r"`(ooc-\w+ [^`]+)`", text)]
    return list(command_lines("\n".join([*shell, *(one for one in inline if " -o " in one)])))


@named(PAGES)
def test_every_command_parses(page):
    for call in calls_of(page):
        check_call(call)


def test_the_commands_are_found():
    assert len(calls_of(README)) >= 8
    assert sum(len(calls_of(page)) for page in PAGES) > 20
    (call,) = command_lines("FOO=1 ooc-convert a.csv \\\n  -o b.h5 --sedd 3  # a comment\n")
    assert call == ["ooc-convert", "a.csv", "-o", "b.h5", "--sedd", "3"]
    with pytest.raises(OptionError, match="did you mean --seed"):
        check_call(call)


@named(PAGES)
def test_every_option_exists(page):
    known = {flag for one in COMMANDS.values() for flag in one.parser()._option_string_actions}
    known |= {"--fast", "--lowest", "--logdir"}  # of tools/test and TensorBoard
    text = page.read_text("utf-8")
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.M))
    options = {one for span in spans for one in re.findall(r"(?<!\S)--[a-z][a-z-]+", span)}
    assert options - known == set()


@pytest.mark.slow
def test_the_thirty_seconds_run(tmp_path):
    """README's first commands, word for word, each in a process of its own.

    This one may have grown beyond the 512 MB that they name.
    """
    text = README.read_text("utf-8")
    section = text[text.index("## Thirty seconds in the shell") :]
    first = re.search(r"```sh\n(.*?)```", section, re.DOTALL)[1]
    write_rows(tmp_path / "train.csv", random_rows(400))
    write_rows(tmp_path / "test.csv", random_rows(50, seed=1))
    for name, *arguments in command_lines(first):
        done = subprocess.run(
            [sys.executable, "-m", f"ooc_train.cli.{name.removeprefix('ooc-')}", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            input="A charming film\n",
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert "label" in done.stdout.splitlines()[-2]


# Text


def test_the_readme_is_short():
    assert len(README.read_text("utf-8").splitlines()) <= README_LINES


@named([page for page in PAGES if page != README])
def test_every_page_is_installed_and_linked_to(page):
    assert f"](ooc_train/guide/{page.name}" in README.read_text("utf-8")
    assert '"guide/*.md"' in (ROOT / "pyproject.toml").read_text("utf-8")


def anchors(page):
    """The anchors of a page's headings, as Markdown viewers make them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}


def broken_links(page, text=None):
    """The relative links of a page that lead nowhere."""
    text = page.read_text("utf-8") if text is None else text
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```", "", text, flags=re.DOTALL)):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        path = page.parent / name if name else page
        if not path.exists() or (anchor and anchor not in anchors(path)):
            yield target
        elif page.parent == GUIDE and path.resolve().parent != GUIDE:
            yield f"{target}, which is not installed"


@named([*PAGES, *MAINTAINERS])
def test_links_lead_somewhere(page):
    assert list(broken_links(page)) == []


def test_a_broken_link_is_found():
    text = "[a](nowhere.md) [b](training.md#nowhere) [c](#ten-words) [d](training.md#resuming)"
    page = GUIDE / "glossary.md"
    assert list(broken_links(page, text)) == ["nowhere.md", "training.md#nowhere"]
    assert list(broken_links(page, "[e](../cli/bars.py)")) == [
        "../cli/bars.py, which is not installed"
    ]


def test_the_architecture_names_files_that_exist():
    package = ROOT / "ooc_train"
    text = (package / "README.md").read_text("utf-8")
    files = set(re.findall(r"`([\w/.]+\.py|[\w/]+/)`", text))
    paths = [path for root in (package, ROOT / "tests") for path in root.rglob("*")]
    known = [f"/{path.relative_to(ROOT)}{'/' * path.is_dir()}" for path in paths]
    missing = {name for name in files if not any(path.endswith(f"/{name}") for path in known)}
    assert len(files) > 20
    assert missing == set()
