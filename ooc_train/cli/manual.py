"""Pages for ``man``, made from the declared options.

``python -m ooc_train.cli.manual FOLDER`` writes one for each command into a folder such as
``~/.local/share/man/man1``.
"""

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from ooc_train.cli.command import Command
from ooc_train.cli.names import COMMANDS
from ooc_train.cli.reference import COMMANDS as DECLARED


def manual_page(command: Command) -> str:
    """The page of a command for ``man``, in roff."""
    parser = command.parser()
    name = command.name
    purpose = COMMANDS[name.removeprefix("ooc-")]
    lines = [
        f".TH {name.upper()} 1",
        ".SH NAME",
        _roff(f"{name} - {purpose}"),
        ".SH SYNOPSIS",
        _roff(" ".join(parser.format_usage().split()).removeprefix("usage: ")),
        ".SH DESCRIPTION",
        *_paragraphs(parser.description or ""),
    ]
    for group, options in command.groups():
        lines.append(f'.SH "{_roff(group.upper())}"')
        for option in options:
            value = "" if option.is_switch or not option.placeholder else f" {option.placeholder}"
            spelled = ", ".join(option.flags) or option.name
            default = f" Default: {option.default_text}." if option.default_text else ""
            lines += [".TP", f"\\fB{_roff(spelled)}\\fR{_roff(value)}"]
            lines.append(_roff(f"{option.help}.{default}"))
    lines += [".SH EXAMPLES", ".nf", *map(_roff, command.example.splitlines()), ".fi"]
    return "\n".join([*lines, ""])


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in text.split("\n\n"):
        yield from (".PP", _roff(" ".join(paragraph.split())))


def _roff(text: str) -> str:
    """Text as roff shows it: no character of it is a command."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", escaped)


def main(arguments: Sequence[str]) -> int:
    """Write the pages into the folder that is named; the exit status."""
    (folder,) = map(Path, arguments)
    folder.mkdir(parents=True, exist_ok=True)
    for command in DECLARED:
        (folder / f"{command.name}.1").write_text(manual_page(command), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
