"""The parser of a command line, and what it says where that is wrong."""

import argparse
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from ooc_train.cli import streams
from ooc_train.cli.streams import show, tell
from ooc_train.errors import OptionError
from ooc_train.options import Option
from ooc_train.suggestions import closest

_LIKE_AN_OPTION = re.compile("--?[A-Za-z]")
_NUMBER = re.compile(r"\d+(\.\d+)?")
_UNIT = re.compile("[A-Za-z]{1,3}")


class CommandLine(argparse.ArgumentParser):
    """Prints by `streams`: a wrong argument may be the name of any file.

    What is wrong is an OptionError of one sentence, without the usage text.
    """

    def check_options(self, given: Sequence[str]) -> None:
        """Raise OptionError for an option that does not exist, or that may be several.

        argparse would first complain of what is missing because of it.
        """
        known = self._option_string_actions
        for text in given:
            name = text.partition("=")[0]
            if name not in known and _LIKE_AN_OPTION.match(name):
                _check_name(name, known)

    def error(self, message: str) -> NoReturn:
        """Raise OptionError for what argparse finds wrong."""
        raise OptionError(f"{message}; {self.prog} --help shows how it is called")

    def _print_message(self, message: str, file: Any = None) -> None:
        (show if file is sys.stdout else tell)(*message.splitlines())

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """End the process, after what was shown is written."""
        streams.check_shown()
        super().exit(status, message)


def _check_name(name: str, known: Iterable[str]) -> None:
    """Raise OptionError unless argparse finds the one option that ``name`` is the beginning of."""
    is_long = name.startswith("--")
    alike = [one for one in known if one.startswith(name if is_long else f"-{name}")]
    if is_long and len(alike) == 1:
        return
    if not is_long and not alike and name[:2] in known:  # a value without a space, as in -oFILE
        return
    found = meant_by(name, known)
    hint = f"did you mean {found}?" if found else "--help lists the options"
    if not alike:
        raise OptionError(f"there is no option {name}; {hint}")
    if len(alike) == 1:
        raise OptionError(f"there is no option {name}; did you mean {alike[0]}?")
    may_be = f"{', '.join(alike[:-1])} or {alike[-1]}"
    hint = hint if found and found not in alike else "write more of it"
    raise OptionError(f"{name} may be {may_be}; {hint}")


def meant_by(name: str, known: Iterable[str]) -> str | None:
    """The option that was meant by a name that there is not, if one is near enough.

    It is the one with these initials, the one with this word in it, or one that is spelled alike.

    >>> known = ["--learning-rate", "--lr-factor", "--epochs", "-o"]
    >>> meant_by("--lr", known), meant_by("--rate", known), meant_by("-epoch", known)
    ('--learning-rate', '--learning-rate', '--epochs')
    """
    bare = {one.lstrip("-"): one for one in known if one.startswith("--")}
    wanted = name.lstrip("-").lower()
    words = {one: one.split("-") for one in bare}
    by_initials = [one for one in bare if "".join(word[:1] for word in words[one]) == wanted]
    by_word = [one for one in bare if wanted in words[one][1:]]
    for found in (by_initials, by_word):
        if len(found) == 1:
            return bare[found[0]]
    close = closest(wanted, bare)
    return bare[close] if close else None


def check_units(given: Sequence[str], options: Iterable[Option]) -> None:
    """Raise OptionError for a size such as ``--memory 512 MB``, whose unit stands apart."""
    by_flag = {flag: one for one in options for flag in one.flags if one.parse}
    for name, number, unit in zip(given, given[1:], given[2:], strict=False):
        option = by_flag.get(name)
        if option and _NUMBER.fullmatch(number) and _UNIT.fullmatch(unit):
            try:
                option.check(option.parsed(f"{number}{unit}"))
            except OptionError:
                continue
            if not Path(unit).exists():
                raise OptionError(
                    f"{name} {number} {unit}: a size is one word; write {name} {number}{unit}"
                )


def surplus(given: Sequence[str], lacking: Sequence[Option]) -> str:
    """The sentence about arguments that no option takes, where others are ``lacking``."""
    if lacking and lacking[0].flags:
        flag = lacking[0].flags[0]
        return (
            f"{given[0]} is one argument too many; if it is {lacking[0].help}, write {flag} "
            f"{given[0]}"
        )
    return f"too many arguments, from {given[0]} on"
