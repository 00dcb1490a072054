"""Panels in one picture, drawn by matplotlib: the overview of rows."""

import io
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ooc_train.counts import counted
from ooc_train.dtypes import I64
from ooc_train.errors import OutputError
from ooc_train.report.drawing import check_library
from ooc_train.report.elements import compact
from ooc_train.report.lengths import binned
from ooc_train.report.names import shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMATS = (".png", ".svg", ".pdf")
_COLOURS = ("#0072B2", "#D55E00", "#009E73")
"""Colours that differ for everybody (M. Okabe and K. Ito 2008)."""
_GREY = "#9aa0a6"
_INCHES_A_BAR, _INCHES_BESIDE, _INCHES_WIDE = 0.19, 0.85, 5.0
_LEAST_BARS = 8
_LONGEST_NAME = 28


def check_picture(path: Path) -> None:
    """Raise OutputError if ``path`` ends in none of `FORMATS`, or nothing can be drawn."""
    if path.suffix not in FORMATS:
        raise OutputError(f"{path} is no picture; its name must end in {', '.join(FORMATS)}")
    check_library(path)


class Panel(ABC):
    """One panel of the picture."""

    @property
    def n_bars(self) -> int:
        """The bars, one above another, that the panel must be high enough for."""
        return _LEAST_BARS

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
        """One for each class and split, some thinner than others."""
        return max(4, len(self.names) * (1 + len(self.counts)) // 2)

    def draw(self, axes: "Axes") -> None:
        """Draw the panel."""
        _draw_bars(axes, self.names, self.counts)
        more = f", and {counted(self.n_more, 'smaller class')}" if self.n_more else ""
        _title(axes, f"rows by class{more}")
        if len(self.counts) > 1:
            axes.legend(
                frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=3, borderaxespad=0
            )


@dataclass(frozen=True)
class LengthPanel(Panel):
    """How many rows have each length, in a ``unit``."""

    rows_by_length: Mapping[int, int]
    unit: str = "entries"

    def draw(self, axes: "Axes") -> None:
        """Draw the panel."""
        bins = binned(self.rows_by_length)
        edges = np.arange(len(bins.counts) + 1) * bins.width
        axes.stairs(bins.counts, edges, fill=True, color=_COLOURS[0])
        axes.axvline(bins.median, color=_COLOURS[1], lw=1.5, label=f"median {bins.median:g}")
        longer = f"; {counted(bins.n_longer, 'longer one')} left out" if bins.n_longer else ""
        axes.set(xlabel=f"{self.unit} of a row{longer}", xlim=(0, edges[-1]))
        _title(axes, "lengths of train rows")
        axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0)


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
        axes.set(xlabel=f"{self.unit} of the train split")
        _title(axes, "most frequent terms")


@dataclass(frozen=True)
class TellingPanel(Panel):
    """For some classes, terms with their shares of the class's rows and of all others."""

    terms: Mapping[str, Sequence[tuple[str, float, float]]]

    @property
    def n_bars(self) -> int:
        """One for each term, and one for each class."""
        return sum(len(some) + 1 for some in self.terms.values())

    def draw(self, axes: "Axes") -> None:
        """Draw the panel."""
        place, places, names = 0, [], []
        for name, some in self.terms.items():
            axes.text(0, place, f" {shortened(name, _LONGEST_NAME)}", weight="bold", va="center")
            for k, (term, share, elsewhere) in enumerate(some, 1):
                axes.barh(place + k, 100 * share, 0.75, color=_COLOURS[0])
                axes.barh(place + k, 100 * elsewhere, 0.35, color=_GREY)
                places.append(place + k)
                names.append(shortened(term, _LONGEST_NAME))
            place += len(some) + 1
        axes.set_yticks(places, names)
        axes.set_ylim(place - 0.4, -0.6)
        axes.set(xlabel="% of the class's rows (thin: of all other rows)")
        _title(axes, "terms that tell most about each class")


def draw_panels(panels: Sequence[Panel], path: Path, suffix: str, title: str = "") -> None:
    """Draw a picture with all panels to ``path``, in the format of a ``suffix`` of `FORMATS`.

    They stand in one or two columns, each where there is the most room, and fill them.

    Memory: matplotlib's some 60 MB, and the picture.  Raises ImportError without matplotlib, and
    OSError if writing fails.
    """
    import matplotlib as mpl  # noqa: PLC0415 - in an extra, and slow to load
    from matplotlib.figure import Figure  # noqa: PLC0415
    from matplotlib.ticker import FuncFormatter, MaxNLocator  # noqa: PLC0415

    columns: list[list[Panel]] = [[] for _ in range(min(2, len(panels)))]
    for panel in panels:
        min(columns, key=_inches).append(panel)
    size = (_INCHES_WIDE * len(columns), 0.4 + max(map(_inches, columns)))
    with mpl.rc_context({"text.parse_math": False, "font.size": 8}):
        figure = Figure(figsize=size, layout="constrained")
        figure.suptitle(shortened(title, 100), x=0.01, ha="left", size=11, weight="bold")
        parts = figure.subfigures(1, len(columns), wspace=0.02, squeeze=False)[0]
        for part, column in zip(parts, columns, strict=True):
            ratios = [_inches([panel]) for panel in column]
            places = part.subplots(len(column), 1, height_ratios=ratios, squeeze=False)[:, 0]
            for axes, panel in zip(places, column, strict=True):
                panel.draw(axes)
                axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
                axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: compact(value)))
                axes.tick_params(length=2)
                axes.spines[["top", "right"]].set_visible(False)
        picture = io.BytesIO()  # matplotlib hides errors of writing a PDF behind others
        figure.savefig(picture, format=suffix.removeprefix("."), dpi=150)
    path.write_bytes(picture.getbuffer())


def _inches(column: Sequence[Panel]) -> float:
    """The height of some panels, one above another."""
    return sum(_INCHES_BESIDE + _INCHES_A_BAR * panel.n_bars for panel in column)


def _title(axes: "Axes", text: str) -> None:
    axes.set_title(text, loc="left", weight="bold", size=9)


def _draw_bars(axes: "Axes", names: Sequence[str], counts: Mapping[str, I64]) -> None:
    """Draw a horizontal bar for each name, downwards; several series share its height."""
    height = 0.8 / len(counts)
    places = np.arange(len(names))
    for i, (label, of_names) in enumerate(counts.items()):
        at = places + (i + 0.5) * height - 0.4
        axes.barh(at, of_names, height * 0.92, label=label, color=_COLOURS[i % len(_COLOURS)])
    axes.set_yticks(places, [shortened(name, _LONGEST_NAME) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
