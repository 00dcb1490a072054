"""Which columns of a file are the text or the numbers, and which is the label.

Columns are chosen by name where they have names, else by number from 1.
"""

from collections.abc import Sequence

from ooc_train.conversion.sources.columns import Chosen, ColumnFile
from ooc_train.conversion.sources.layout import LayoutOptions
from ooc_train.errors import InputError, OptionError


def choose_text(file: ColumnFile, options: LayoutOptions) -> Chosen:
    """The columns of the text: by default that called ``text``, or all unnamed ones but the label.

    Raises ``InputError`` for a column that does not exist, ``OptionError`` for one that the options
    must name.
    """
    if options.header and file.names and not file.numbered:
        raise OptionError(
            f"{file.file.path} has {file.noun}s with names and no header; leave out --header"
        )
    label = _label(file, options)
    if options.text:
        columns = [_position(file, column) for column in options.text]
    elif not file.names:
        columns = [k for k in range(file.n_columns) if k != label]
    elif "text" in file.names:
        columns = [file.names.index("text")]
    else:
        raise OptionError(
            f"{file.where}: name the {file.noun} of the text with --text; there are {_names(file)}"
        )
    _check(file, columns, label, "--text")
    carried = file.others(columns) if options.carry else None
    chosen = Chosen(tuple(columns), label if options.needs_label else -1, carried=carried)
    file.check(chosen)
    return chosen


def choose_numbers(file: ColumnFile, options: LayoutOptions) -> Chosen:
    """The columns of the numbers: by default all but the label.  Raises as `choose_text` does."""
    label = -1 if options.labels else _label(file, options)
    columns = [_position(file, column) for column in options.text]
    columns = columns or [k for k in range(file.n_columns) if k != label]
    _check(file, columns, label, "--columns")
    chosen = Chosen(tuple(columns), label if options.needs_label else -1, numbers=True)
    file.check(chosen)
    return chosen


def _label(file: ColumnFile, options: LayoutOptions) -> int:
    """The column of the label; -1 if there is none and none is needed."""
    usual = file.usual_label if file.names else "1" if options.needs_label else None
    name = options.label or usual
    if name is not None:
        return _position(file, name)
    if options.needs_label:
        raise OptionError(
            f"{file.where}: name the {file.noun} of the labels with --label; there are "
            f"{_names(file)}"
        )
    return -1


def _position(file: ColumnFile, column: str) -> int:
    """The place of a column that is named or numbered."""
    if column in file.names:
        return file.names.index(column)
    if file.numbered and column.isdigit() and 1 <= int(column) <= file.n_columns:
        return int(column) - 1
    if file.names:
        raise InputError(
            f"{file.where}: there is no {file.noun} {column!r}; the {file.noun}s are {_names(file)}"
        )
    raise InputError(
        f"{file.where}: there is no column {column}; the row has {file.n_columns} columns"
        f"{file.hint}"
    )


def _check(file: ColumnFile, columns: Sequence[int], label: int, option: str) -> None:
    if not columns:
        raise InputError(
            f"{file.where}: the row has one column; a label and at least one more column are "
            f"expected{file.hint}"
        )
    if len(set(columns)) < len(columns) or label in columns:
        raise OptionError(
            f"{file.file.path}: {option} and --label must name different {file.noun}s"
        )


def _names(file: ColumnFile) -> str:
    return ", ".join(map(repr, file.names))
