"""The lowest supported versions of all dependencies, as constraints for pip.

    python tools/lowest_versions.py pyproject.toml > constraints.txt

The one list of them is pyproject.toml: `h5py>=3.11` there is `h5py==3.11` here.  It is read without
tomllib, which Python 3.10 lacks.
"""

import re
import sys
from pathlib import Path

_REQUIREMENT = re.compile(r'"([A-Za-z0-9._-]+)(?:\[[^]]*\])?>=([0-9.]+)[,;"]')


def constraints(text: str) -> list[str]:
    """Lines such as ``h5py==3.11``, sorted, from the text of a pyproject.toml.

    Raises ValueError if one package has two lower bounds.
    """
    project = text[text.index("\n[project]\n") : text.index("\n[tool.")]
    bounds: dict[str, str] = {}
    for name, bound in _REQUIREMENT.findall(project):
        if bounds.setdefault(name, bound) != bound:
            raise ValueError(f"{name} has two lower bounds, {bounds[name]} and {bound}")
    return [f"{name}=={bound}" for name, bound in sorted(bounds.items())]


if __name__ == "__main__":
    print("\n".join(constraints(Path(sys.argv[1]).read_text("utf-8"))))
