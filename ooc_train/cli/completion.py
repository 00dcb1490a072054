"""Scripts that let a shell complete the commands, made from the declared options.

``ooc completion bash``, ``zsh`` or ``fish`` prints one; the guide says where it belongs.
"""

import shlex
from collections.abc import Callable, Iterator

from ooc_train.cli.command import Command
from ooc_train.cli.names import COMMANDS
from ooc_train.cli.options import of_commands
from ooc_train.cli.reference import COMMANDS as DECLARED
from ooc_train.options import Option

_BASH = """\
_ooc_train() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}}
    local command=${{COMP_WORDS[0]##*/}} options=
    if [[ $command == ooc ]]; then
        if ((COMP_CWORD == 1)); then
            COMPREPLY=($(compgen -W "{commands}" -- "$current"))
            return
        fi
        command=ooc-${{COMP_WORDS[1]}}
    fi
    case $command in
{cases}
    esac
    case $command:$before in
{choices}
    esac
    if [[ $current == -* ]]; then
        COMPREPLY=($(compgen -W "$options" -- "$current"))
    else
        COMPREPLY=($(compgen -f -- "$current"))
    fi
}}
complete -o filenames -F _ooc_train ooc {names}
"""


def bash() -> str:
    """The script for Bash."""
    cases, choices = [], []
    for command in DECLARED:
        flags = " ".join([*_flags(command), "--help", "--version"])
        cases.append(f'        {command.name}) options="{flags}" ;;')
        for option in of_commands(command.declared):
            if option.choices:
                where = "|".join(f"{command.name}:{flag}" for flag in option.flags)
                words = f'$(compgen -W "{" ".join(option.choices)}" -- "$current")'
                choices.append(f"        {where}) COMPREPLY=({words}); return ;;")
    return _BASH.format(
        commands=" ".join(COMMANDS),
        cases="\n".join(cases),
        choices="\n".join(choices),
        names=" ".join(command.name for command in DECLARED),
    )


def zsh() -> str:
    """The script for Zsh, which understands that for Bash."""
    return f"autoload -U +X compinit bashcompinit && compinit && bashcompinit\n{bash()}"


def fish() -> str:
    """The script for fish, where options have their help beside them."""
    lines = []
    for name, purpose in COMMANDS.items():
        where = "not __fish_seen_subcommand_from " + " ".join(COMMANDS)
        lines.append(_line("ooc", n=where, a=name, d=purpose))
    for command in DECLARED:
        within = f"__fish_seen_subcommand_from {command.name.removeprefix('ooc-')}"
        for option in of_commands(command.declared):
            if option.flags:
                details = _fish_option(option)
                lines += [_line(command.name, **details), _line("ooc", n=within, **details)]
    return "\n".join([*lines, ""])


def _fish_option(option: Option) -> dict[str, str]:
    details = {"s" if len(flag) == 2 else "l": flag.lstrip("-") for flag in option.flags}
    details["d"] = option.help
    if option.choices:
        details["xa"] = " ".join(option.choices)
    elif not option.is_switch:
        details["r"] = ""
    return details


def _line(command: str, **details: str) -> str:
    given = [
        f"-{key} {shlex.quote(value)}" if value else f"-{key}" for key, value in details.items()
    ]
    return " ".join(["complete -c", command, *given])


def _flags(command: Command) -> Iterator[str]:
    for option in of_commands(command.declared):
        yield from option.flags


SHELLS: dict[str, Callable[[], str]] = {"bash": bash, "zsh": zsh, "fish": fish}
