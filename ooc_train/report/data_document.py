"""The page of labelled rows, converted or not, as HTML."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ooc_train.counts import counted
from ooc_train.report import figures
from ooc_train.report.elements import (
    Bar,
    Card,
    Tile,
    advice,
    bars,
    card,
    cards,
    cell,
    definitions,
    duration,
    escaped,
    line,
    lists,
    megabytes,
    page_of,
    share_cell,
    table,
    tiles,
)
from ooc_train.report.lengths import binned

MAX_CLASSES = 200
_FEW_CLASSES = 8
_KINDS = {
    "repeated": "{} that another row of the split has",
    "leaked": "{} that a train row has",
    "nearly_repeated": "nearly {} of another row of the split",
    "nearly_leaked": "nearly {} of a train row",
}
"""Sentences about duplicates, each with what is the same."""
_SCORES = {
    None: "the ANOVA F of their presence",
    "f_classif": "the score that selected them, the ANOVA F of their values, between the class and "
    "all others",
    "chi2": "the score that selected them, chi-square, between the class and all others",
}


def data_page(content: Mapping[str, Any]) -> str:
    """The whole page.

    ``content`` has a ``title``, what is ``said`` below it, ``advice`` (lines), and the parts of the
    report of `explore`: ``classes`` and ``splits``, and, each of which may be ``None``, ``guide``,
    ``terms``, ``duplicates``, ``rejects`` and ``cost``.
    """
    groups = [
        [_classes(content), *_lengths(content)],
        [*_terms(content)],
        [*_troubles(content), *_files(content)],
    ]
    body = tiles([*_tiles(content)]) + advice(content["advice"]) + cards(groups)
    return page_of(content["title"], content["said"], body)


def _tiles(content: Mapping[str, Any]) -> Iterator[Tile]:
    for name, split in content["splits"].items():
        yield Tile(f"{split['rows']:,}", f"{name} rows")
    yield Tile(f"{len(content['classes']):,}", "classes")
    guide = content.get("guide")
    if guide:
        said = "rows / median words; n-grams below 1,500"
        yield Tile(f"{guide['median_words']:g}", "words in a median row")
        yield Tile(f"{guide['ratio']:,.0f}", "ratio of Google's guide", said)
    found = content.get("duplicates")
    if found:
        leaked = sum(found["leaked"].values()) + sum(found.get("nearly_leaked", {}).values())
        if len(content["splits"]) > 1:
            same = content.get("same")
            said = f"the same {same}" if same else "the same text, or nearly"
            yield Tile(f"{leaked:,}", "rows in two splits", said)
        repeated = sum(found["repeated"].values())
        yield Tile(f"{repeated:,}", "repeated rows", "within a split")
    if content.get("rejects"):
        yield Tile(f"{content['rejects']['rows']:,}", "rows that cannot be used")


def _classes(content: Mapping[str, Any]) -> Card:
    """The rows of the classes, with those of the train split as bars."""
    splits, classes = list(content["splits"]), content["classes"]
    most = max(1, *(one["rows"]["train"] for one in classes))
    n_train = max(1, content["splits"]["train"]["rows"])
    others = [split for split in splits if split != "train"]
    lines = [
        line(
            [
                cell(one["name"]),
                *(cell(f"{one['rows'][split]:,}") for split in others),
                cell(f"{one['rows']['train'] / n_train:.1%}"),
                share_cell(f"{one['rows']['train']:,}", one["rows"]["train"] / most),
            ]
        )
        for one in classes[:MAX_CLASSES]
    ]
    n_more = len(classes) - len(lines)
    said = f"the first {len(lines):,} of {len(classes):,} classes" if n_more else ""
    body = table(("class", *others, "share", "train"), lines)
    if not _is_beside_lengths(content):
        body += _background(content)
    return card("Rows by class", body, said)


def _lengths(content: Mapping[str, Any]) -> Iterator[Card]:
    train = content["splits"]["train"]
    if train.get("lengths"):
        unit = content["unit"]
        bins = binned({int(length): rows for length, rows in train["lengths"].items()})
        drawn = figures.lengths(bins.counts, bins.width, bins.median, f"{unit} in a row")
        said = f"train rows, in bins of {bins.width:,} {unit}" if bins.width > 1 else "train rows"
        if bins.n_longer:
            said += f"; left out: {counted(bins.n_longer, 'longer one')}, up to {bins.longest:,}"
        body = f'<div class="figure">{drawn}</div>'
        if _is_beside_lengths(content):
            body += _background(content)
        yield card(f"{unit.capitalize()} in a row", body, said, flexible=False)


def _is_beside_lengths(content: Mapping[str, Any]) -> bool:
    """Whether the rows by class take so many lines that the lengths beside them leave room."""
    return len(content["classes"]) > _FEW_CLASSES and "lengths" in content["splits"]["train"]


def _terms(content: Mapping[str, Any]) -> Iterator[Card]:
    terms = content.get("terms")
    if not terms:
        return
    missed = terms["missed_rows"]
    bound = f"; counts may be {counted(missed, 'row')} too low" if missed else ""
    if terms["telling"]:
        names = [one["name"] for one in content["classes"]]
        most = max((term["share"] for one in terms["telling"] for term in one["terms"]), default=1)
        by_class = {names[one["class"]]: _telling(one["terms"], most) for one in terms["telling"]}
        said = (
            f"by {_SCORES[terms.get('score')]}; the share of the class's rows that have each, and "
            f"the share of all other rows{bound}"
        )
        yield card("Terms that tell most about each class", lists(by_class), said, wide=True)
    frequent = terms["frequent"]
    half = -(-len(frequent) // 2)
    columns = [
        bars([Bar(one["term"], one["share"], f"{one['share']:.1%}") for one in part])
        for part in (frequent[:half], frequent[half:])
        if part
    ]
    body = f'<div class="lists">{"".join(f"<div>{one}</div>" for one in columns)}</div>'
    yield card("Terms in most rows", body, f"shares of the train rows{bound}", wide=True)


def _telling(terms: Sequence[Mapping[str, Any]], most: float) -> str:
    return bars(
        [
            Bar(one["term"], one["share"] / most, f"{one['share']:.0%} / {one['elsewhere']:.0%}")
            for one in terms
        ],
        "paired",
    )


def _troubles(content: Mapping[str, Any]) -> Iterator[Card]:
    found, rejects = content.get("duplicates"), content.get("rejects")
    if found:
        yield _duplicates(found, content["splits"], content.get("same", "a text"))
    if rejects and rejects["rows"]:
        lines = [
            line([cell(one["reason"]), cell(one["first"]), cell(f"{one['rows']:,}")])
            for one in rejects["reasons"]
        ]
        body = table(("reason", "the first of them", "rows"), lines)
        yield card("Rows that cannot be used", body, wide=True)


def _duplicates(found: Mapping[str, Any], splits: Mapping[str, Any], same: str) -> Card:
    """The numbers of duplicates, rows with the ``same`` as others, and examples."""
    lines = []
    for kind, said in _KINDS.items():
        n_found = found.get(kind, {})
        for split, n_rows in n_found.items():
            if n_rows:
                share = n_rows / max(1, splits[split]["rows"])
                cells = (f"{split}: {said.format(same)}", f"{n_rows:,}", f"{share:.1%}")
                lines.append(f'<tr class="pair">{"".join(map(cell, cells))}</tr>')
        if any(n_found.values()):
            examples = "".join(map(_example, found["examples"].get(kind, [])))
            lines.append(f'<tr><td class="text" colspan="3">{examples}</td></tr>')
    if found["conflicting"]:
        cells = (f"{same} with rows of several classes", f"{found['conflicting']:,}", "")
        lines.append(line(map(cell, cells)))
    if not lines:
        none = '<p class="quiet">None, neither within a split nor between splits.</p>'
        return card("Duplicates", none, wide=True)
    said = ""
    if "nearly_leaked" in found:
        said = "near ones have about 0.8 of their words and pairs of words in common"
    return card("Duplicates", table(("split", "rows", "share"), lines), said, wide=True)


def _example(example: Mapping[str, Any]) -> str:
    similar = example["similarity"] < 1
    sign = f"≈ ({example['similarity']:.2f})" if similar else "="
    places = f"{example['row']} {sign} {example['other']}"
    texts = [example["text"], example["other_text"] if similar else None]
    shown = "".join(f"<br>{escaped(text)}" for text in texts if text)
    return f'<div class="example"><b>{escaped(places)}</b>{shown}</div>'


def _background(content: Mapping[str, Any]) -> str:
    """The cost of rows that are not converted, or the details of a converted file."""
    cost, details = content.get("cost"), content.get("details")
    if details:
        return f"<h3>The file</h3>{definitions(details)}"
    if not cost:
        return ""
    seconds = cost["epoch_seconds"]
    epoch = f"about {duration(seconds)}" if seconds >= 1 else "less than a second"
    if cost["training_bytes"]:
        epoch += f", {megabytes(cost['training_bytes'])} of memory"
    said = (
        f"Estimates for this machine, from a conversion of {counted(cost['sample_rows'], 'row')}."
    )
    figures_of = {
        "converting": f"{duration(cost['convert_seconds'])}, at most "
        f"{megabytes(cost['memory_budget_bytes'])} of memory",
        "temporary files": megabytes(cost["temporary_bytes"]),
        "converted file": megabytes(cost["output_bytes"]),
        "an epoch": epoch,
    }
    quiet = f'<p class="quiet">{said}</p>'
    return f"<h3>What it would take</h3>{quiet}{definitions(figures_of)}"


def _files(content: Mapping[str, Any]) -> Iterator[Card]:
    files = content.get("files")
    if files:
        lines = [
            line([cell(one["name"]), cell(one.get("split") or ""), cell(f"{one['rows']:,}")])
            for one in files[:MAX_CLASSES]
        ]
        said = f"the first {MAX_CLASSES:,} of {len(files):,}" if len(files) > MAX_CLASSES else ""
        yield card("Files", table(("file", "split", "rows"), lines), said, wide=True)
