"""Panels of bars side by side in one picture, drawn by matplotlib: the overview of a file."""

import io
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ooc_train.dtypes import I64
from ooc_train.report.names import shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMATS = (".png", ".svg", ".pdf")
_INCHES_A_BAR, _LEAST_INCHES, _INCHES_WIDE = 0.2, 3.5, 4.5
_LEAST_BARS = 8  # that a panel has room for: two alone would be as thick as a fist
_MOST_BINS = 50
_LONGEST_NAME = 30


class Panel(ABC):
    """One panel of the picture."""

    @property
    def n_bars(self) -> int:
        """The bars, one above another, that the picture must be high enough for."""
        return 0

    @abstractmethod
    def draw(self, axes: "Axes") -> None:
        """Draw the panel."""


@dataclass(frozen=True)
class ClassPanel(Panel):
    """The rows of some classes by split: ``counts`` are ``(n_names,) int64`` each.

    ``n_more`` classes are left out.
    """

    names: Sequence[str]
    counts: Mapping[str, I64]
    n_more: int = 0

    @property
    def n_bars(self) -> int:
        """One for each class: its splits share it."""
        return len(self.names)

    def draw(self, axes: "Axes") -> None:
        """Draw the panel."""
        _draw_bars(axes, self.names, self.counts)
        more = f", and {self.n_more:,} smaller classes" if self.n_more else ""
        axes.set(title=f"rows by class{more}", xlabel="rows")
        axes.legend(frameon=False)


@dataclass(frozen=True)
class LengthPanel(Panel):
    """How many rows have 0 entries, 1, 2 and so on: ``(longest + 1,) int64``."""

    counts: I64

    def draw(self, axes: "Axes") -> None:
        """Draw the panel."""
        n_bins = min(len(self.counts), _MOST_BINS)
        edges = np.unique(np.linspace(0, len(self.counts), n_bins + 1).astype(int))
        axes.stairs(np.add.reduceat(self.counts, edges[:-1]), edges, fill=True)
        median = int(np.searchsorted(np.cumsum(self.counts), self.counts.sum() / 2))
        axes.axvline(median, color="black", ls=":", label=f"median {median:,}")
        axes.set(title="lengths of train rows", xlabel="entries of a row", ylabel="rows")
        axes.legend(frameon=False)


@dataclass(frozen=True)
class TermPanel(Panel):
    """The most frequent terms: ``counts`` of them, ``(n_terms,) int64``, in a ``unit``."""

    unit: str
    terms: Sequence[str]
    counts: I64

    @property
    def n_bars(self) -> int:
        """One for each term."""
        return len(self.terms)

    def draw(self, axes: "Axes") -> None:
        """Draw the panel."""
        _draw_bars(axes, self.terms, {"": self.counts})
        axes.set(title="most frequent terms", xlabel=f"{self.unit} of the train split")


def draw_panels(panels: Sequence[Panel], path: Path, suffix: str) -> None:
    """Draw a picture with all panels to ``path``, in the format of a ``suffix`` of `FORMATS`.

    Memory: matplotlib's some 60 MB, and the picture.  Raises ImportError without matplotlib, and
    OSError if writing fails.
    """
    import matplotlib as mpl  # noqa: PLC0415 - in an extra, and slow to load
    from matplotlib.figure import Figure  # noqa: PLC0415
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter  # noqa: PLC0415

    n_bars = max(panel.n_bars for panel in panels)
    size = (_INCHES_WIDE * len(panels), max(_LEAST_INCHES, 1 + _INCHES_A_BAR * n_bars))
    with mpl.rc_context({"text.parse_math": False, "font.size": 8}):
        figure = Figure(figsize=size, layout="constrained")
        places = np.atleast_1d(figure.subplots(1, len(panels)))
        for axes, panel in zip(places, panels, strict=True):
            panel.draw(axes)
            axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
            axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
            axes.spines[["top", "right"]].set_visible(False)
        picture = io.BytesIO()  # matplotlib hides errors of writing a PDF behind others
        figure.savefig(picture, format=suffix.removeprefix("."), dpi=150)
    path.write_bytes(picture.getbuffer())


def _draw_bars(axes: "Axes", names: Sequence[str], counts: Mapping[str, I64]) -> None:
    """Draw a horizontal bar for each name, downwards; several series share its height."""
    height = 0.8 / len(counts)
    places = np.arange(len(names))
    for i, (label, of_names) in enumerate(counts.items()):
        axes.barh(places + (i + 0.5) * height - 0.4, of_names, height, label=label)
    axes.set_yticks(places, [shortened(name, _LONGEST_NAME) for name in names])
    axes.set_ylim(max(len(names), _LEAST_BARS) - 0.4, -0.6)
