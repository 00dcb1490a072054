"""Several files that appear together: an index names the others, and appears when all are there.

The files get their names one by one, as links to files in a `WorkFolder`; then the index replaces
what has its name, which is one step.  Until then whoever deletes the work folder, be it the next
process because this one was killed, takes the names back, see `work_folder`.
"""

import os
from collections.abc import Callable
from pathlib import Path

from ooc_train.atomic import flush, publish, target_of
from ooc_train.errors import OutputError
from ooc_train.outputs import REMEDY
from ooc_train.work_folder import INDEX, MEMBERS


class Together:
    """Files that are written to ``folder``, and then published beside an index.

    ``folder`` is a `WorkFolder` in the folder of the path ``index``.
    """

    def __init__(self, folder: Path, index: Path) -> None:
        self._target = target_of(index)
        self.members = folder / MEMBERS
        """The folder to write the files to, under the names that they will have."""
        self._index = folder / INDEX / self._target.name
        for made in (self.members, self._index.parent):
            made.mkdir()

    def publish(self, text: str, *, force: bool, check: Callable[[], None] = lambda: None) -> None:
        """Publish all files, and the index with its ``text``.

        Without ``force`` nothing is replaced: that raises OutputError.  With it, an existing index
        stays until all is there.  If this fails, or the process is killed, the old index is left,
        and nothing of the new files, except on file systems without links.  ``check`` is called
        when only the index is to come, and may raise.
        """
        self._index.write_text(text, "utf-8")
        for member in sorted(self.members.iterdir()):
            flush(member)
            place = self._target.with_name(member.name)
            if place.exists() and force:
                member.replace(place)  # names tell contents: it has the same, or is damaged
            else:
                _name(member, place)
        check()
        publish(self._index, self._target, force=force)


def _name(member: Path, place: Path) -> None:
    try:
        try:
            os.link(member, place)
        except FileExistsError:
            raise
        except OSError:  # a file system without links
            place.open("xb").close()
            member.replace(place)
    except FileExistsError:
        raise OutputError(f"{place} exists; {REMEDY}") from None
