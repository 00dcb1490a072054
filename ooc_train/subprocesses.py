"""Python processes of the package, which run no module from the current folder.

``python -m`` and ``python -c`` put the current folder before all others that modules are imported
from: a ``matplotlib.py`` that lies there would be run.  Python's own switches do not help: ``-P``
came with 3.11, and ``-I`` ignores ``PYTHONPATH``, too.
"""

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path

_PACKAGE_FOLDER = str(Path(__file__).absolute().parents[1])
# ``sys`` is part of the interpreter, so that its import looks into no folder.
_CODE = """\
import sys
sys.path[:] = filter(None, sys.path)
folder, module = sys.argv[1:3]
del sys.argv[1:3]
if folder not in sys.path:
    sys.path.insert(0, folder)
import importlib
sys.exit(importlib.import_module(module).main())
"""


def python_command(module: str, arguments: Sequence[str]) -> list[str]:
    """The command that runs ``main`` of a module of this package in a Python of its own.

    The module finds ``arguments`` in ``sys.argv[1:]``; its ``main`` returns the exit status.
    """
    return [sys.executable, "-c", _CODE, _PACKAGE_FOLDER, module, *arguments]


def end_first(process_id: int) -> None:
    """Let the system end that process, and not the one that waits for it, if memory is short."""
    with contextlib.suppress(OSError):
        Path(f"/proc/{process_id}/oom_score_adj").write_text("1000", "utf-8")
