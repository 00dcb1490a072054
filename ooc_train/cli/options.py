"""Arguments of a command line, made from options as they are declared, and back."""

import argparse
from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from ooc_train.options import Option, declarations

Declared = TypeVar("Declared")


def add_options(
    parser: argparse.ArgumentParser,
    groups: Sequence[tuple[str, Sequence[Option]]],
    *,
    may_lack: bool = False,
) -> None:
    """Add options under the headings of their groups.

    Only options that are given are in the parsed namespace, as text; those that are required, too,
    if they ``may_lack`` because a file may have them.
    """
    for heading, options in groups:
        place = parser.add_argument_group(heading)
        for option in options:
            keywords = _keywords(option)
            if may_lack and option.positional:
                keywords.setdefault("nargs", "?")
            elif may_lack:
                keywords["required"] = False
            place.add_argument(*(option.flags or [option.name]), **keywords)


def help_text(option: Option) -> str:
    """The option's help, with its default."""
    default = f" (default: {option.default_text})" if option.default_text else ""
    return f"{option.help}{default}"


@dataclass(frozen=True)
class Given:
    """The options that were given on a command line, by their names, as values and as texts."""

    values: dict[str, Any]
    texts: dict[str, Any]

    @classmethod
    def of(
        cls,
        namespace: argparse.Namespace,
        declared: Sequence[type],
        configured: dict[str, Any] | None = None,
    ) -> "Given":
        """The values of a parsed namespace, and those ``configured`` in a file for all others.

        Raises OptionError for text that stands for no value.
        """
        configured = configured or {}
        given = {**configured, **vars(namespace)}
        options = of_commands(declared)
        texts = {option.name: given[option.name] for option in options if option.name in given}
        values = {
            option.name: _value(option, texts[option.name])
            for option in options
            if hasattr(namespace, option.name)
        }
        return cls({**configured, **values}, texts)

    def keywords(self, declared: type) -> dict[str, Any]:
        """The given options of a dataclass, as keywords of a library's call."""
        names = [option.name for option in declarations(declared)]
        return {name: self.values[name] for name in names if name in self.values}

    def made(self, declared: type[Declared]) -> Declared:
        """An instance of a dataclass, with the defaults of options that were not given."""
        return declared(**self.keywords(declared))


def lacking(options: Sequence[Option], given: Container[str]) -> list[Option]:
    """The required options that were not given."""
    return [option for option in options if option.is_required and option.name not in given]


def of_commands(declared: Sequence[type]) -> list[Option]:
    """The options of these dataclasses that a command line may have."""
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
