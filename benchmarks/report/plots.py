"""Plots of figures as SVG, from the JSON files of earlier runs.  They need matplotlib, [plots]."""

import importlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.measure.harness import COMPLETED
from ooc_train.errors import InputError
from ooc_train.extras import pip_install

Record = Mapping[str, Any]
_COLOURS = (
    "#2a6fbb",
    "#d1495b",
    "#3a9a63",
    "#edae49",
    "#7a5195",
    "#6c757d",
    "#17a2a4",
    "#a05d2c",
    "#111111",
    "#e377c2",
)
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "ooc-train",  # the same figures give the same bytes
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "legend.frameon": False,
}


def draw(source: Path, target: Path) -> list[Path]:
    """Draw to `target` what the JSON files in `source` have figures for; the files written.

    Raises InputError if matplotlib is not installed.
    """
    pyplot = _pyplot()
    written = []
    for name, (benchmark, plot) in PLOTS.items():
        path = source / f"{benchmark}.json"
        if path.is_file():
            target.mkdir(parents=True, exist_ok=True)
            written.append(target / f"{name}.svg")
            with pyplot.rc_context(_STYLE):
                _draw_one(plot, json.loads(path.read_text("utf-8")), written[-1], pyplot)
    return written


def _draw_one(plot: Callable[[Record, Any], None], record: Record, path: Path, pyplot: Any) -> None:
    figure, axes = pyplot.subplots(figsize=(8, 4.5), layout="constrained")
    plot(record, axes)
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    pyplot.close(figure)


def _pyplot() -> Any:
    try:
        matplotlib = importlib.import_module("matplotlib")
    except ImportError as error:
        raise InputError(f"plots need matplotlib: {pip_install(extra='plots')}") from error
    matplotlib.use("Agg")
    return importlib.import_module("matplotlib.pyplot")


def memory_over_time(record: Record, axes: Any) -> None:
    """Anonymous memory of each system at the largest input that it was given, against the cap."""
    last: dict[str, Record] = {}
    for case in record["cases"]:
        if case["run"]["cap_bytes"] and case["run"]["memory"]["timeline"]["seconds"]:
            last[_label(case)] = case
    for colour, (label, case) in zip(_cycled(last), last.items(), strict=True):
        timeline = case["run"]["memory"]["timeline"]
        megabytes = [n_bytes / 1e6 for n_bytes in timeline["anon_bytes"]]
        share = case["input_bytes"] / record["cap_bytes"]
        outcome = "" if case["run"]["outcome"] == COMPLETED else ", killed"
        axes.plot(
            timeline["seconds"],
            megabytes,
            color=colour,
            label=f"{label}, {share:.1f} × cap{outcome}",
        )
        if outcome:
            axes.plot(timeline["seconds"][-1], megabytes[-1], "x", color=colour, markersize=9)
    axes.axhline(record["cap_bytes"] / 1e6, color="black", linestyle="--", linewidth=1)
    axes.set(
        xlabel="seconds",
        ylabel="anonymous memory, MB",
        xscale="symlog",
        xlim=(0, None),
        ylim=(0, None),
    )
    _legend_below(axes)
    axes.set_title(f"Memory over time under a limit of {record['cap_bytes'] / 1e6:.0f} MB (dashed)")


def peak_memory(record: Record, axes: Any) -> None:
    """Peak anonymous memory of each system against rows; crosses were killed."""
    labels = dict.fromkeys(_label(case) for case in record["cases"] if case["run"]["cap_bytes"])
    for colour, label in zip(_cycled(labels), labels, strict=True):
        cases = [
            case
            for case in record["cases"]
            if _label(case) == label and case["run"]["memory"]["anon_bytes"]
        ]
        rows = [case["rows"] for case in cases]
        peaks = [case["run"]["memory"]["anon_bytes"] / 1e6 for case in cases]
        axes.plot(rows, peaks, "-", color=colour, label=label)
        for row, peak, case in zip(rows, peaks, cases, strict=True):
            done = case["run"]["outcome"] == COMPLETED
            axes.plot(row, peak, "o" if done else "x", color=colour, markersize=5 if done else 9)
    axes.axhline(record["cap_bytes"] / 1e6, color="black", linestyle="--", linewidth=1)
    axes.set(xlabel="rows", ylabel="peak anonymous memory, MB", xscale="log", ylim=(0, None))
    _legend_below(axes)
    axes.set_title("Peak memory against rows; the limit is dashed, crosses were killed by it")


def _legend_below(axes: Any) -> None:
    """The systems' names below the plot, where no line crosses them."""
    axes.figure.set_figheight(6)
    axes.figure.legend(fontsize=8, ncols=2, loc="outside lower center")


def rows_per_second(record: Record, axes: Any) -> None:
    """Rows/s of each system that read n-gram rows, shuffled, page cache warm."""
    systems = next(
        result["page_cache"]["warm"]
        for result in reversed(record["results"])
        if "warm" in result["page_cache"]
    )
    speeds = {
        name: system["rows_per_second"]
        for name, system in systems.items()
        if system["rows_per_second"]
    }
    names = sorted(speeds, key=lambda name: speeds[name]["median"])
    medians = [speeds[name]["median"] for name in names]
    colours = [_COLOURS[0] if name.startswith("ooc-train") else _COLOURS[5] for name in names]
    axes.barh(names, medians, color=colours)
    for position, median in enumerate(medians):
        axes.text(median * 1.1, position, f"{median:,.0f}", va="center", fontsize=8)
    axes.set(xscale="log", xlabel="rows/s in the first epoch, page cache warm")
    axes.grid(visible=False, axis="y")
    axes.margins(x=0.2)
    axes.set_title(f"Reading {record['results'][-1]['title']}")


def time_and_accuracy(record: Record, axes: Any) -> None:
    """From CSV to a model: seconds, and accuracy on test rows."""
    done = {name: system for name, system in record["systems"].items() if system["accuracy"]}
    for colour, (name, system) in zip(_cycled(done), done.items(), strict=True):
        place = system["seconds_to_model"]["median"], system["accuracy"]["median"]
        axes.plot(*place, "o", color=colour, markersize=9)
        axes.annotate(name, place, xytext=(8, 4), textcoords="offset points", fontsize=9)
    axes.set(xscale="log", xlabel="seconds from CSV to the model", ylabel="accuracy on test rows")
    axes.margins(x=0.45, y=0.15)
    axes.set_title(record["title"])


PLOTS: dict[str, tuple[str, Callable[[Record, Any], None]]] = {
    "memory-over-time": ("memory", memory_over_time),
    "peak-memory": ("memory", peak_memory),
    "rows-per-second": ("read", rows_per_second),
    "time-and-accuracy": ("end-to-end", time_and_accuracy),
}
"""By file name, the benchmark whose JSON has the figures, and the function that draws them."""


def _label(case: Record) -> str:
    features = "" if case["stage"] == "convert" else f", {case['features']}"
    return f"{case['system']} ({case['stage']}{features})"


def _cycled(items: Iterable[Any]) -> Sequence[str]:
    return [_COLOURS[k % len(_COLOURS)] for k, _ in enumerate(items)]
