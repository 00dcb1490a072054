"""The signatures of the library's calls: their options, which are declared once, as keywords.

A call takes its options as ``**options`` and gives them to dataclasses.  `takes` lets ``help()``
and completion show them all, each with its type and default; ``ooc_train/__init__.pyi`` says the
same to type checkers (``python -m ooc_train.cli.stub``).
"""

import inspect
import os
from collections.abc import Callable, Iterator, Sequence
from inspect import Parameter, Signature
from typing import Any, TypeVar

from ooc_train.options import Option, declarations

Call = TypeVar("Call", bound=Callable[..., Any])


def takes(*declared: type) -> Callable[[Call], Call]:
    """A decorator for a call that takes the options of these dataclasses as ``**options``."""

    def decorated(call: Call) -> Call:
        call.__signature__ = _signature(call, declared)  # type: ignore[attr-defined]
        return call

    return decorated


def _signature(call: Callable[..., Any], declared: Sequence[type]) -> Signature:
    own = inspect.signature(call)
    kept = [each for each in own.parameters.values() if each.kind is not Parameter.VAR_KEYWORD]
    names = {each.name for each in kept}
    found = [each for one in declared for each in _keywords(one) if each.name not in names]
    return own.replace(parameters=[*kept, *found])


def _keywords(declared: type) -> Iterator[Parameter]:
    """The options as keywords; what the command line calls one by another name is one, too."""
    for option in declarations(declared):
        default = Parameter.empty if option.is_required else option.default
        spelled = [text[2:].replace("-", "_") for text in option.spelled if text.startswith("--")]
        for name in dict.fromkeys((option.name, *spelled)):
            yield Parameter(
                name, Parameter.KEYWORD_ONLY, default=default, annotation=accepted(option)
            )


def accepted(option: Option) -> Any:
    """The type of what a program may give for an option: more than what it becomes.

    >>> from ooc_train.options import option as declared
    >>> from dataclasses import dataclass
    >>> @dataclass
    ... class Baking:
    ...     grams: int | None = declared(None, "the flour", parse=int)
    >>> str(accepted(declarations(Baking)[0]))
    'int | None | str'
    """
    found = option.annotation
    if option.given:
        return Any
    if option.types == (Sequence,):
        found = str | os.PathLike[str] | found
    elif option.parse and str not in option.types:
        found = found | str
    return found | None if option.default is None else found
