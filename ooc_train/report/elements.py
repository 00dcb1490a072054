"""Pieces of a page as HTML: cards, tables, bars of text, and lengths of time in words."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any, NamedTuple

from ooc_train.visible import visible

_MOST_TILES = 7
"""The tiles of one row."""


class Card(NamedTuple):
    """One card of a page; a ``wide`` one takes a whole row.

    A ``flexible`` one, such as a table, looks right in half a row and in a whole one.
    """

    html: str
    wide: bool = False
    flexible: bool = False


class Tile(NamedTuple):
    """A figure in large letters, what it is, and a remark below it."""

    value: str
    name: str
    remark: str = ""


class Bar(NamedTuple):
    """A line of a bar chart: its name, its length from 0 to 1, and the value behind it."""

    name: str
    share: float
    value: str


class Key(NamedTuple):
    """An entry of a figure's legend.

    ``colour`` is one of the page's; ``style`` is a border of CSS, or ``dots``.
    """

    label: str
    colour: str
    style: str


def page_of(title: str, said: str, body: str) -> str:
    """A whole page, which loads nothing from anywhere."""
    style = files("ooc_train.report").joinpath("page.css").read_text("utf-8")
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{escaped(title)} · ooc-train</title>
<style>
{style}</style>
</head>
<body><main>
<h1>{escaped(title)}</h1>
<p class="quiet">{escaped(said)}</p>
{body}</main></body>
</html>
"""


def escaped(text: str) -> str:
    """Text as HTML, with what is invisible in it shown."""
    return escape(visible(text))


def tiles(some: Sequence[Tile]) -> str:
    """Tiles in one row or in two, which they fill."""
    columns = len(some) if len(some) <= _MOST_TILES else -(-len(some) // 2)
    items = (
        f"<li><b>{escaped(tile.value)}</b>{escaped(tile.name)}"
        + (f'<span class="quiet">{escaped(tile.remark)}</span>' if tile.remark else "")
        + "</li>"
        for tile in some
    )
    return f'<ul class="tiles" style="--columns:{columns}">{"".join(items)}</ul>\n'


def advice(lines: Sequence[str]) -> str:
    """A card of advice, above all others; empty if there is nothing to say."""
    if not lines:
        return ""
    items = "".join(f"<li>{_with_code(line)}</li>" for line in lines)
    return f'<section class="advice"><h2>What to try next</h2><ul>{items}</ul></section>\n'


def cards(groups: Iterable[Sequence[Card]]) -> str:
    """Groups of cards, two in a row: none stands alone beside an empty place if it can be wide."""
    return f'<div class="cards">\n{"".join(map(_group, groups))}</div>\n'


def _group(some: Sequence[Card]) -> str:
    """The cards of a group, the wide ones last; if one would be left alone, it is made wide."""
    narrow = [card for card in some if not card.wide]
    if len(narrow) % 2:
        last = next((card for card in reversed(narrow) if card.flexible), narrow[-1])
        narrow = [card for card in narrow if card is not last] + [last._replace(wide=True)]
    ordered = [*narrow, *(card for card in some if card.wide)]
    return "".join(
        card.html.replace("<section>", '<section class="wide">', 1) if card.wide else card.html
        for card in ordered
    )


def card(
    title: str, body: str, said: str = "", *, wide: bool = False, flexible: bool = True
) -> Card:
    """A card with a title, a quiet line below it, and a body."""
    line = f'<p class="quiet">{escaped(said)}</p>' if said else ""
    return Card(f"<section><h2>{escaped(title)}</h2>{line}{body}</section>\n", wide, flexible)


def figure(title: str, svg: str, said: str = "") -> Card:
    """A card with a figure."""
    return card(title, f'<div class="figure">{svg}</div>', said, flexible=False)


def keys(some: Sequence[Key]) -> str:
    """The legend of a figure: text of the page, which is legible whatever the figure's size."""
    items = "".join(
        f'<span><i class="{"dots" if key.style == "dots" else "key"}" '
        f'style="color:var(--{key.colour});border-top-style:'
        f'{"none" if key.style == "dots" else key.style}"></i>{escaped(key.label)}</span>'
        for key in some
    )
    return f'<p class="legend">{items}</p>' if some else ""


def table(head: Iterable[str], lines: Iterable[str]) -> str:
    """A table of lines that `line` made."""
    titles = "".join(f"<th>{escaped(title)}</th>" for title in head)
    return (
        f'<div class="scroll"><table><thead><tr>{titles}</tr></thead>\n<tbody>'
        + "\n".join(lines)
        + "</tbody></table></div>"
    )


def line(cells: Iterable[str]) -> str:
    """A line of a table, of cells as HTML."""
    return f"<tr>{''.join(cells)}</tr>"


def cell(text: str) -> str:
    """A cell of a table."""
    return f"<td>{escaped(text)}</td>"


def share_cell(text: str, share: float) -> str:
    """A cell with a number and a bar of its share, from 0 to 1."""
    return f'<td class="share">{escaped(text)}{_bar(share)}</td>'


def bars(some: Sequence[Bar], kind: str = "") -> str:
    """Lines with bars; the class ``kind`` gives them another colour."""
    items = "".join(
        f'<li><span class="name" title="{escaped(one.name)}">{escaped(one.name)}</span>'
        f'{_bar(one.share)}<span class="value">{escaped(one.value)}</span></li>'
        for one in some
    )
    return f'<ul class="bars {kind}">{items}</ul>'


def lists(some: Mapping[str, str]) -> str:
    """Pieces of HTML by their titles, side by side as many as fit."""
    items = "".join(f"<div><h3>{escaped(title)}</h3>{body}</div>" for title, body in some.items())
    return f'<div class="lists">{items}</div>'


def definitions(values: Mapping[str, Any]) -> str:
    """Names with their values."""
    pairs = (
        f"<dt>{escaped(name)}</dt><dd>{escaped(str(value))}</dd>" for name, value in values.items()
    )
    return f"<dl>{''.join(pairs)}</dl>"


def command_line(text: str) -> str:
    """A command to copy."""
    return f'<pre class="scroll">{escaped(text)}</pre>'


def duration(seconds: float) -> str:
    """A length of time for people.

    >>> duration(12.34), duration(75), duration(7300)
    ('12.3 s', '1 min 15 s', '2 h 1 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def megabytes(n_bytes: float) -> str:
    """A size for people."""
    return f"{n_bytes / 1e6:,.0f} MB"


def compact(count: float) -> str:
    """A count in at most four signs or so.

    >>> compact(999), compact(28400), compact(1500000), compact(0)
    ('999', '28k', '1.5M', '0')
    """
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= size:
            share = count / size
            return f"{share:.1f}{unit}" if share < 10 and share % 1 else f"{share:.0f}{unit}"
    return f"{count:g}"


def _bar(share: float) -> str:
    return f'<span class="bar"><i style="width:{100 * min(1.0, max(0.0, share)):.1f}%"></i></span>'


def _with_code(text: str) -> str:
    """Text in which what stands between backticks is code."""
    parts = escaped(text).split("`")
    return "".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts))
