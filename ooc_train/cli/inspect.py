"""``ooc-inspect``: what is in a converted file, or what rows are before any conversion."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ooc_train.cli.bars import LOADING, begun
from ooc_train.cli.command import Command, SharedOptions, measured, say, write_report
from ooc_train.cli.exploration import duplicate_lines, exploration_lines
from ooc_train.cli.options import Given
from ooc_train.cli.streams import show
from ooc_train.cli.tables import aligned
from ooc_train.conversion.options import Paths, RowOptions
from ooc_train.conversion.sources.database import QueryOptions
from ooc_train.counts import counted
from ooc_train.errors import FormatError, OptionError
from ooc_train.file.provenance import column_names
from ooc_train.json_text import as_json
from ooc_train.memory import default_budget
from ooc_train.options import listed_flags, option
from ooc_train.outputs import CONVERTED, OutputOptions, check_outputs
from ooc_train.progress import Progress
from ooc_train.remote.url import located
from ooc_train.report.drawing import check_library

_DESCRIPTION = """\
Show what is in a converted file, or what rows are before they are converted.

A converted file: splits, rows and classes with their counts, features, sizes, where the
rows came from, and of n-grams the terms that tell most about each class, by the score
that selected them.  For these at most 100,000 rows are read.  --duplicates reads all, and
finds rows of equal features within and between splits.  --verify reads the whole file
instead and compares it with its checksums.  A damaged file is an error, with the split,
the array and the rows of each damage.

Rows: whatever ooc-convert reads, with the same options.  They are read once, in bounded
memory: classes, words in a row and the ratio of Google's guide, the most frequent terms
and those that tell most about each class, duplicates within and between splits, exact
and near, rows that could not be used, and what converting and an epoch would take here.
Texts are near duplicates where about 0.8 of their words and pairs of words are common.

--plot draws the classes, the lengths of rows and the terms; --html writes all as a page.
Both need matplotlib."""

_EXAMPLE = """\
  ooc-inspect reviews.h5
  ooc-inspect reviews.h5 --plot overview.png
  ooc-inspect reviews.h5 --duplicates
  ooc-inspect reviews.h5 --verify
  ooc-inspect train.csv --test test.csv
  ooc-inspect 'part*.jsonl.zst' --text title,body --label stars --html rows.html"""
MAX_CLASSES_SHOWN = 60
MAX_COLUMNS_SHOWN = 20
TERMS_SHOWN = 8
_HDF5 = b"\x89HDF\r\n\x1a\n"


@dataclass(frozen=True, kw_only=True)
class InspectOptions:
    """The file or the rows to inspect, and how."""

    data: Paths = option(
        (),
        "a file written by ooc-convert; or files or folders of training rows, patterns, or - for "
        "standard input; a query of a database may take their place, see --sql",
        positional=True,
    )
    verify: bool = option(False, "compare all rows of a converted file with their checksums")
    duplicates: bool = option(
        False,
        "also find rows of a converted file with equal features; of rows that are not converted, "
        "duplicates are found in any case",
    )
    json: bool = option(False, "print the report as JSON in place of lines for people")
    plot: Path | None = option(None, "draw the overview to FILE, a .png, .svg or .pdf file")
    html: Path | None = option(None, "write all of it as a page to FILE, which opens offline")

    @property
    def outputs(self) -> dict[str, Path | None]:
        """The files that are written."""
        return {"the plot": self.plot, "the page": self.html}


COMMAND = Command(
    "ooc-inspect", _DESCRIPTION, _EXAMPLE, [InspectOptions, QueryOptions, RowOptions, OutputOptions]
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    return COMMAND.run(_work, arguments)


def _work(given: Given) -> dict[str, Any]:
    options, shared = given.made(InspectOptions), given.made(SharedOptions)
    progress = begun(LOADING, quiet=shared.quiet)
    converted = _converted(options.data)
    if converted is None:
        return _explore(given, progress)
    of_rows = given.keywords(RowOptions) | given.keywords(QueryOptions)
    if of_rows:
        raise OptionError(
            f"{converted} is converted already; {listed_flags(of_rows)} cannot be used with it"
        )
    from ooc_train.file.shards import data_files  # noqa: PLC0415 - --help stays instant

    outputs = {**options.outputs, **shared.outputs}
    force = given.made(OutputOptions).force
    check_outputs(outputs, data_files(converted), force=force)
    _check_drawings(options)
    if options.verify:
        return _verify(given, converted, progress)
    from ooc_train.inspection.describe import inspect  # noqa: PLC0415 - as above

    report = measured(
        lambda: inspect(
            converted,
            terms=True,
            duplicates=options.duplicates,
            progress=progress,
        )
    )
    _say(given, report, _lines(report))
    if options.plot:
        from ooc_train.inspection.overview import draw_overview  # noqa: PLC0415 - as above

        draw_overview(converted, options.plot, force=force)
    if options.html:
        from ooc_train.inspection.page import write_description  # noqa: PLC0415 - as above

        write_description(converted, report, options.html, force=force)
    return report


def _converted(data: Paths) -> Path | None:
    """The one converted file among what is named; ``None`` if rows are named."""
    named = [located(one) for one in data]
    found = [path for path in named if _is_converted(path)]
    if found and len(named) > 1:
        raise OptionError(
            f"{found[0]} is a converted file, of which one is inspected at a time; leave the "
            f"others out"
        )
    return found[0] if found else None


def _is_converted(path: Path) -> bool:
    """Whether a path is that of a converted file or index, or of a run, or would be."""
    from ooc_train.file.index import BEGINNING_BYTES, is_index  # noqa: PLC0415 - as above

    if path.suffix in CONVERTED or (path / "settings.json").is_file():
        return True
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            beginning = file.read(BEGINNING_BYTES)
    except OSError:  # of which the reader of rows tells
        return False
    return beginning.startswith(_HDF5) or is_index(beginning)


def _explore(given: Given, progress: Progress) -> dict[str, Any]:
    """Look at rows that are not converted."""
    options, shared = given.made(InspectOptions), given.made(SharedOptions)
    query, of_rows = given.made(QueryOptions), given.made(RowOptions)
    if options.verify:
        raise OptionError("--verify is for a converted file; rows have no checksums")
    rows = query.rows(of_rows.memory_bytes or default_budget(), Path(of_rows.temp_dir or "."))
    if (rows is None) == (not options.data):
        raise OptionError(
            "name a converted file or files of rows, or give --sql and --database"
            if rows is None
            else f"the rows are those of the query; leave out {options.data[0]}"
        )
    outputs, force = {**options.outputs, **shared.outputs}, given.made(OutputOptions).force
    check_outputs(outputs, force=force)
    _check_drawings(options)
    from ooc_train.inspection.raw.explore import explore  # noqa: PLC0415 - as above

    report = explore(
        rows or options.data,
        progress=progress,
        more_outputs=outputs,
        **given.keywords(RowOptions),
    )
    _say(given, report, exploration_lines(report))
    _draw(options, report, force=force)
    return report | query.report


def _check_drawings(options: InspectOptions) -> None:
    """Raise an error for a page or a plot that cannot be drawn, before the rows are read."""
    if options.html:
        check_library(options.html)
    if options.plot:
        from ooc_train.report.panels import check_picture  # noqa: PLC0415 - as above

        check_picture(options.plot)
    if options.verify and (options.html or options.plot):
        raise OptionError("--verify draws nothing; leave out --html and --plot")


def _draw(options: InspectOptions, report: dict[str, Any], *, force: bool) -> None:
    """Draw rows that are not converted, as a page and as a picture."""
    title = ", ".join(Path(one).name for one in options.data) or "the query"
    if options.html:
        from ooc_train.inspection.page import write_exploration  # noqa: PLC0415 - as above

        write_exploration(report, title, options.html, force=force)
    if options.plot:
        from ooc_train.inspection.overview import draw_exploration  # noqa: PLC0415 - as above

        draw_exploration(report, title, options.plot, force=force)


def _say(given: Given, report: dict[str, Any], lines: Iterable[str]) -> None:
    """Print the report, as lines for people or as JSON."""
    if given.made(InspectOptions).json:
        show(*as_json(report).splitlines())
    else:
        say(given.made(SharedOptions), *lines)


def _verify(given: Given, path: Path, progress: Progress) -> dict[str, Any]:
    from ooc_train.inspection.verify import verify  # noqa: PLC0415 - as above

    report = measured(lambda: verify(path, progress=progress))
    damaged = report["damaged"]
    if not given.made(InspectOptions).json:
        show(*(damage["text"] for damage in damaged))
    if damaged:
        write_report(given, report)
        raise FormatError(
            f"{path} is damaged in {counted(len(damaged), 'place')}, the first in "
            f"{damaged[0]['text']}; convert the source again with ooc-convert"
        )
    _say(
        given,
        report,
        [
            f"{path}: whole; {counted(report['blocks'], 'block')} of "
            f"{counted(report['arrays'], 'array')}, "
            f"{report['bytes'] / 1e6:,.1f} MB, match their checksums ({report['seconds']:.1f} s)",
        ],
    )
    return report


def _shard_lines(shards: Sequence[Any]) -> list[str]:
    """How many shards an index has, and how large they are; nothing of a single file."""
    if not shards:
        return []
    sizes = [shard["bytes"] / 1e6 for shard in shards]
    return [f"{counted(len(shards), 'shard')} of {min(sizes):,.1f} to {max(sizes):,.1f} MB"]


def _lines(report: dict[str, Any]) -> list[str]:
    parameters = ", ".join(f"{key} {value}" for key, value in report["vectorizer"].items())
    splits, terms = report["splits"], report["kept_terms"]
    return [
        f"{report['path']}: {report['bytes'] / 1e6:,.1f} MB, format {report['format_version']}, "
        f"written by {report['producer']}",
        *_shard_lines(report.get("shards", [])),
        f"features: {report['features']}, {counted(report['n_features'], 'column')}"
        + ("" if terms is None else f" of {counted(terms, 'kept term')}")
        + f" ({parameters})",
        "",
        *aligned(
            [
                ("split", "rows", "entries", "a row", "MB"),
                *(
                    (
                        name,
                        f"{split['rows']:,}",
                        f"{split['entries']:,}",
                        f"{split['entries_per_row']:.1f}",
                        f"{split['bytes'] / 1e6:,.1f}",
                    )
                    for name, split in splits.items()
                ),
            ],
            1,
        ),
        "",
        *_class_lines(report["classes"], splits),
        *_term_lines(report["terms"], report["classes"]),
        *_duplicate_lines(report),
        "",
        *_source_lines(report["provenance"]),
    ]


def _class_lines(classes: Sequence[dict[str, str]], splits: dict[str, Any]) -> list[str]:
    rows = [("label", "name", *splits)]
    for i, entry in enumerate(classes[:MAX_CLASSES_SHOWN]):
        counts = [f"{split['class_counts'][i]:,}" for split in splits.values()]
        rows.append((entry["label"], entry["name"], *counts))
    hidden = len(classes) - len(rows) + 1
    return aligned(rows, 2) + ([f"... and {counted(hidden, 'more class')}"] if hidden else [])


def _term_lines(terms: dict[str, Any] | None, classes: Sequence[dict[str, str]]) -> list[str]:
    """A line for each of the largest classes with the terms that tell most about it."""
    if not terms or not terms["telling"]:
        return []
    score = terms["score"] or "f_classif of their presence"
    rows = [
        (classes[one["class"]]["name"], ", ".join(t["term"] for t in one["terms"][:TERMS_SHOWN]))
        for one in terms["telling"]
    ]
    return ["", f"terms by {score} between the class and all others:", *aligned(rows, 2)]


def _duplicate_lines(report: dict[str, Any]) -> list[str]:
    if "duplicates" not in report:
        return []
    rows = {name: split["rows"] for name, split in report["splits"].items()}
    return ["", *duplicate_lines(report["duplicates"], rows, "features")]


def _source_lines(provenance: dict[str, Any]) -> list[str]:
    return [
        f"{split} from {', '.join(f['name'] for f in files)} "
        f"({sum(f['bytes'] for f in files) / 1e6:,.1f} MB)"
        for split, files in provenance["sources"].items()
    ] + [
        *_column_lines(provenance.get("layout", {})),
        f"seed {provenance['seed']}, validation fraction {provenance['validation_fraction']}, "
        f"{counted(provenance['replaced_rows'], 'row')} with invalid UTF-8, "
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
