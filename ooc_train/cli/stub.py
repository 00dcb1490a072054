"""The types of the public calls, with all options as keywords, for type checkers and editors.

``python -m ooc_train.cli.stub`` writes them to ``ooc_train/__init__.pyi``.
"""

import inspect
import re
import sys
from collections.abc import Iterator
from inspect import Parameter
from pathlib import Path
from typing import Any

import ooc_train

STUB = Path(__file__).parents[1] / "__init__.pyi"
_TYPES = {
    "Predictor": "ooc_train.prediction.predictor",
    "Split": "ooc_train.reading.split",
    "Store": "ooc_train.reading.store",
}
"""The classes of what calls return, which annotations may name."""
_MODULE = re.compile(r"\b((?:[a-z_]+\.)+)[A-Z]")
_ERRORS = [name for name in ooc_train.__all__ if name[0].isupper()]  # calls load when looked at


def stub() -> str:
    """The content of the file."""
    calls = [name for name in ooc_train.__all__ if name not in _ERRORS]
    text = "\n\n".join(_call(name, getattr(ooc_train, name)) for name in calls)
    modules = sorted({found[:-1] for found in _MODULE.findall(text)})
    errors = "".join(f"from ooc_train.errors import {name} as {name}\n" for name in _ERRORS)
    types = "".join(f"from {module} import {name}\n" for name, module in _TYPES.items())
    return (
        "# Written by python -m ooc_train.cli.stub.\n"
        + "".join(f"import {module}\n" for module in modules)
        + f"from typing import Any, TextIO\n\n{errors}{types}"
        + "from ooc_train.version import __version__ as __version__\n\n"
        + f"__all__ = {ooc_train.__all__!r}\n\n{text}\n"
    )


def main() -> int:
    """Write the file; the exit status."""
    STUB.write_text(stub(), "utf-8")
    return 0


def _call(name: str, call: Any) -> str:
    signature = inspect.signature(call)
    returned = _type(signature.return_annotation)
    lines = "".join(f"    {line},\n" for line in _parameters(signature))
    return f"def {name}(\n{lines}) -> {returned}: ..."


def _parameters(signature: inspect.Signature) -> Iterator[str]:
    is_keyword = False
    for each in signature.parameters.values():
        if each.kind is Parameter.KEYWORD_ONLY and not is_keyword:
            is_keyword = True
            yield "*"
        default = "" if each.default is Parameter.empty else f" = {_default(each.default)}"
        yield f"{each.name}: {_type(each.annotation)}{default}"


def _type(annotation: Any) -> str:
    found = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    return found.replace("typing.", "").replace("NoneType", "None")


def _default(value: object) -> str:
    return repr(value) if isinstance(value, str | int | float | bool | None) else "..."


if __name__ == "__main__":
    sys.exit(main())
