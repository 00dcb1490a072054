"""The page's figures, drawn by matplotlib as SVG, with colours from the page's style."""

import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator

from ooc_train.counts import counted
from ooc_train.dtypes import I64
from ooc_train.report.elements import Key, compact, keys
from ooc_train.report.names import shortened

# Placeholders for the page's colours, which differ in light and dark surroundings.
_INK, _FAINT, _ONE, _TWO, _RIGHT, _WRONG, _ON = (f"#0102{i:02x}" for i in range(1, 8))
_VARIABLES = {
    _INK: "ink", _FAINT: "faint", _ONE: "one", _TWO: "two",
    _RIGHT: "right", _WRONG: "wrong", _ON: "on",
}  # fmt: skip
_SIZE = (4.4, 2.5)  # inches: as wide as a phone
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "ooc-train",
    "text.parse_math": False,
    "font.size": 7.2,
    "font.family": "sans-serif",
    "text.color": _INK,
    "axes.edgecolor": _FAINT,
    "axes.labelcolor": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": _FAINT,
    "grid.alpha": 0.35,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "lines.linewidth": 1.6,
    "figure.constrained_layout.use": True,
}
_CELL, _ROOMY_CELL, _LABEL = 0.26, 0.38, 0.062  # inches: a cell of the matrix, a letter beside it
_BORDERS = {"-": "solid", "--": "dashed", ":": "dotted"}
_MOST_BARS = 40
_SHARES = (-0.02, 1.03)  # limits of an axis of shares

_CURVES = {
    "loss": (("loss", "train", _ONE, "-"), ("val_loss", "validation", _TWO, "-")),
    "accuracy": (
        ("accuracy", "train", _ONE, "-"),
        ("val_accuracy", "validation", _TWO, "-"),
        ("val_macro_f1", "validation, macro F1", _TWO, "--"),
        ("val_top_5_accuracy", "validation, top 5", _TWO, ":"),
    ),
}


def curves(
    epochs: Sequence[dict[str, Any]],
    figure: str,
    best_epoch: float | None,
    inside: Sequence[dict[str, Any]] = (),
) -> str:
    """The ``"loss"`` or ``"accuracy"`` of train and validation rows after each epoch.

    The figure of accuracies also has the validation rows' other scores between 0 and 1.  Points
    ``inside`` epochs, of a sample of the validation rows, are dots without a line.
    """
    legend: list[Key] = []
    with _drawing() as (axes, svg):
        numbers = range(1, len(epochs) + 1)
        size = 3 if len(epochs) <= _MOST_BARS else 0
        for name, label, colour, style in _CURVES[figure]:
            values = [epoch[name] for epoch in epochs if epoch.get(name) is not None]
            if values:
                axes.plot(numbers, values, f"o{style}", ms=size, color=colour)
                legend.append(Key(label, _VARIABLES[colour], _BORDERS[style]))
        if inside:
            times = [point["epoch"] for point in inside]
            values = [point[f"val_{figure}"] for point in inside]
            axes.plot(times, values, ".", ms=2.5, color=_TWO, alpha=0.6)
            legend.append(Key(counted(inside[0]["rows"], "validation row"), "two", "dots"))
        if best_epoch:
            axes.axvline(best_epoch, color=_INK, ls=":", lw=1)
            legend.append(Key("kept", "ink", "dotted"))
        _by_epoch(axes, 1, len(epochs))
    return keys(legend) + svg[0]


def learning_rate(epochs: Sequence[dict[str, Any]]) -> str:
    """The learning rate of each epoch's last step."""
    with _drawing() as (axes, svg):
        rates = [epoch["learning_rate"] for epoch in epochs]
        axes.plot(range(1, len(epochs) + 1), rates, "o-", ms=3, color=_ONE)
        axes.set(ylim=(0, None))
        _by_epoch(axes, 1, len(epochs))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    return svg[0]


def speed(rates: Mapping[int, float]) -> str:
    """Rows per second of each epoch's training, by the epoch's number."""
    with _drawing() as (axes, svg):
        first, *_, last = [*rates, *rates]
        if len(rates) <= _MOST_BARS:
            axes.bar(list(rates), list(rates.values()), 0.7, color=_ONE)
        else:  # bars would be as thin as hairs
            edges = np.arange(first, last + 2) - 0.5
            axes.stairs(list(rates.values()), edges, fill=True, color=_ONE)
        axes.grid(axis="x", visible=False)
        _by_epoch(axes, first, last)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: compact(value)))
    return svg[0]


def memory(over_time: dict[str, list[float]], levels: dict[str, float]) -> str:
    """Resident and anonymous memory over time, with a line at each of the ``levels`` in bytes."""
    legend: list[Key] = []
    with _drawing() as (axes, svg):
        scale, unit = (60, "minutes") if over_time["seconds"][-1] > 600 else (1, "seconds")
        seconds = np.array([0, *over_time["seconds"]]) / scale
        for name, label, colour in (
            ("rss_bytes", "resident", _ONE),
            ("anon_bytes", "anonymous", _TWO),
        ):
            megabytes = np.array(over_time[name]) / 1e6
            axes.stairs(megabytes, seconds, baseline=None, color=colour, lw=1.4)
            legend.append(Key(label, _VARIABLES[colour], "solid"))
        for (name, level), style in zip(levels.items(), ("--", ":"), strict=False):
            axes.axhline(level / 1e6, color=_INK, lw=1, ls=style)
            legend.append(Key(name, "ink", _BORDERS[style]))
        axes.set(xlabel=unit, xlim=(0, seconds[-1]), ylim=(0, axes.get_ylim()[1]))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    return keys(legend) + svg[0]


def roc(curve: dict[str, list[float]], names: Sequence[str]) -> str:
    """The ROC curve of the second of two classes: its recall by its false positive rate."""
    one, _ = map(shortened, names)
    with _drawing() as (axes, svg):
        axes.plot([0, 1], [0, 1], color=_FAINT, ls=":")
        axes.plot([0, *curve["false_positive_rate"]], [0, *curve["recall"]], color=_ONE)
        axes.set(xlabel=f"share of {one} taken for the other", xlim=_SHARES, ylim=_SHARES)
    return svg[0]


def precision_by_recall(curves_of: Sequence[dict[str, list[float]]], names: Sequence[str]) -> str:
    """The precision of each of two classes by its recall."""
    legend = []
    with _drawing() as (axes, svg):
        for curve, name, colour in zip(curves_of, names, (_ONE, _TWO), strict=True):
            axes.plot(curve["recall"], curve["precision"], color=colour)
            legend.append(Key(shortened(name), _VARIABLES[colour], "solid"))
        axes.set(xlabel="recall", xlim=_SHARES, ylim=_SHARES)
    return keys(legend) + svg[0]


def lengths(counts: Sequence[int], width: int, median: float, unit: str) -> str:
    """How many rows have how many words: ``counts[i]`` from ``i * width`` on, ``width`` numbers."""
    with _drawing() as (axes, svg):
        edges = np.arange(len(counts) + 1) * width
        axes.stairs(counts, edges, fill=True, color=_ONE)
        axes.axvline(median, color=_TWO, lw=1.4)
        axes.grid(axis="x", visible=False)
        axes.set(xlabel=unit, xlim=(0, edges[-1]))
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(FuncFormatter(lambda value, _: compact(value)))
    return keys([Key(f"median {median:g}", "two", "solid")]) + svg[0]


def confusion(counts: Sequence[Sequence[int]], names: Sequence[str]) -> str:
    """Rows by class (down) and predicted class (across); darker cells hold more of their class."""
    matrix = np.array(counts)
    n = len(matrix)
    cell_inches = max(_CELL, 1.8 / n)
    labels = [shortened(name) for name in names]
    side = n * cell_inches + 0.3 + _LABEL * max(map(len, labels))
    with _drawing((side, side)) as (axes, svg):
        axes.grid(False)
        axes.set(xlim=(0, n), ylim=(n, 0), aspect="equal")
        for spine in axes.spines.values():
            spine.set_visible(False)
        _draw_cells(axes, matrix, cell_inches)
        size = min(9, 72 * cell_inches * 0.75)
        axes.set_xticks(np.arange(n) + 0.5, labels, rotation=90 if n > 3 else 0, size=size)
        axes.set_yticks(np.arange(n) + 0.5, labels, size=size)
        axes.tick_params(length=0, pad=2)
        axes.xaxis.tick_top()
    return svg[0]


def _draw_cells(axes: Axes, matrix: I64, cell_inches: float) -> None:
    """Draw a square and its count for each cell of a matrix that is not zero."""
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    for right, colour in ((True, _RIGHT), (False, _WRONG)):
        cells = [(i, j) for i, j in np.argwhere(matrix).tolist() if (i == j) == right]
        # The root of the share: the share itself would make the rarer errors invisible.
        colours = [(colour, 0.1 + 0.8 * shares[i, j] ** 0.5) for i, j in cells]
        patches = [Rectangle((j + 0.04, i + 0.04), 0.92, 0.92) for i, j in cells]
        axes.add_collection(PatchCollection(patches, facecolors=colours))
        for i, j in cells:
            count = int(matrix[i, j])
            text = compact(count) if cell_inches < _ROOMY_CELL else f"{count:,}"
            size = min(9, 72 * cell_inches * 1.35 / max(2, len(text)), 72 * cell_inches * 0.55)
            ink = _ON if shares[i, j] > 0.35 else _INK
            axes.text(j + 0.5, i + 0.5, text, ha="center", va="center", size=size, color=ink)


def _by_epoch(axes: Axes, first: int, last: int) -> None:
    """Ticks at whole epochs, with room for half a bar at both ends."""
    axes.set(xlabel="epoch", xlim=(first - 0.6, last + 0.6))
    axes.xaxis.set_major_locator(MaxNLocator(10, integer=True, min_n_ticks=1))


@contextmanager
def _drawing(size: tuple[float, float] = _SIZE) -> Iterator[tuple[Axes, list[str]]]:
    """Axes to draw on, and a list that has their SVG as its one item after the block."""
    svg: list[str] = []
    with mpl.rc_context(_STYLE), warnings.catch_warnings():
        # matplotlib only measures the text; the browser draws it, with fonts of its own.
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        figure = Figure(figsize=size)
        yield figure.add_subplot(), svg
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    svg.append(_for_page(buffer.getvalue()))


def _for_page(text: str) -> str:
    """The ``svg`` element alone, with the page's colours and font."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    for colour, name in _VARIABLES.items():
        text = text.replace(colour, f"var(--{name})")
    text = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font-size: \1", text)
    return re.sub(r"\s*\n\s*", "\n", text)
