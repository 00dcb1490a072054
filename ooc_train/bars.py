"""Progress bars, in a terminal or a notebook."""

import builtins
from collections.abc import Callable
from typing import Any

from ooc_train.progress import Numbered, Progress, Silent

_NARROW = 100  # columns below which figures take the place of the bar itself


class Bars:
    """Progress as a bar for each phase, drawn at once where nothing else tells that it goes on.

    ``make`` makes a bar as `tqdm.tqdm` does, and ``tell`` prints a line, beside a bar if need be.
    """

    def __init__(self, make: Callable[..., Any], tell: Callable[[str], None]) -> None:
        self._make, self._tell = make, tell
        self._bar: Any = None

    def start(self, phase: str, total: int | None, unit: str) -> None:
        """Show a new bar; of a phase that is over within a second, none."""
        self.finish()
        self._bar = self._make(
            total=total,
            desc=phase,
            unit=unit,
            unit_scale=True,
            delay=1 if total else 0,
            leave=False,
            mininterval=0.2,
            dynamic_ncols=True,
            bar_format=None if total else _uncounted(unit),
        )
        if total:
            self._bar.bar_format = self._counted()

    def advance(self, amount: int) -> None:
        """Move the bar."""
        if self._bar is not None:
            self._bar.update(amount)

    def show(self, text: str) -> None:
        """Put figures beside the bar."""
        if self._bar is not None:
            self._bar.set_postfix_str(text, refresh=False)

    def message(self, text: str) -> None:
        """Print a line above the bar."""
        self._tell(text)

    def finish(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _counted(self) -> str:
        """The format where the total is known."""
        bar = "|{bar}| " if (self._bar.ncols or _NARROW) >= _NARROW else ", "
        return "{desc}: {percentage:.0f}%" + bar + "{remaining} left{postfix}"


def _uncounted(unit: str) -> str:
    """The format where the total is not known, or there is nothing to count."""
    return "{desc}: {n_fmt} " + f"{unit}, {{elapsed}}{{postfix}}" if unit else "{desc} ..."


def usual_progress() -> Progress:
    """The progress that the library shows if a program does not say: bars in a notebook."""
    if not _is_notebook():
        return Silent()
    from tqdm import tqdm  # noqa: PLC0415 - 20 ms

    try:
        import ipywidgets  # noqa: F401, PLC0415 - optional
        from tqdm.notebook import tqdm_notebook  # noqa: PLC0415 - as above
    except ImportError:  # without widgets, the notebook shows the bars of a terminal
        return Numbered(Bars(tqdm, tqdm.write))
    return Numbered(Bars(tqdm_notebook, tqdm.write))


def _is_notebook() -> bool:
    shell = getattr(builtins, "get_ipython", lambda: None)()  # IPython puts it there
    return type(shell).__name__ == "ZMQInteractiveShell"
