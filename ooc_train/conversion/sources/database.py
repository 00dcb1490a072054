"""A query of a database as rows: SQLite, PostgreSQL and DuckDB, as a stream of Arrow.

The rows are read once, in batches of about a megabyte, and the database is opened to be read only.

SQLite is read by Python's own module.  A column of SQLite may hold anything in any row; ADBC's
driver takes the type of its first rows, null or not, and as many rows at once whatever their size.
"""

import contextlib
import itertools
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from ooc_train.conversion.sources.files.input_file import InputFile
from ooc_train.conversion.sources.files.pipe import Pieces, Pipe
from ooc_train.errors import InputError, OocTrainError, OptionError
from ooc_train.extras import pip_install
from ooc_train.options import check, option
from ooc_train.work_folder import WorkFolder

_NAME = "the query"
_BATCH_BYTES = 2**20
_DUCKDB_ROWS = 2048  # no batch of DuckDB has fewer
_DUCKDB_SHARE = 4  # a quarter of the memory
_EXAMPLES = "sqlite:///reviews.db, postgresql://user@host/name or duckdb:reviews.duckdb"
_SECRET = "***"
_GROUP = "database"


@dataclass(frozen=True, kw_only=True)
class QueryOptions:
    """A query whose rows are read in place of files.

    Raises OptionError for one of the options alone, and for a database that is not known.
    """

    sql: str | None = option(
        None, "a query whose rows are read in place of files", metavar="QUERY", group=_GROUP
    )
    database: str | None = option(
        None,
        f"the database of the query: {_EXAMPLES}; duckdb: alone is for queries of files, such as "
        "SELECT * FROM 'reviews/*.parquet'",
        metavar="URI",
        group=_GROUP,
    )

    def __post_init__(self) -> None:
        check(self)
        if (self.sql is None) != (self.database is None):
            raise OptionError("--sql and --database belong together; give both")
        if self.database is not None:
            Database.at(self.database)

    @property
    def report(self) -> dict[str, str]:
        """The database, without a password, for a report."""
        return {} if self.database is None else {"database": Database.at(self.database).shown}

    def rows(self, memory_bytes: int, temp_dir: Path) -> InputFile | None:
        """The rows of the query, if there is one; it is begun when they are first looked at.

        Reading may take a part of ``memory_bytes``, and keep temporary files below ``temp_dir``.
        """
        if self.sql is None or self.database is None:
            return None
        database = Database.at(self.database)
        query = Query(self.sql, memory_bytes, temp_dir)
        pipe = Pipe(Pieces(_pieces(database, query)), _NAME, is_owned=True)
        return InputFile(Path(_NAME), pipe=pipe, format="arrow", behind=database.path)


class Query(NamedTuple):
    """A query, the budget of the process, and the folder for temporary files."""

    sql: str
    memory_bytes: int
    temp_dir: Path


class Opened(NamedTuple):
    """Record batches, and the schema that they have."""

    schema: Any
    batches: Iterable[Any]


class Database(NamedTuple):
    """A database: its kind, its URI, as it is ``shown``, its file, and the passwords in the URI."""

    kind: str
    uri: str
    shown: str
    path: Path | None = None
    secrets: tuple[str, ...] = ()

    @classmethod
    def at(cls, uri: str) -> "Database":
        """The database that a URI names.  Raises ``OptionError`` for one that is not known."""
        scheme, colon, rest = uri.partition(":")
        if scheme in ("postgresql", "postgres") and rest.startswith("//"):
            shown, secrets = _without_passwords(uri)
            return cls("postgresql", uri, shown, None, secrets)
        if scheme not in ("sqlite", "duckdb") or not colon:
            raise OptionError(f"--database must be a URI such as {_EXAMPLES}")
        path = rest.removeprefix("//").removeprefix("/") if rest.startswith("//") else rest
        if not path and scheme == "sqlite":
            raise OptionError(f"--database {uri} names no file; write sqlite:///reviews.db")
        return cls(scheme, uri, uri, Path(path) if path else None)

    def existing(self) -> Path | None:
        """The file of the database.  Raises ``InputError`` if there is none."""
        if self.path and not self.path.is_file():
            hint = (
                ""
                if self.path.is_absolute()
                else (f"; an absolute path has four slashes, {self.kind}:////path")
            )
            raise InputError(f"{self.path}, the database, does not exist; check the path{hint}")
        return self.path

    def error(self, error: BaseException) -> InputError:
        """The error of a driver in one sentence, without a password."""
        reason = next((line for line in str(error).splitlines() if line.strip()), "")
        for secret in self.secrets:
            reason = reason.replace(secret, _SECRET)
        reason = reason.strip().rstrip(".") or type(error).__name__
        remedy = "; allow more with --memory" if "out of memory" in reason.lower() else ""
        return InputError(f"{_NAME} of {self.shown} cannot be read: {reason:.300}{remedy}")


def _without_passwords(uri: str) -> tuple[str, tuple[str, ...]]:
    """A URI of PostgreSQL as it is shown, and the passwords in it, as they are and as written.

    Raises ``OptionError`` for one in which it is not clear what the password is.

    >>> _without_passwords("postgresql://me:pa%40ss@host/db?sslmode=require")
    ('postgresql://me:***@host/db?sslmode=require', ('pa%40ss', 'pa@ss'))
    """
    parts = urlsplit(uri)
    user, at, host = parts.netloc.rpartition("@")
    user, colon, password = user.partition(":")
    try:
        is_clear = parts.port is None or parts.port > 0
    except ValueError:
        is_clear = False
    if not is_clear or "@" in user + password + parts.path or parts.fragment:
        raise OptionError(
            "--database is no URI that can be read; write the special characters of the password "
            "as %40 for @, or leave it out and set the variable PGPASSWORD"
        )
    parameters = parse_qsl(parts.query, keep_blank_values=True)
    found = [password, *(value for name, value in parameters if "password" in name)]
    shown = [(name, _SECRET if "password" in name else value) for name, value in parameters]
    netloc = f"{user}{f':{_SECRET}' if colon else ''}{at}{host}"
    parts = parts._replace(netloc=netloc, query=urlencode(shown, safe="*/"))
    secrets = dict.fromkeys(text for one in found if one for text in (one, unquote(one)))
    return parts.geturl(), tuple(secrets)


def _pieces(database: Database, query: Query) -> Iterator[bytes]:
    """The rows in Arrow's format of streams; the database is closed at the end."""
    open_batches = _KINDS[database.kind]
    _require("pyarrow", database.kind)
    from ooc_train.conversion.sources.formats.arrow import serialized  # noqa: PLC0415

    try:
        with open_batches(database, query) as found:
            if not len(found.schema):
                raise _no_rows()
            yield from serialized(found.schema, found.batches)
    except OocTrainError:
        raise
    except Exception as error:  # noqa: BLE001 - each driver has its own
        raise database.error(error) from None  # whose traceback may have the password


def _no_rows() -> InputError:
    return InputError(f"{_NAME} gives no rows; it must be a SELECT")


def _require(package: str, extra: str) -> Any:
    """A package.  Raises ``OptionError`` if it is not installed."""
    import importlib  # noqa: PLC0415

    try:
        return importlib.import_module(package)
    except ImportError:
        raise OptionError(
            f"--database {extra}: needs the package {package.partition('.')[0].replace('_', '-')}; "
            f"{pip_install(extra=extra)}"
        ) from None


@contextmanager
def _duckdb(database: Database, query: Query) -> Iterator[Opened]:
    """One thread, so that the same query gives the same order."""
    duckdb = _require("duckdb", "duckdb")
    path = database.existing()
    with contextlib.ExitStack() as stack:
        settings = {
            "threads": 1,
            "memory_limit": f"{query.memory_bytes // _DUCKDB_SHARE // 10**6}MB",
            "temp_directory": str(stack.enter_context(WorkFolder(query.temp_dir))),
        }
        connection = stack.enter_context(
            closing(duckdb.connect(str(path or ":memory:"), bool(path), settings))
        )
        relation = connection.sql(query.sql)
        if relation is None:
            raise _no_rows()
        # Its older releases call it otherwise.
        read = getattr(relation, "to_arrow_reader", None) or relation.fetch_record_batch
        reader = stack.enter_context(closing(read(_DUCKDB_ROWS)))
        yield Opened(reader.schema, reader)


@contextmanager
def _postgresql(database: Database, query: Query) -> Iterator[Opened]:
    driver = _require("adbc_driver_postgresql.dbapi", "postgresql")
    name = _require("adbc_driver_postgresql", "postgresql").StatementOptions.BATCH_SIZE_HINT_BYTES
    with (
        driver.connect(database.uri) as connection,
        connection.cursor(adbc_stmt_kwargs={name.value: str(_BATCH_BYTES)}) as cursor,
    ):
        cursor.execute("SET TRANSACTION READ ONLY")
        cursor.execute(query.sql)
        with closing(cursor.fetch_record_batch()) as reader:
            yield Opened(reader.schema, reader)


@contextmanager
def _sqlite(database: Database, query: Query) -> Iterator[Opened]:
    path = database.existing()
    uri = f"file:{quote(str(path))}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True)) as connection:
        connection.text_factory = bytes  # which need not be valid UTF-8
        cursor = connection.execute(query.sql)
        names = [column[0] for column in cursor.description or ()]
        pieces = _some_rows(cursor)
        first = list(itertools.islice(pieces, 1))
        columns = list(zip(*first[0], strict=True)) if first else [() for _ in names]
        found = SqliteColumns(names, [_kind(values) for values in columns])
        yield Opened(found.schema, map(found.batch, itertools.chain(first, pieces)))


def _some_rows(cursor: sqlite3.Cursor) -> Iterator[list[tuple[Any, ...]]]:
    """About a megabyte of rows at a time."""
    rows: list[tuple[Any, ...]] = []
    n_bytes = 0
    for row in cursor:
        rows.append(row)
        n_bytes += sum(len(value) if type(value) is bytes else 8 for value in row)
        if n_bytes >= _BATCH_BYTES:
            yield rows
            rows, n_bytes = [], 0
    if rows:
        yield rows


def _kind(values: Sequence[Any]) -> type:
    """The values of a column by its first rows: texts, numbers, or whole numbers.

    >>> _kind([None, 1, 2.5]), _kind([None, 1]), _kind([1, b"a"]), _kind([None])
    (<class 'float'>, <class 'int'>, <class 'bytes'>, <class 'bytes'>)
    """
    kinds = {type(value) for value in values if value is not None}
    return next((kind for kind in (bytes, float, int) if kind in kinds), bytes)


class SqliteColumns:
    """Columns of SQLite, of which each holds one kind of values; texts hold numbers, too."""

    def __init__(self, names: Sequence[str], kinds: Sequence[type]) -> None:
        import pyarrow  # noqa: PLC0415 - an extra

        self._pyarrow = pyarrow
        self._kinds = kinds
        self._n_rows = 0
        types = {bytes: pyarrow.large_string(), float: pyarrow.float64(), int: pyarrow.int64()}
        fields = [(name, types[kind]) for name, kind in zip(names, kinds, strict=True)]
        self.schema = pyarrow.schema(fields)

    def batch(self, rows: Sequence[tuple[Any, ...]]) -> Any:
        """Some rows as a record batch.  Raises ``InputError`` for a value of another kind."""
        columns = [self._column(k, values) for k, values in enumerate(zip(*rows, strict=True))]
        self._n_rows += len(rows)
        return self._pyarrow.RecordBatch.from_arrays(columns, schema=self.schema)

    def _column(self, column: int, values: Sequence[Any]) -> Any:
        kind, field = self._kinds[column], self.schema.field(column)
        if kind is bytes:
            texts = [value if type(value) is bytes else _text(value) for value in values]
            binary = self._pyarrow.array(texts, self._pyarrow.large_binary())
            return binary.cast(field.type, safe=False)  # invalid UTF-8 is counted later
        fits = {type(None), int} if kind is int else {type(None), int, float}
        if not fits.issuperset(map(type, values)):  # Arrow would cut a number's fraction off
            raise self._unfit(values, fits, field.name)
        return self._pyarrow.array(values, field.type)

    def _unfit(self, values: Sequence[Any], fits: set[type], name: str) -> InputError:
        row = next(k for k, value in enumerate(values) if type(value) not in fits)
        held = "text" if type(values[row]) is bytes else "a number that is not whole"
        other = "TEXT" if type(values[row]) is bytes else "REAL"
        return InputError(
            f"{_NAME}, row {self._n_rows + row + 1}: the column {name!r} holds {held}, where the "
            f"first rows hold {'numbers' if float in fits else 'whole numbers'}; write "
            f"CAST({name} AS {other}) in the query"
        )


def _text(value: float | None) -> bytes | None:
    return None if value is None else str(value).encode()


_KINDS: dict[str, Callable[[Database, Query], AbstractContextManager[Opened]]] = {
    "duckdb": _duckdb,
    "postgresql": _postgresql,
    "sqlite": _sqlite,
}
