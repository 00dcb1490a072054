"""Options as TOML, as ``--config`` reads them: a table for a command, a key for each option."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from numbers import Integral, Real
from typing import Any

from ooc_train.options import Option
from ooc_train.remote.url import is_url, located

OF_THIS_CALL = ("config", "save_config", "force", "resume", "report", "quiet", "debug")
"""Options that a saved file leaves out: another call needs none of them, or others."""


def key_of(option: Option) -> str:
    """The key of an option in a file: its flag, or its name."""
    is_named = option.positional or (option.is_switch and option.default)
    return option.name.replace("_", "-") if is_named else option.flag.removeprefix("--")


def options_text(
    command: str,
    options: Sequence[Option],
    given: Mapping[str, Any],
    *,
    files: Mapping[str, Any] | None = None,
) -> str:
    """The file that repeats a command: what was ``given``, and the defaults as comments.

    ``given`` are values, or texts of a command line, by the options' names, and ``files`` those
    that no option names.  What no file can hold, such as a function, is a comment that says so.
    URLs lack their credentials and queries.
    """
    lines = [f"# ooc-{command} --config THIS_FILE repeats this; the command line wins over it."]
    lines += [f"# Not repeated: {name} is an object of a program." for name in _objects(given)]
    lines.append(f"[{command}]")
    lines += [f"{key} = {_quoted(_told(value))}" for key, value in (files or {}).items()]
    return "\n".join([*lines, *_lines(options, given), ""])


def _objects(given: Mapping[str, Any]) -> list[str]:
    return [name for name, value in given.items() if not _is_plain(value)]


def _is_plain(value: Any) -> bool:
    """Whether TOML can hold a value."""
    if isinstance(value, Mapping):
        return all(map(_is_plain, value.values()))
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return isinstance(value, bool | Real | str | os.PathLike)


def _lines(options: Sequence[Option], given: Mapping[str, Any]) -> Iterator[str]:
    for option in options:
        if option.name in OF_THIS_CALL or not option.on_command_line:
            continue
        if option.name in given and _is_plain(given[option.name]):
            yield f"{key_of(option)} = {_toml(option, given[option.name])}"
        elif option.default_text:
            yield f"# {key_of(option)}: {option.default_text}"


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
    if isinstance(value, Real):
        return repr(int(value) if isinstance(value, Integral) else float(value))
    is_number = option.parse is None and {int, float} & set(option.types)
    return str(option.parsed(value)) if is_number else _quoted(_told(value))


def _told(value: str | os.PathLike[str]) -> str:
    return str(located(value)) if is_url(value) else str(value)


def _quoted(text: str) -> str:
    """Text as TOML has it: as JSON, but for one character that may not stand there."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
