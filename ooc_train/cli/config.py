"""Options in a file: ``--config FILE.toml``, with a table for each command.

Keys are the options as the command line spells them, without their dashes in front, or the names of
files as ``--help`` shows them; values are text as on the command line, numbers, ``true`` and
``false``, and lists.  Paths are relative to the current folder, as on a command line.

    [train]
    data = "reviews.h5"
    learning-rate = 1e-3
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ooc_train.atomic import output_file
from ooc_train.cli.names import COMMANDS
from ooc_train.errors import InputError, OptionError
from ooc_train.options import Option
from ooc_train.suggestions import did_you_mean
from ooc_train.system_errors import reason

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

OF_THIS_CALL = ("config", "save_config", "force", "resume", "report", "quiet", "debug")
"""Options that a saved file leaves out: another call needs none of them, or others."""


def read_config(path: Path, command: str, options: Sequence[Option]) -> dict[str, Any]:
    """The options of a command in a file, by their names, as values.

    Raises InputError if the file cannot be read, and OptionError, with what may have been meant,
    for what is no command, no option, or no value that the option may have.
    """
    table = _table(path, command)
    known = {_key(option): option for option in options if option.name != "config"}
    by_name = {name: option for option in known.values() for name in (option.name, _key(option))}
    values: dict[str, Any] = {}
    for key, value in table.items():
        option = by_name.get(key.replace("-", "_")) or known.get(key)
        if option is None:
            raise OptionError(
                f"{path}: [{command}] has the option {key!r}, which there is not"
                f"{did_you_mean(key, known) or f'; ooc-{command} --help lists the options'}"
            )
        if option.name in values:
            raise OptionError(f"{path}: [{command}] has the option {key!r} twice")
        try:
            values[option.name] = _value(option, value)
        except OptionError as error:
            raise OptionError(f"{path}: [{command}] {error}") from None
    return values


def _table(path: Path, command: str) -> dict[str, Any]:
    """The command's table in a file."""
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(f"{path}: {reason(error)}") from error
    except ValueError as error:
        raise InputError(f"{path} is not a TOML file: {error}") from error
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise OptionError(
                f"{path}: {name!r} stands in no table; put options below the name of their "
                f"command, such as [{command}]"
            )
        if name not in COMMANDS:
            hint = did_you_mean(name, COMMANDS) or f"; there are {', '.join(COMMANDS)}"
            raise OptionError(f"{path}: there is no command {name!r}{hint}")
    if command not in tables:
        raise OptionError(
            f"{path} has no table [{command}]; put the options of ooc-{command} there"
        )
    found: dict[str, Any] = tables[command]
    return found


def _key(option: Option) -> str:
    """The key of an option in a file: its flag, or its name."""
    is_named = option.positional or (option.is_switch and option.default)
    return option.name.replace("_", "-") if is_named else option.flag.removeprefix("--")


def _value(option: Option, value: Any) -> Any:
    """The value that an option has in a file, as a command line would give it."""
    if option.is_switch:
        if not isinstance(value, bool):
            raise option.error("true or false", value)
        return value
    if option.takes_many:
        many = value if isinstance(value, list) else [value]
        return [option.parsed(str(one)) for one in many]
    return option.parsed(value) if isinstance(value, str) else option.settled(value)


# ---- Writing.


def config_text(command: str, options: Sequence[Option], given: Mapping[str, Any]) -> str:
    """The file that repeats a command: what was ``given``, and the defaults as comments.

    ``given`` are texts of a command line by the options' names; of switches, their values.
    """
    lines = [f"# ooc-{command} --config THIS_FILE repeats this; the command line wins over it."]
    return "\n".join([*lines, f"[{command}]", *_lines(options, given), ""])


def _lines(options: Sequence[Option], given: Mapping[str, Any]) -> Iterator[str]:
    for option in options:
        if option.name in OF_THIS_CALL:
            continue
        if option.name in given:
            yield f"{_key(option)} = {_toml(option, given[option.name])}"
        elif option.default_text:
            yield f"# {_key(option)}: {option.default_text}"


def _toml(option: Option, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_toml(option, one) for one in value)}]"
    if isinstance(value, Mapping):
        inner = ", ".join(
            f"{_quoted(str(key))} = {_toml(option, one)}" for key, one in value.items()
        )
        return f"{{{inner}}}"
    if isinstance(value, int | float):
        return repr(value)
    is_number = option.parse is None and {int, float} & set(option.types)
    return str(option.parsed(value)) if is_number else _quoted(str(value))


def _quoted(text: str) -> str:
    """Text as TOML has it: as JSON, but for one character that may not stand there."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def write_config(path: Path, text: str, *, force: bool) -> None:
    """Write the file, whole or not at all.  Raises OutputError."""
    with output_file(path, "the file of options", force=force) as part:
        part.write_text(text, "utf-8")
