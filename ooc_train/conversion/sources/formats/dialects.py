"""Which dialect of CSV a file has: given by options, or that which most of its first rows fit."""

from ooc_train.conversion.sources.formats.delimited_kernel import Dialect
from ooc_train.conversion.sources.formats.delimited_sample import Sample, most_frequent
from ooc_train.conversion.sources.layout import LayoutOptions

TAB = "\t"
DELIMITERS = {",": "commas", ";": "semicolons", TAB: "tabs", "|": "bars"}
"""The delimiters that are looked for, and their names."""
_SHOWN_ROWS = 50
_FEW_ROWS = 2


def find_dialect(sample: Sample, options: LayoutOptions, usual: str) -> Dialect:
    """The dialect of a file.

    ``usual`` is the delimiter of the format.  Another one is taken where more rows have the same
    number of columns with it, or where it alone makes columns of the names that are asked for.
    """
    names = options.names
    given = options.delimiter
    dialects = [
        _with_quotes(sample, delimiter, options)
        for delimiter in ([given] if given else [usual, *(d for d in DELIMITERS if d != usual)])
    ]
    for dialect in dialects:
        if names and set(names) <= set(_first_row(sample, dialect)):
            return dialect
    fits = [_fit(sample, dialect) for dialect in dialects]
    best = max(range(len(dialects)), key=fits.__getitem__)  # of several the first
    if best == 0 and _is_punctuation(sample.text, dialects[0].delimiter):
        best = next(
            (
                k
                for k, dialect in enumerate(dialects)
                if fits[k] == fits[0] and not _is_punctuation(sample.text, dialect.delimiter)
            ),
            0,
        )
    return dialects[best]


def remarks(dialect: Dialect, options: LayoutOptions, usual: str) -> tuple[str, ...]:
    """Remarks on a dialect that is neither given nor the usual one."""
    found = []
    if dialect.delimiter != usual and not options.delimiter:
        found.append(f"fields are separated by {DELIMITERS[dialect.delimiter]}")
    if dialect.escape and not options.escape:
        found.append("a backslash stands before quotes inside fields")
    if dialect.spaces:
        found.append("spaces around quoted fields are passed over")
    if not options.quoting and dialect.delimiter == TAB and dialect.quotes:
        found.append("fields are quoted")
    return tuple(found)


def _with_quotes(sample: Sample, delimiter: str, options: LayoutOptions) -> Dialect:
    """The dialect with this delimiter that the quotes and escapes of most rows fit."""
    if options.quoting or options.escape:
        return Dialect(delimiter, options.quoting != "none", options.escape)
    quoted = Dialect(delimiter)
    if delimiter == TAB:
        plain = Dialect(delimiter, quotes=False)
        fits_better = _fit(sample, quoted) > _fit(sample, plain)
        return quoted if fits_better or _shows_quotes(sample, plain) else plain
    dialects = [quoted, quoted._replace(escape="\\"), quoted._replace(spaces=True)]
    return max(dialects, key=lambda dialect: _fit(sample, dialect))  # of several the first


def _fit(sample: Sample, dialect: Dialect) -> float:
    """The share of the first rows that have the most frequent number of columns, if it is not 1."""
    widths = sample.widths(dialect)
    n_columns = most_frequent([width for width in widths if width])
    return widths.count(n_columns) / len(widths) if n_columns > 1 else 0.0


def _first_row(sample: Sample, dialect: Dialect) -> list[str]:
    fields = sample.rows(dialect, 1).fields
    return [field.decode("utf-8", "replace").strip() for field in (fields[0] if fields else ())]


def _shows_quotes(sample: Sample, plain: Dialect) -> bool:
    """Whether quotes enclose fields: all of a column, or one that has doubled quotes inside."""
    rows = sample.rows(plain, _SHOWN_ROWS).fields
    cells = [cell for row in rows for cell in row if cell.startswith(b'"')]
    if not cells or not all(map(_is_enclosed, cells)):
        return False
    columns = list(zip(*rows, strict=True))
    in_column = any(all(map(_is_enclosed, column)) for column in columns)
    if len(rows) > _FEW_ROWS:  # the first may be a header without quotes
        in_column = in_column or any(all(map(_is_enclosed, column[1:])) for column in columns)
    return in_column or any(b'""' in cell[1:-1] for cell in cells)


def _is_enclosed(cell: bytes) -> bool:
    return len(cell) > 1 and cell.startswith(b'"') and cell.endswith(b'"')


def _is_punctuation(text: bytes, delimiter: str) -> bool:
    """Whether a space follows most of these characters, as in a sentence."""
    code = delimiter.encode()
    return 2 * text.count(code + b" ") > text.count(code)
