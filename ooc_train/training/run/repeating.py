"""``settings.toml``: the options of a training, which ``ooc-train --config`` takes to repeat it."""

import os
from pathlib import Path
from typing import Any

from ooc_train.atomic import output_file
from ooc_train.options import declarations
from ooc_train.toml_text import options_text

CONFIG = "settings.toml"


def write_config(folder: Path, data: Any, run: str | os.PathLike[str], *chosen: Any) -> None:
    """Write the file of a training on ``data`` to ``run``, whose folder is now ``folder``.

    ``chosen`` are instances of dataclasses of options: values that are no defaults are written.
    Raises OutputError.
    """
    options = [(one, option) for one in chosen for option in declarations(type(one))]
    given = {
        option.name: getattr(one, option.name)
        for one, option in options
        if getattr(one, option.name) != option.default
    }
    files = {"data": data, "output": run}
    text = options_text("train", [option for _, option in options], given, files=files)
    with output_file(folder / CONFIG, "the file of options", force=True) as part:
        part.write_text(text, "utf-8")
