"""The lines that ``ooc-inspect`` prints about rows that are not converted."""

from collections.abc import Iterator, Mapping
from typing import Any

from ooc_train.cli.command import megabytes
from ooc_train.counts import counted, rows_by_split
from ooc_train.durations import in_words

_MOST_CLASSES = 30
_TERMS_OF_A_CLASS, _FREQUENT_TERMS = 6, 10
_WIDTH = 100
_EXAMPLES, _EXAMPLE_CHARACTERS = 2, 70
_BARS = " ▁▂▃▄▅▆▇█"
_KINDS = {
    "repeated": ("that another row of the split has, too", "="),
    "leaked": ("that a train row has, too", "="),
    "nearly_repeated": ("that is nearly that of another row of the split", "≈"),
    "nearly_leaked": ("that is nearly that of a train row", "≈"),
}


def exploration_lines(report: dict[str, Any]) -> Iterator[str]:
    """All lines about a report of `explore`."""
    yield _head(report)
    yield from ("", *_classes(report))
    yield from ("", *_splits(report))
    if report["guide"]:
        yield _guide(report["guide"])
    if report["terms"]:
        yield _frequent(report["terms"])
    rows = {name: split["rows"] for name, split in report["splits"].items()}
    what = "a text" if report["guide"] else "numbers"
    yield from ("", *duplicate_lines(report["duplicates"], rows, what))
    yield from _rejects(report["rejects"])
    if report["cost"]:
        yield from ("", *_cost(report["cost"], report["guide"], report["features"]))
    elif report["guide"]:
        yield from ("", "costs are not estimated: some rows alone cannot be converted")
    yield from report["notes"]


def _head(report: dict[str, Any]) -> str:
    rows = rows_by_split({name: split["rows"] for name, split in report["splits"].items()})
    kind = "text" if report["guide"] else f"{report['features']} numbers"
    return (
        f"{rows} of {kind} of {counted(len(report['classes']), 'class')}, read in "
        f"{report['seconds']:.1f} s with {megabytes(report['peak_anon_bytes'])} of memory"
    )


def _classes(report: dict[str, Any]) -> Iterator[str]:
    """A line for each class: its rows by split, its share, and the terms that tell most."""
    splits, classes = list(report["splits"]), report["classes"]
    n_train = max(1, report["splits"]["train"]["rows"])
    terms = {
        one["class"]: ", ".join(term["term"] for term in one["terms"][:_TERMS_OF_A_CLASS])
        for one in (report["terms"] or {"telling": []})["telling"]
    }
    width = min(24, max(5, *(len(one["name"]) for one in classes)))
    head = f"{'class':<{width}}" + "".join(f"{split:>12}" for split in splits) + f"{'share':>8}"
    yield head + ("  telling terms" if terms else "")
    for number, one in enumerate(classes[:_MOST_CLASSES]):
        counts = "".join(f"{one['rows'][split]:>12,}" for split in splits)
        share = one["rows"]["train"] / n_train
        line = f"{_cut(one['name'], width):<{width}}{counts}{share:>8.1%}"
        yield _cut(f"{line}  {terms.get(number, '')}".rstrip(), _WIDTH)
    if len(classes) > _MOST_CLASSES:
        yield f"... and {counted(len(classes) - _MOST_CLASSES, 'more class')}"


def _splits(report: dict[str, Any]) -> Iterator[str]:
    unit = "words" if report["guide"] else "entries"
    for name, split in report["splits"].items():
        found = split.get(unit)
        if found:
            low, middle, high = (found["quantiles"][q] for q in ("0.05", "0.5", "0.95"))
            chart = sparkline(split["lengths"], high)
            yield (
                f"{unit} in a {name} row: {middle:,} in the median row, {low:,} to {high:,} in "
                f"nine of ten, at most {found['most']:,}  {chart}".rstrip()
            )


def sparkline(lengths: dict[int, int], last: int, n_bars: int = 20) -> str:
    """The numbers of rows by their length, from 0 to ``last``, as bars of text.

    All bars stand for equally many lengths.

    >>> sparkline({0: 1, 1: 8, 3: 4}, 3)
    '▁█ ▄'
    """
    step = -(-(last + 1) // n_bars)
    counts = [0] * (last // step + 1)
    for length, n_rows in lengths.items():
        if length <= last:
            counts[length // step] += n_rows
    most = max(1, *counts)
    return "".join(_BARS[-(-count * 8 // most)] for count in counts)


def _guide(figures: dict[str, Any]) -> str:
    kinds = {"ngram": "n-grams", "sequence": "sequences"}
    side = "below" if figures["advised"] == "ngram" else "not below"
    return (
        f"Google's guide: {counted(figures['rows'], 'row')} / {figures['median_words']:g} words "
        f"in a median row = {figures['ratio']:,.0f}, {side} 1,500: {kinds[figures['advised']]}"
    )


def _frequent(terms: dict[str, Any]) -> str:
    shown = [f"{one['term']} {one['share']:.0%}" for one in terms["frequent"][:_FREQUENT_TERMS]]
    missed = terms["missed_rows"]
    bound = f" (counts may be {counted(missed, 'row')} too low)" if missed else ""
    return _cut(f"in most train rows: {', '.join(shown)}", _WIDTH) + bound


def duplicate_lines(
    found: Mapping[str, Any], split_rows: Mapping[str, int], what: str
) -> Iterator[str]:
    """The lines about duplicates, rows with ``what`` other rows have."""
    lines = []
    for kind, (words, sign) in _KINDS.items():
        n_found = found.get(kind, {})
        for split, n_rows in n_found.items():
            if n_rows:
                share = n_rows / split_rows[split]
                n_said = counted(n_rows, f"{split} row")
                lines.append(f"{n_said} ({share:.1%}) with {what} {words}")
        if any(n_found.values()):
            lines += [_example(one, sign) for one in found["examples"].get(kind, [])[:_EXAMPLES]]
    if found["conflicting"]:
        if what == "a text":
            lines.append(f"{counted(found['conflicting'], 'text')} with rows of several classes")
        else:
            groups = counted(found["conflicting"], "group")
            lines.append(f"{groups} of rows with the same {what}, but several classes")
    yield from lines or ["no duplicates, neither in a split nor between them"]


def _example(example: dict[str, Any], sign: str) -> str:
    text = ""
    if example["text"]:
        text = f": {_cut(' '.join(example['text'].split()), _EXAMPLE_CHARACTERS)}"
    return f"  {example['row']} {sign} {example['other']}{text}"


def _rejects(rejects: dict[str, Any]) -> Iterator[str]:
    if not rejects["rows"]:
        yield "every row can be used"
        return
    yield f"{counted(rejects['rows'], 'row')} cannot be used:"
    for one in rejects["reasons"]:
        yield f"  {one['rows']:,}: {one['first'] if one['rows'] == 1 else one['reason']}"


def _cost(cost: dict[str, Any], guide: dict[str, Any], features: str) -> Iterator[str]:
    yield (
        f"estimated from {counted(cost['sample_rows'], 'row')}: converting takes "
        f"{in_words(cost['convert_seconds'])}, "
        f"{megabytes(cost['temporary_bytes'])} of temporary files, at most "
        f"{megabytes(cost['memory_budget_bytes'])} of memory (--memory), and makes a file of "
        f"{megabytes(cost['output_bytes'])}"
    )
    takes = in_words(cost["epoch_seconds"])
    memory = cost["training_bytes"]
    line = f"an epoch takes about {takes}" + (
        f" and {megabytes(memory)} of memory" if memory else ""
    )
    other = {"ngram": "sequence", "sequence": "ngram"}[features]
    instead = in_words(guide["epoch_seconds"][other])
    yield f"{line}; with --features {other} about {instead} on two cores"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
