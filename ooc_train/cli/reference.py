"""The tables of all options in the guide, made from their declarations.

``python -m ooc_train.cli.reference`` writes them between the two marks of ``guide/options.md``, and
what type checkers know of the same options, see `stub`.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from ooc_train.cli import convert, evaluate, inspect, predict, stub, train
from ooc_train.cli.command import Command, SharedOptions
from ooc_train.options import Option, declarations

COMMANDS = [one.COMMAND for one in (convert, train, evaluate, predict, inspect)]
BEGIN = "<!-- options: written by python -m ooc_train.cli.reference -->"
END = "<!-- end of options -->"
PAGE = Path(__file__).parents[1] / "guide/options.md"


def reference() -> str:
    """The options of every command, as Markdown."""
    return "\n".join([*_lines(COMMANDS), ""])


def written_into(text: str) -> str:
    """``text`` with the tables between its marks as they have to be.

    Raises ValueError if the marks are not there, once each and in order.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end) or text.count(BEGIN) > 1 or text.count(END) > 1:
        raise ValueError(f"the text must have the lines {BEGIN} and {END}, once each")
    return f"{before}{BEGIN}\n{reference()}{END}{after}"


def main(arguments: Sequence[str]) -> int:
    """Write the tables into the files that are named, or else all of the guide; the exit status."""
    if not arguments:
        stub.main()
    for path in [Path(name) for name in arguments] or [PAGE]:
        path.write_text(written_into(path.read_text("utf-8")), "utf-8")
    return 0


def _lines(commands: Sequence[Command]) -> Iterator[str]:
    for command in commands:
        own = [one for one in command.declared if one is not SharedOptions]
        yield from _table(f"`{command.name}`", own)
    yield from _table("all commands", [SharedOptions])


def _table(title: str, declared: Sequence[type]) -> Iterator[str]:
    yield from ("", f"| {title} | default | what it does |", "|---|---|---|")
    for one in declared:
        for option in declarations(one):
            if option.on_command_line:
                yield _row(option)


def _row(option: Option) -> str:
    value = "" if option.is_switch or not option.placeholder else f" {option.placeholder}"
    value += " ..." if option.takes_many else ""
    spelled = f"`{', '.join(option.flags) or option.name}{value}`"
    default = "required" if option.is_required else option.default_text
    cells = [cell.replace("|", "\\|") for cell in (spelled, default, option.help)]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
