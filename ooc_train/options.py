"""How an option is declared: once, as a field of a frozen dataclass.

The command line and its ``--help``, the keywords of the library's calls, the settings in a run and
the guide's table follow from these declarations.  A module that declares options imports nothing
heavy, so that ``--help`` is there at once.

>>> from dataclasses import dataclass
>>> @dataclass(frozen=True, kw_only=True)
... class Baking:
...     minutes: int = option(40, "minutes in the oven", limits=at_least(1))
...     shape: str = option("round", "the shape of the loaf", choices=("round", "long"))
...
...     def __post_init__(self) -> None:
...         check(self)
>>> [(declared.flags, declared.default_text) for declared in declarations(Baking)]
[(('--minutes',), '40'), (('--shape',), 'round')]
>>> Baking(shape="flat")
Traceback (most recent call last):
ooc_train.errors.OptionError: --shape must be one of round, long, not 'flat'
>>> made(Baking, {"minute": 30}, call="bake")
Traceback (most recent call last):
TypeError: bake() has no option 'minute'; did you mean 'minutes'?
"""

import csv
import dataclasses
import math
import os
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from ooc_train.errors import OptionError
from ooc_train.remote.url import located
from ooc_train.suggestions import did_you_mean

Declared = TypeVar("Declared")
REQUIRED: Any = dataclasses.MISSING
"""The default of an option that must be given."""
_METADATA = "option"


class Limits(NamedTuple):
    """The values that an option may have: ``words`` complete "must be ..."."""

    words: str
    hold: Callable[[Any], bool]


def at_least(least: int) -> Limits:
    """Numbers from ``least`` on, but infinity."""
    return Limits(f"at least {least}", lambda value: least <= value < math.inf)


def above(bound: int) -> Limits:
    """Numbers above ``bound``, but infinity."""
    return Limits(f"above {bound}", lambda value: bound < value < math.inf)


def from_to(least: int, most: int) -> Limits:
    """Numbers from ``least`` to ``most``, both included."""
    return Limits(f"from {least} to {most}", lambda value: least <= value <= most)


SHARE = Limits("from 0 to below 1, such as 0.1", lambda value: 0 <= value < 1)
"""Shares of a whole that leave something of it."""


@dataclass(frozen=True, kw_only=True)
class Option:
    """One declared option.

    ``name`` is the keyword in the library's calls, ``annotation`` the type of the values, and
    ``default`` the value if none is given.  ``fallback`` is the value that a default of
    ``None`` stands for, or words for it.

    ``choices`` are all allowed values, and ``limits`` bound a number.  ``parse`` makes a value from
    the text on a command line, where the annotation does not say how; it raises OptionError or
    ValueError.  ``given`` makes the value from what a program gives, where that may be more than
    the annotation says.

    ``group`` is the heading in ``--help``, and ``metavar`` the word for the value there.
    ``spelled`` are the flags, where they do not follow from the name.  A ``positional`` option has
    no flag; an option without ``on_command_line`` is for the library alone.  ``saved`` options are
    among the settings of a run.
    """

    name: str
    annotation: Any
    default: Any
    help: str
    group: str
    metavar: str | None = None
    parse: Callable[[str], Any] | None = None
    given: Callable[[Any], Any] | None = None
    choices: Sequence[str] = ()
    limits: Limits | None = None
    fallback: Any = None
    spelled: tuple[str, ...] = ()
    positional: bool = False
    on_command_line: bool = True
    saved: bool = True

    @property
    def flags(self) -> tuple[str, ...]:
        """The option's spellings on the command line."""
        if self.spelled or self.positional:
            return self.spelled
        return (flag(f"no_{self.name}" if self.default is True else self.name),)

    @property
    def flag(self) -> str:
        """The spelling that messages use."""
        return next((flag for flag in self.flags if flag.startswith("--")), self.name)

    @property
    def types(self) -> tuple[type, ...]:
        """The types of its values, but ``None``'s."""
        return _origins(self.annotation)

    @property
    def is_switch(self) -> bool:
        """Whether its flag stands alone, without a value."""
        return self.types == (bool,)

    @property
    def takes_many(self) -> bool:
        """Whether its flag takes several values, separated by spaces."""
        return self.types == (Sequence,) and self.parse is None

    @property
    def placeholder(self) -> str | None:
        """The word for its value in ``--help``; ``None`` stands for its name."""
        if self.metavar or self.positional:
            return self.metavar
        if self.choices:
            return f"{{{','.join(self.choices)}}}"
        names: dict[Any, str] = {int: "N", float: "F", located: "FILE"}
        return names.get(self._parser)

    @property
    def is_required(self) -> bool:
        """Whether it must be given."""
        return self.default is REQUIRED

    @property
    def default_text(self) -> str:
        """The default as ``--help`` shows it; empty if there is nothing to show."""
        nothing = self.is_required or self.default in (None, ()) or isinstance(self.default, bool)
        value = self.fallback if nothing else self.default
        if isinstance(value, tuple):
            return ",".join(map(str, value))
        return "" if value is None else str(value)

    def parsed(self, text: str) -> Any:
        """The value that ``text`` on a command line stands for; of many, one.

        Raises OptionError if it stands for none.
        """
        try:
            return self._parser(text)
        except OptionError as error:
            raise OptionError(f"{self.flag}: {error}") from None
        except ValueError:
            raise self.error(_words_for(self.types), text, _respelled(text)) from None

    @property
    def _parser(self) -> Callable[[str], Any]:
        """The function that makes a value, or one of many values, from text."""
        if self.parse:
            return self.parse
        kinds = self.types
        if self.takes_many:
            kinds = _origins(typing.get_args(self.annotation)[0])
        parsers: dict[Any, Callable[[str], Any]]
        parsers = {os.PathLike: located, Path: located, int: int, float: float, str: str}
        return next(parse for kind, parse in parsers.items() if kind in kinds)

    def settled(self, value: Any) -> Any:
        """The value that a program gives, as it is used.

        One path or name stands for a list of one, and text for what it is on a command line.
        """
        if value is None:
            return None
        if self.given:
            return self.given(value)
        if self.types == (Sequence,) and isinstance(value, str | os.PathLike):
            return (value,)
        if self.parse and isinstance(value, str) and str not in self.types:
            return self.parsed(value)
        # NumPy's numbers are Python's, and 0 and 0.0 are one, so that files say the same.
        for kind in (int, float):
            if kind in self.types and _is_a(value, kind):
                return kind(value)
        return value

    def check(self, value: Any) -> None:
        """Raise OptionError unless ``value`` is of the right type, a choice, and within limits."""
        if value is None and self.default is None:
            return
        if not any(_is_a(value, kind) for kind in self.types):
            raise self.error(_words_for(self.types), value)
        if self.choices and value not in self.choices:
            hint = did_you_mean(str(value), self.choices)
            raise self.error(f"one of {', '.join(self.choices)}", value, hint)
        if self.limits and not self.limits.hold(value):
            raise self.error(self.limits.words, value)

    def error(self, wanted: str, value: Any, hint: str = "") -> OptionError:
        """The error for a value that is not what is ``wanted``, in the one wording for all."""
        return OptionError(f"{self.flag} must be {wanted}, not {value!r}{hint}")


def option(default: Any, help: str, *, group: str = "options", **details: Any) -> Any:  # noqa: A002 - as argparse has it
    """Declare a field of a frozen dataclass as an option; ``details`` are fields of `Option`."""
    return dataclasses.field(
        default=default, metadata={_METADATA: {"help": help, "group": group} | details}
    )


def declarations(declared: type) -> tuple[Option, ...]:
    """The options that a dataclass declares, in their order."""
    hints = typing.get_type_hints(declared)
    return tuple(
        Option(
            name=field.name,
            annotation=hints[field.name],
            default=field.default,
            **field.metadata[_METADATA],
        )
        for field in dataclasses.fields(declared)
        if _METADATA in field.metadata
    )


def declaration(declared: type, name: str) -> Option:
    """The option of this name."""
    return next(each for each in declarations(declared) if each.name == name)


def fallback(declared: type, name: str) -> Any:
    """The value that the option's default of ``None`` stands for."""
    return declaration(declared, name).fallback


def check(options: Any) -> None:
    """Raise OptionError unless each option of this instance has a value that it may have.

    Values that stand for others are replaced by them, see `Option.settled`.
    """
    for declared in declarations(type(options)):
        value = declared.settled(getattr(options, declared.name))
        object.__setattr__(options, declared.name, value)  # of a frozen instance that is made
        declared.check(value)


def check_as(declared: type, values: Any) -> None:
    """Check the attributes of ``values`` that have the names of options, as these options."""
    for each in declarations(declared):
        if hasattr(values, each.name):
            each.check(getattr(values, each.name))


def made(
    declared: type[Declared],
    keywords: Mapping[str, Any],
    *,
    call: str,
    others: Sequence[type] = (),
) -> Declared:
    """An instance with these keywords, which were given to ``call``.

    A keyword may also be what the command line calls the option.  Raises TypeError for a keyword
    that is no option, with the closest one that is, of these options or those of ``others``.
    """
    known = [each.name for one in (declared, *others) for each in declarations(one)]
    names = _names(declared)
    values: dict[str, Any] = {}
    for keyword, value in keywords.items():
        name = names.get(keyword)
        if name is None:
            hint = did_you_mean(keyword, known, 0.5) or f"; it has: {', '.join(known)}"
            raise TypeError(f"{call}() has no option {keyword!r}{hint}")
        if name in values:
            raise TypeError(f"{call}() was given {name!r} twice, once as {keyword!r}")
        values[name] = value
    return declared(**values)


def taken_apart(
    declared: type, keywords: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The keywords that `made` takes for this dataclass, and all others."""
    names = _names(declared)
    own = {keyword: value for keyword, value in keywords.items() if keyword in names}
    return own, {keyword: value for keyword, value in keywords.items() if keyword not in own}


def _names(declared: type) -> dict[str, str]:
    """The options' names by keyword: their names, and what the command line calls them."""
    spelled = {
        text.removeprefix("--").replace("-", "_"): each.name
        for each in declarations(declared)
        for text in each.spelled
    }
    return spelled | {each.name: each.name for each in declarations(declared)}


def saved(options: Any) -> dict[str, Any]:
    """The options that are among the settings of a run, by name."""
    names = [declared.name for declared in declarations(type(options)) if declared.saved]
    return {name: getattr(options, name) for name in names}


def flag(name: str) -> str:
    """An option's name as it is spelled on the command line.

    >>> flag("min_df")
    '--min-df'
    """
    return f"--{name.replace('_', '-')}"


def listed_flags(names: Iterable[str]) -> str:
    """Several names as they are spelled on the command line, in alphabetical order."""
    return ", ".join(flag(name) for name in sorted(names))


def column_list(text: str) -> tuple[str, ...]:
    """Columns of a table from their names or numbers, separated by commas, which quotes protect.

    >>> column_list("title, 2,"), column_list('"a, b",c')
    (('title', '2'), ('a, b', 'c'))
    """
    columns = next(csv.reader([text], skipinitialspace=True), [])
    return tuple(column.strip() for column in columns if column.strip())


def columns_named(given: Any) -> Any:
    """Columns that a program names, by names or numbers; one stands for a list of one.

    >>> columns_named("text"), columns_named([2, "title"])
    (('text',), ('2', 'title'))
    """
    if isinstance(given, Iterable) and not isinstance(given, str | bytes | Mapping):
        return tuple(map(column_named, given))
    return (column_named(given),)


def column_named(given: Any) -> str:
    """A column that a program names, by its name or by its number from 1.

    Raises OptionError for anything else.
    """
    if isinstance(given, str):
        return given
    if isinstance(given, Integral) and not isinstance(given, bool):
        return str(given)
    raise OptionError(f"columns are names, or numbers from 1, and not {given!r}")


def _origins(annotation: Any) -> tuple[type, ...]:
    """The types that an annotation allows, without ``None`` and without their own parameters."""
    is_union = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    parts = typing.get_args(annotation) if is_union else (annotation,)
    return tuple(typing.get_origin(part) or part for part in parts if part is not type(None))


_WORDS: dict[Any, str] = {
    bool: "True or False",
    float: "a number",
    int: "a whole number",
    os.PathLike: "a path",
    Path: "a path",
    str: "text",
    Sequence: "a list",
    tuple: "a list",
    Mapping: "a dictionary",
    Callable: "a function",
    Executor: "an executor",
}
"""The types of values in words; of a number and a whole number, or a path and text, the first."""


def _words_for(kinds: Sequence[Any]) -> str:
    covered: set[Any] = {int} if float in kinds else set()
    covered |= {str} if {os.PathLike, Path} & set(kinds) else set()
    return " or ".join(_WORDS[kind] for kind in kinds if kind not in covered)


def _respelled(text: str) -> str:
    """The end of a sentence about a number that has commas or a %: how it is written instead.

    >>> _respelled("20,000"), _respelled("0,5"), _respelled("20%"), _respelled("many")
    ('; write 20000', '; write 0.5', '; write 0.2', '')
    """
    if re.fullmatch(r"\d+(\.\d+)?%", text):
        return f"; write {float(text[:-1]) / 100:g}"
    if re.fullmatch(r"[1-9]\d{0,2}(,\d{3})+", text):
        return f"; write {text.replace(',', '')}"
    return f"; write {text.replace(',', '.')}" if re.fullmatch(r"\d+,\d+", text) else ""


def _is_a(value: Any, kind: Any) -> bool:
    if kind in (Sequence, tuple):
        return isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping)
    if kind in (int, float):
        number = Integral if kind is int else Real
        return isinstance(value, number) and not isinstance(value, bool)
    return isinstance(value, kind)
