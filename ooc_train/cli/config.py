"""Options in a file: ``--config FILE.toml``, with a table for each command.

Keys are the options as the command line spells them, without their dashes in front, or the names of
files as ``--help`` shows them; values are text as on the command line, numbers, ``true`` and
``false``, and lists.  Paths are relative to the current folder, as on a command line.

    [train]
    data = "reviews.h5"
    learning-rate = 1e-3
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ooc_train.atomic import output_file
from ooc_train.cli.names import COMMANDS
from ooc_train.errors import InputError, OptionError
from ooc_train.options import Option
from ooc_train.suggestions import did_you_mean
from ooc_train.system_errors import reason
from ooc_train.toml_text import key_of

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def read_config(path: Path, command: str, options: Sequence[Option]) -> dict[str, Any]:
    """The options of a command in a file, by their names, as values.

    Raises InputError if the file cannot be read, and OptionError, with what may have been meant,
    for what is no command, no option, or no value that the option may have.
    """
    table = _table(path, command)
    known = {key_of(option): option for option in options if option.name != "config"}
    by_name = {name: option for option in known.values() for name in (option.name, key_of(option))}
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


def write_config(path: Path, text: str, *, force: bool) -> None:
    """Write the file, whole or not at all.  Raises OutputError."""
    with output_file(path, "the file of options", force=force) as part:
        part.write_text(text, "utf-8")
