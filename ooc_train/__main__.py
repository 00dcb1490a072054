"""``python -m ooc_train``: the commands, as ``ooc`` runs them."""

import sys

from ooc_train.cli.entry import ooc

sys.exit(ooc())
