"""Arguments of a command line, made from options as they are declared, and back."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from ooc_train.options import Option, declarations

Declared = TypeVar("Declared")


def add_options(parser: argparse.ArgumentParser, declared: Sequence[type]) -> None:
    """Add the options of these dataclasses, under the headings of their groups.

    Only options that are given are in the parsed namespace, as text.
    """
    groups: dict[str, Any] = {}
    for option in _of_commands(declared):
        place: Any = parser
        if not option.positional:
            if option.group not in groups:
                groups[option.group] = parser.add_argument_group(option.group)
            place = groups[option.group]
        place.add_argument(*(option.flags or [option.name]), **_keywords(option))


def help_text(option: Option) -> str:
    """The option's help, with its default."""
    default = f" (default: {option.default_text})" if option.default_text else ""
    return f"{option.help}{default}"


@dataclass(frozen=True)
class Given:
    """The options that were given on a command line, by their names, as values."""

    values: dict[str, Any]

    @classmethod
    def of(cls, namespace: argparse.Namespace, declared: Sequence[type]) -> "Given":
        """The values of a parsed namespace.  Raises OptionError for text that stands for none."""
        given = vars(namespace)
        options = _of_commands(declared)
        return cls({o.name: _value(o, given[o.name]) for o in options if o.name in given})

    def keywords(self, declared: type) -> dict[str, Any]:
        """The given options of a dataclass, as keywords of a library's call."""
        names = [option.name for option in declarations(declared)]
        return {name: self.values[name] for name in names if name in self.values}

    def made(self, declared: type[Declared]) -> Declared:
        """An instance of a dataclass, with the defaults of options that were not given."""
        return declared(**self.keywords(declared))


def _of_commands(declared: Sequence[type]) -> list[Option]:
    return [o for one in declared for o in declarations(one) if o.on_command_line]


def _keywords(option: Option) -> dict[str, Any]:
    """The keywords with which `argparse` adds the option."""
    keywords: dict[str, Any] = {
        "help": help_text(option).replace("%", "%%"),
        "default": argparse.SUPPRESS,
    }
    if not option.positional:
        keywords |= {"dest": option.name, "required": option.is_required}
    if option.is_switch:
        switch = "store_false" if option.default else "store_true"
        either_way = argparse.BooleanOptionalAction
        return keywords | {"action": either_way if option.default is None else switch}
    if option.takes_many:
        keywords["nargs"] = "*" if option.positional and not option.is_required else "+"
    if option.placeholder:
        keywords["metavar"] = option.placeholder
    return keywords


def _value(option: Option, given: Any) -> Any:
    if option.is_switch:
        return given
    return [option.parsed(text) for text in given] if option.takes_many else option.parsed(given)
