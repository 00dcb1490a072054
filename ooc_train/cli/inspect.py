"""``ooc-inspect``: what is in a converted file."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ooc_train.cli.bars import progress_of
from ooc_train.cli.command import Command, SharedOptions, measured, say, write_report
from ooc_train.cli.options import Given
from ooc_train.cli.streams import show
from ooc_train.errors import FormatError
from ooc_train.file.provenance import column_names
from ooc_train.options import REQUIRED, option
from ooc_train.outputs import OutputOptions, check_outputs

_DESCRIPTION = """\
Show what is in a converted file: splits, rows and classes with their counts, features,
sizes, and where the rows came from.  Only the labels are read, and TensorFlow is not
loaded.

--plot also draws the rows by class, the lengths of train rows and the most frequent
terms, which needs matplotlib.

--verify reads the whole file instead and compares it with its checksums.  A damaged file
is an error, with the split, the array and the rows of each damage."""

_EXAMPLE = """\
  ooc-inspect reviews.h5
  ooc-inspect reviews.h5 --plot overview.png
  ooc-inspect reviews.h5 --verify"""
MAX_CLASSES_SHOWN = 60
MAX_COLUMNS_SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class InspectOptions:
    """The file to inspect, and how."""

    data: Path = option(REQUIRED, "a file written by ooc-convert", positional=True)
    verify: bool = option(False, "compare all rows with their checksums")
    plot: Path | None = option(None, "draw the overview to FILE, a .png, .svg or .pdf file")


COMMAND = Command("ooc-inspect", _DESCRIPTION, _EXAMPLE, [InspectOptions, OutputOptions])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    return COMMAND.run(_work, arguments)


def _work(given: Given) -> dict[str, Any]:
    options, shared = given.made(InspectOptions), given.made(SharedOptions)
    outputs = {"the plot": options.plot, **shared.outputs}
    force = given.made(OutputOptions).force
    check_outputs(outputs, [options.data], force=force)
    if options.verify:
        return _verify(given)
    from ooc_train.inspection.describe import inspect  # noqa: PLC0415 - --help stays instant

    report = measured(lambda: inspect(options.data))
    say(shared, *_lines(report))
    if options.plot:
        from ooc_train.inspection.overview import draw_overview  # noqa: PLC0415 - as above

        draw_overview(options.data, options.plot, force=force)
    return report


def _verify(given: Given) -> dict[str, Any]:
    from ooc_train.inspection.verify import verify  # noqa: PLC0415 - as above

    options, shared = given.made(InspectOptions), given.made(SharedOptions)
    report = measured(lambda: verify(options.data, progress=progress_of(quiet=shared.quiet)))
    damaged = report["damaged"]
    show(*(damage["text"] for damage in damaged))
    if damaged:
        write_report(given, report)
        raise FormatError(
            f"{options.data} is damaged in {len(damaged)} places, the first in "
            f"{damaged[0]['text']}; convert the source again with ooc-convert"
        )
    say(
        shared,
        f"{options.data}: whole; {report['blocks']:,} blocks of {report['arrays']} arrays, "
        f"{report['bytes'] / 1e6:,.1f} MB, match their checksums ({report['seconds']:.1f} s)",
    )
    return report


def _lines(report: dict[str, Any]) -> list[str]:
    parameters = ", ".join(f"{key} {value}" for key, value in report["vectorizer"].items())
    splits, terms = report["splits"], report["kept_terms"]
    return [
        f"{report['path']}: {report['bytes'] / 1e6:,.1f} MB, format {report['format_version']}, "
        f"written by {report['producer']}",
        f"features: {report['features']}, {report['n_features']:,} columns"
        + ("" if terms is None else f" of {terms:,} kept terms")
        + f" ({parameters})",
        "",
        f"{'split':<12}{'rows':>12}{'entries':>15}{'a row':>8}{'MB':>10}",
        *(
            f"{name:<12}{split['rows']:>12,}{split['entries']:>15,}"
            f"{split['entries_per_row']:>8.1f}{split['bytes'] / 1e6:>10,.1f}"
            for name, split in splits.items()
        ),
        "",
        *_class_lines(report["classes"], splits),
        "",
        *_source_lines(report["provenance"]),
    ]


def _class_lines(classes: Sequence[dict[str, str]], splits: dict[str, Any]) -> list[str]:
    width = max(8, *(len(entry["label"]) for entry in classes))
    name_width = max(4, *(len(entry["name"]) for entry in classes))
    head = f"{'label':<{width}}{'name':<{name_width}}" + "".join(f"{s:>12}" for s in splits)
    lines = [
        f"{entry['label']:<{width}}{entry['name']:<{name_width}}"
        + "".join(f"{split['class_counts'][i]:>12,}" for split in splits.values())
        for i, entry in enumerate(classes[:MAX_CLASSES_SHOWN])
    ]
    hidden = len(classes) - len(lines)
    return [head, *lines] + ([f"... and {hidden} more classes"] if hidden else [])


def _source_lines(provenance: dict[str, Any]) -> list[str]:
    return [
        f"{split} from {', '.join(f['name'] for f in files)} "
        f"({sum(f['bytes'] for f in files) / 1e6:,.1f} MB)"
        for split, files in provenance["sources"].items()
    ] + [
        *_column_lines(provenance.get("layout", {})),
        f"seed {provenance['seed']}, validation fraction {provenance['validation_fraction']}, "
        f"{provenance['replaced_rows']:,} rows with invalid UTF-8, "
        f"{provenance['empty_rows']:,} without a word",
    ]


def _column_lines(layout: dict[str, Any]) -> list[str]:
    names = column_names(layout)
    if names is None:
        return []
    more = len(names.columns) - MAX_COLUMNS_SHOWN
    shown = ", ".join(names.columns[:MAX_COLUMNS_SHOWN])
    return [f"columns {shown}{f' and {more:,} more' if more > 0 else ''}, class {names.label}"]


if __name__ == "__main__":
    sys.exit(main())
