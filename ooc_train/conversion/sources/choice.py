"""Which columns of a file are the text or the numbers, and which is the label.

Columns are chosen by name where they have names, else by number from 1.
"""

from collections.abc import Callable, Sequence

from ooc_train.conversion.sources.columns import Chosen, ColumnFile
from ooc_train.conversion.sources.layout import LayoutOptions, Name
from ooc_train.counts import counted
from ooc_train.errors import InputError, OptionError
from ooc_train.suggestions import did_you_mean

_SHOWN = 20
_SHOWN_CHARACTERS = 60  # of what may be a text


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
    remarks: tuple[str, ...] = ()
    if options.text:
        columns = [_position(file, column, "--text") for column in options.text]
    elif not file.names:
        columns = [k for k in range(file.n_columns) if k != label]
        if len(columns) > 1:
            numbers = ", ".join(str(k + 1) for k in columns[:_SHOWN])
            more = " and all others" if len(columns) > _SHOWN else ""
            remarks = (f"the text is made of the columns {numbers}{more}",)
    elif "text" in file.places:
        columns = [_position(file, "text", "--text")]
    else:
        raise OptionError(
            f"{file.where}: name the {file.noun} of the text with --text; there are "
            f"{listed(file.names)}"
        )
    if not options.needs_label:
        label = -1
    _check(file, columns, label, "--text")
    left_out = () if options.carry_text else columns
    chosen = Chosen(
        tuple(columns),
        label,
        carried=file.others(left_out) if options.carry else None,
        label_is_usual=options.label is None,
        remarks=remarks,
    )
    file.check(chosen)
    return chosen


def choose_numbers(file: ColumnFile, options: LayoutOptions) -> Chosen:
    """The columns of the numbers: by default all but the label and an index.

    Raises as `choose_text` does.
    """
    label = -1 if options.labels else _label(file, options)
    columns = [_position(file, column, "--columns") for column in options.text]
    remarks: tuple[str, ...] = ()
    if not columns:
        others = {label, *file.indexes}
        columns = [k for k in range(file.n_columns) if k not in others]
        for k in columns if file.names else ():
            _check_alone(file, file.names[k], "--columns")
        remarks = _remarks(file, columns, label)
    if not options.needs_label:
        label = -1
    _check(file, columns, label, "--columns")
    chosen = Chosen(
        tuple(columns),
        label,
        numbers=True,
        label_is_usual=options.label is None,
        remarks=remarks,
    )
    file.check(chosen)
    return chosen


def listed(names: Sequence[str], most: int = _SHOWN) -> str:
    """Some names, for messages, and how many there are beside them.

    >>> listed("abcd", 3)
    "'a', 'b', 'c' and 1 more"
    """
    more = len(names) - most
    shown = ", ".join(repr(name[:_SHOWN_CHARACTERS]) for name in names[:most])
    return shown + (f" and {more:,} more" if more > 0 else "")


def _label(file: ColumnFile, options: LayoutOptions) -> int:
    """The column of the label; -1 if there is none and none is needed."""
    usual = file.usual_label
    if usual is None and options.needs_label and not file.names:
        usual = "1"
    name = options.label or usual
    if name is not None:
        return _position(file, name, "--label")
    if options.needs_label:
        raise OptionError(
            f"{file.where}: name the {file.noun} of the labels with --label; there are "
            f"{listed(file.names)}"
        )
    return -1


def _position(file: ColumnFile, column: str, option: str) -> int:
    """The place of a column that is named or numbered."""
    if column in file.places:
        _check_alone(file, column, option)
        return file.places[column][0]
    is_number = column.isdigit() and not isinstance(column, Name)
    if file.numbered and is_number and 1 <= int(column) <= file.n_columns:
        return int(column) - 1
    if file.names:
        hint = ""
        if file.numbered and not is_number:
            hint = f"; if that is no header, give numbers, such as {option} 1"
        if any("," in name for name in file.names) and option != "--label":
            hint += f"; a name with a comma is put in quotes, {option} '\"a, b\"'"
        raise InputError(
            f"{file.where}: there is no {file.noun} {str(column)!r}; the {file.noun}s are "
            f"{listed(sorted(file.names, key=_is_beside(column), reverse=True))}{hint}"
            f"{did_you_mean(column, file.names)}"
        )
    raise InputError(
        f"{file.where}: there is no column {column}; the row has "
        f"{counted(file.n_columns, 'column')}{file.hint}"
    )


def _is_beside(path: str) -> Callable[[str], bool]:
    """Whether a name is that of another field within the same column."""
    within, dot, _ = path.rpartition(".")
    return lambda name: bool(dot) and name.startswith(within + dot)


def _check_alone(file: ColumnFile, name: str, option: str) -> None:
    """Refuse a name that several columns have."""
    places = file.places[name]
    if len(places) > 1:
        numbers = ", ".join(str(k + 1) for k in places)
        remedy = f"give their numbers with {option}, or rename" if file.numbered else "rename"
        raise InputError(
            f"{file.where}: {len(places)} {file.noun}s are called {name!r} ({numbers}); {remedy} "
            f"all but one"
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


def _remarks(file: ColumnFile, columns: Sequence[int], label: int) -> tuple[str, ...]:
    """The columns that are features where no option names them, and those that are none."""
    if not (file.names and file.is_table):
        return ()
    features = f"the features are {listed([file.names[k] for k in columns])}"
    left_out = [f"{file.names[k]!r} ({k + 1})" for k in sorted(file.indexes - {label})]
    return (
        features,
        *(f"the column {name} numbers the rows and is no feature" for name in left_out[:_SHOWN]),
    )
