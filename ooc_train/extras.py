"""The command that installs a missing package, spelled so that it works from anywhere.

This package comes from a clone or a wheel, not from an index, so ``pip install 'ooc-train[plots]'``
would find nothing.  The packages that its extras consist of do come from an index.
"""

import re
from typing import NamedTuple

_DISTRIBUTION = "ooc-train"
_REQUIREMENT = re.compile(r"([\w.-]+)\s*([^;\s]*)(?:.*extra\s*==\s*[\"']([\w-]+)[\"'])?")


class _Requirement(NamedTuple):
    package: str
    bounds: str
    extra: str


def pip_install(*packages: str, extra: str = "") -> str:
    """The command that installs packages, or those of an extra, in versions that work here.

    >>> pip_install("torch", "scipy")
    'pip install torch scipy'
    """
    known = _requirements()
    if extra:
        wanted = [one for one in known if one.extra == extra]
        if not wanted:  # a clone on the path that is not installed
            return f"pip install '.[{extra}]' in the clone"
    else:
        bounds = {one.package: one.bounds for one in reversed(known)}
        wanted = [_Requirement(name, bounds.get(name, ""), "") for name in packages]
    spelled = (f"'{one.package}{one.bounds}'" if one.bounds else one.package for one in wanted)
    return f"pip install {' '.join(spelled)}"


def _requirements() -> list[_Requirement]:
    from importlib import metadata  # noqa: PLC0415 - only where something is missing

    try:
        lines = metadata.requires(_DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return []
    found = (_REQUIREMENT.match(line) for line in lines)
    return [_Requirement(one[1], one[2], one[3] or "") for one in found if one]
