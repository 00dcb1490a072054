"""Help, completion and pages of the manual, which are made from the declared options."""

import re
import shutil
import subprocess
import sys

import pytest

from ooc_train.cli import entry
from ooc_train.cli.command import FILES, MOST_USED
from ooc_train.cli.completion import SHELLS, bash
from ooc_train.cli.manual import _roff, main
from ooc_train.cli.options import of_commands
from ooc_train.cli.reference import COMMANDS

named = pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)


@named
def test_every_option_stands_in_one_group(command):
    names = [option.name for _, options in command.groups() for option in options]
    assert sorted(names) == sorted(option.name for option in of_commands(command.declared))
    assert len(names) == len(set(names))


@pytest.mark.parametrize("command", COMMANDS[:2] + COMMANDS[3:4], ids=lambda one: one.name)
def test_five_options_come_first(command):
    (files, _), (most_used, options), *_ = command.groups()
    assert (files, most_used) == (FILES, MOST_USED)
    assert len(options) == 5
    text = command.parser().format_help()
    assert text.index("--output") < text.index("--help")
    assert len(command.parser().format_usage().splitlines()) == 1


def completed(line):
    """What Bash offers at the end of a command line."""
    *words, current = line.split(" ")
    script = (
        f"{bash()}\nCOMP_WORDS=({' '.join([*words, repr(current)])})\n"
        f'COMP_CWORD={len(words)}\n_ooc_train\nprintf "%s\\n" "${{COMPREPLY[@]}}"'
    )
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert not done.stderr
    return done.stdout.split()


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no Bash")
def test_bash_completes_commands_options_values_and_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reviews.h5").touch()
    assert completed("ooc tr") == ["train"]
    assert completed("ooc-train --learn") == ["--learning-rate"]
    assert completed("ooc train --learn") == ["--learning-rate"]
    assert completed("ooc-convert a.csv --features ngr") == ["ngram"]
    assert completed("ooc evaluate --split val") == ["validation"]
    assert completed("ooc-train rev") == ["reviews.h5"]


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_has_a_script_with_every_option(shell, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["ooc", "completion", shell])
    assert entry.ooc() == 0
    script = capsys.readouterr().out
    for command in COMMANDS:
        for option in of_commands(command.declared):
            for flag in option.flags:
                assert flag.lstrip("-") in script
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=script, text=True, check=True)


def test_an_unknown_shell_is_said(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["ooc", "completion"])
    assert entry.ooc() == 2
    assert capsys.readouterr().err == "ooc: name a shell: ooc completion bash|zsh|fish\n"


def test_pages_of_the_manual_have_every_option(tmp_path):
    assert main([str(tmp_path / "man1")]) == 0
    for command in COMMANDS:
        page = (tmp_path / "man1" / f"{command.name}.1").read_text("utf-8")
        for option in of_commands(command.declared):
            for flag in option.flags:
                assert _roff(flag) in page
        requests = {line.split()[0] for line in page.splitlines() if re.match(r"[.']", line)}
        assert requests <= {".TH", ".SH", ".PP", ".TP", ".nf", ".fi"}


def test_no_text_is_a_command_of_roff():
    assert _roff(".x") == r"\&.x"
    assert _roff("'x -a \\") == r"\&'x \-a \e"
