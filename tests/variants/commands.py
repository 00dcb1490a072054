"""Enter the toys into the three tables, then run commands: ``python -m tests.variants.commands``.

Standard input has the arguments of a command on each line, as JSON.
"""

import importlib
import json
import sys

from ooc_train.conversion.sources.formats.table import FORMATS, Format
from ooc_train.kinds import KINDS, Kind
from ooc_train.training.models.table import ADAM, MODELS, ModelSpec

FORMATS["pairs"] = Format((".pairs",), ("text",), "tests.variants.pairs:open_pairs", named=True)
KINDS["hashed"] = Kind("sparse", "text", "linear", "tests.variants.hashed:HashedVectorizer")
MODELS["linear"] = ModelSpec("tests.variants.linear:build_linear", {"sparse": (ADAM,)})


def main():
    for line in sys.stdin:
        command, *arguments = json.loads(line)
        # Only now: declarations of options read the tables when they are imported.
        status = importlib.import_module(f"ooc_train.cli.{command}").main(arguments)
        if status:
            sys.exit(f"{command} {arguments}: exit status {status}")


if __name__ == "__main__":
    main()
