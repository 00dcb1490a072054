"""The process that draws a page: started here, and what it does."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from ooc_train.atomic import replacing
from ooc_train.errors import OutputError

TIMEOUT_SECONDS = 600


def check_library(path: Path) -> None:
    """Raise OutputError if what draws the page at ``path`` is not installed."""
    if importlib.util.find_spec("matplotlib") is None:
        raise OutputError(
            f"{path.name} is not drawn, since it takes matplotlib; install it with "
            "pip install 'ooc-train[plots]'"
        )


def write_page(content: dict[str, Any], path: Path) -> None:
    """Write the page of ``content``, see `document.page`, to ``path``, whole or not at all.

    Takes some two seconds and 150 MB in another process, and nothing here.  Raises OutputError,
    and leaves what was at ``path``, if there is no plotting library or anything else goes wrong.
    """
    check_library(path)
    package = str(Path(__file__).parents[2])
    known = os.environ.get("PYTHONPATH")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [package, known]))}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "ooc_train.report.drawing", str(path.absolute())],
            input=json.dumps(content).encode(),
            capture_output=True,
            env=environment,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise OutputError(f"{path} could not be drawn: {error}") from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no reason given"]
        raise OutputError(f"{path} could not be drawn: {said[-1]}")


def main() -> None:
    """Draw the page of the content on standard input to the path on the command line."""
    from ooc_train.report.document import page  # noqa: PLC0415 - imports matplotlib

    text = page(json.load(sys.stdin.buffer))
    with replacing(Path(sys.argv[1])) as part:
        part.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
