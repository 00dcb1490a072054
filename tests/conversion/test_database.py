"""Queries of databases give the rows of files, in bounded memory; no password is anywhere."""

import contextlib
import json
import os
import pwd
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import ooc_train
from ooc_train.cli.convert import main as convert_command
from ooc_train.cli.predict import main as predict_command
from ooc_train.conversion.sources.database import Database, Query, QueryOptions, _postgresql
from ooc_train.errors import InputError, OptionError
from ooc_train.extras import pip_install
from tests.corpora import random_rows

ROWS = [(int(label), text) for label, _, text in random_rows(80)]
QUERY = "SELECT stars, text, id FROM reviews ORDER BY id"
PASSWORD = "pa@ss wörd"
OPTIONS = ["--label", "stars", "--features", "ngram", "--validation-fraction", "0", "--quiet"]


def write_sqlite(path, rows=ROWS):
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE reviews (id INTEGER PRIMARY KEY, stars, text)")
        connection.executemany("INSERT INTO reviews (stars, text) VALUES (?, ?)", rows)
    return path


def read(path):
    with ooc_train.open(path) as store:
        return store["train"].read(0, len(store["train"])).to_dense(), store.provenance


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rows")
    rows = [{"stars": stars, "text": text} for stars, text in ROWS]
    ooc_train.convert(rows, folder / "o.h5", label="stars", features="ngram",
                      validation_fraction=0)  # fmt: skip
    return read(folder / "o.h5")[0]


def converted(database, folder, *options, sql=QUERY):
    """Convert a query by the command; the values, the provenance, and the report."""
    arguments = ["--sql", sql, "--database", database, "-o", str(folder / "o.h5"), *OPTIONS]
    report = folder / "report.json"
    assert convert_command([*arguments, "--report", str(report), "--force", *options]) == 0
    return *read(folder / "o.h5"), json.loads(report.read_text("utf-8"))


def rows_of(database, sql, memory_bytes=10**8, folder=Path()):
    """All rows of a query, as a table of Arrow, and the sizes of its batches."""
    found = QueryOptions(sql=sql, database=database).rows(memory_bytes, folder)
    with found.pipe.open() as stream:
        whole = stream.readall()
    with pa.ipc.open_stream(whole) as reader:
        batches = list(reader)
    return pa.Table.from_batches(batches, reader.schema), [batch.nbytes for batch in batches]


# SQLite


def test_a_query_of_sqlite_gives_the_rows_of_a_file(tmp_path, monkeypatch, expected):
    write_sqlite(tmp_path / "reviews.db")
    monkeypatch.chdir(tmp_path)
    values, provenance, report = converted("sqlite:///reviews.db", tmp_path)
    assert np.array_equal(values, expected)
    assert provenance["sources"]["train"] == [{"name": "the query"}]
    assert report["database"] == "sqlite:///reviews.db"
    values, _, _ = converted(f"sqlite:///{tmp_path}/reviews.db", tmp_path, "--features", "auto")
    assert np.array_equal(values, expected)


def test_a_query_is_predicted(tmp_path):
    write_sqlite(tmp_path / "reviews.db")
    database = f"sqlite:///{tmp_path}/reviews.db"
    converted(database, tmp_path)
    ooc_train.train(tmp_path / "o.h5", tmp_path / "run", epochs=1)
    output = tmp_path / "found.csv"
    arguments = [str(tmp_path / "run"), "--sql", "SELECT id, text FROM reviews", "--database",
                 database, "-o", str(output), "--quiet"]  # fmt: skip
    assert predict_command(arguments) == 0
    lines = output.read_text("utf-8").splitlines()
    assert (len(lines), lines[0][:9]) == (81, "id,label,")
    labels = [line.split(",")[1] for line in lines[1:]]
    assert labels == ooc_train.load(tmp_path / "run").predict([text for _, text in ROWS]).tolist()


def test_values_of_sqlite_are_what_they_are(tmp_path):
    """Nulls first, numbers among texts, broken UTF-8, and rows longer than a batch."""
    rows = [(None, None), (None, 7), (2.5, "a"), (1, b"\xff"), (3, "x" * 3_000_000), (4, "b")]
    path = write_sqlite(tmp_path / "o.db", rows)
    found, sizes = rows_of(f"sqlite:{path}", "SELECT stars, text FROM reviews")
    assert found["stars"].to_pylist() == [None, None, 2.5, 1.0, 3.0, 4.0]
    texts = found["text"].cast(pa.large_binary()).to_pylist()
    assert texts == [None, b"7", b"a", b"\xff", b"x" * 3_000_000, b"b"]
    assert sum(size > 10**6 for size in sizes) == 1


@pytest.mark.parametrize(("first", "later", "message"), [
    (1, "many", "row 2000: the column 'stars' holds text, where the first rows hold whole numbers; "
     r"write CAST\(stars AS TEXT\) in the query"),
    (1, 2.5, r"holds a number that is not whole, where .* CAST\(stars AS REAL\) in the query"),
    (1.5, "many", r"holds text, where the first rows hold numbers; write CAST\(stars AS TEXT\)"),
])  # fmt: skip
def test_a_column_of_sqlite_that_changes_its_kind_is_refused(tmp_path, first, later, message):
    path = write_sqlite(tmp_path / "o.db", [*[(first, "x" * 1000)] * 1999, (later, "x")])
    with pytest.raises(InputError, match=f"the query, {message}|{message}"):
        rows_of(f"sqlite:{path}", "SELECT stars, text FROM reviews")


# What is wrong


@pytest.mark.parametrize(("sql", "database", "message"), [
    ("SELECT 1", None, "--sql and --database belong together"),
    (None, "sqlite:///o.db", "--sql and --database belong together"),
    ("SELECT 1", "mysql://me:secret@host/db", "--database must be a URI such as sqlite:///rev"),
    ("SELECT 1", "reviews.db", "--database must be a URI such as sqlite:///rev"),
    ("SELECT 1", "sqlite://", "names no file; write sqlite:///reviews.db"),
    ("SELECT 1", "postgresql://me:se@cret@host/db", "special characters of the password as %40"),
    ("SELECT 1", "postgresql://me:se/cret@host/db", "special characters of the password as %40"),
    ("SELECT 1", "postgresql://me:se#cret@host/db", "special characters of the password as %40"),
])  # fmt: skip
def test_an_address_that_is_none(sql, database, message):
    with pytest.raises(OptionError, match=message) as caught:
        QueryOptions(sql=sql, database=database)
    assert "cret" not in str(caught.value)


def test_passwords_are_not_shown():
    found = Database.at("postgres://me:a%20b@host:5/db?sslpassword=c&sslmode=disable&password=d")
    assert found.shown == "postgres://me:***@host:5/db?sslpassword=***&sslmode=disable&password=***"
    assert str(found.error(ValueError("'a b', a%20b, c and d\nmore"))).endswith(
        "cannot be read: '***', ***, *** an*** ***"
    )


@pytest.mark.parametrize(("sql", "message"), [
    ("SELEC 1", r"sqlite:.*o.db cannot be read: near \"SELEC\": syntax error"),
    ("DELETE FROM reviews", "cannot be read: attempt to write a readonly database"),
    ("SELECT 1; SELECT 2", "cannot be read: You can only execute one statement at a time"),
    ("BEGIN", "the query gives no rows; it must be a SELECT"),
    ("SELECT * FROM reviews WHERE 0", "the query is empty; it holds no rows"),
    ("SELECT * FROM none", "cannot be read: no such table: none"),
])  # fmt: skip
def test_queries_that_fail(tmp_path, capsys, sql, message):
    path = write_sqlite(tmp_path / "o.db")
    with pytest.raises(AssertionError, match="1 == 0"):
        converted(f"sqlite:{path}", tmp_path, sql=sql)
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(message, line), line
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM reviews").fetchone() == (80,)


def test_the_database_is_no_output_and_has_to_exist(tmp_path, capsys):
    path = write_sqlite(tmp_path / "o.h5")
    arguments = ["--sql", QUERY, "--database", f"sqlite:{path}", "-o", str(path), "--force"]
    assert convert_command([*arguments, *OPTIONS]) == 1
    assert "o.h5, the output, is also the input" in capsys.readouterr().err
    with pytest.raises(InputError, match=r"none.db, the database, does not exist.*sqlite:////path"):
        rows_of("sqlite:///none.db", "SELECT 1")


@pytest.mark.parametrize(("arguments", "message"), [
    ([], "name the files of the training rows, or give --sql and --database"),
    (["a.csv", "--sql", "SELECT 1", "--database", "sqlite:o.db"], "leave out a.csv"),
])  # fmt: skip
def test_files_or_a_query(tmp_path, capsys, arguments, message):
    assert convert_command([*arguments, "-o", str(tmp_path / "o.h5")]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(("uri", "package", "extra"), [
    ("sqlite:///o.db", "pyarrow", "sqlite"),
    ("duckdb:", "duckdb", "duckdb"),
    ("postgresql://host/db", "adbc_driver_postgresql", "postgresql"),
])  # fmt: skip
def test_a_missing_package_is_named_with_its_extra(monkeypatch, uri, package, extra):
    monkeypatch.setitem(sys.modules, package, None)
    name = package.replace("_", "-")
    with pytest.raises(
        OptionError, match=re.escape(f"needs the package {name}; {pip_install(extra=extra)}")
    ):
        rows_of(uri, "SELECT 1")


# DuckDB


def test_duckdb_reads_its_own_files_and_others(tmp_path, expected):
    duckdb = pytest.importorskip("duckdb")
    write_sqlite(tmp_path / "reviews.db")
    with contextlib.closing(duckdb.connect(str(tmp_path / "o.duckdb"))) as connection:
        connection.execute("CREATE TABLE reviews (stars INTEGER, text VARCHAR, id INTEGER)")
        connection.executemany("INSERT INTO reviews VALUES (?, ?, ?)",
                               [(*row, k) for k, row in enumerate(ROWS)])  # fmt: skip
        connection.execute(f"COPY reviews TO '{tmp_path}/reviews.parquet'")
    values, _, report = converted(f"duckdb:{tmp_path}/o.duckdb", tmp_path)
    assert np.array_equal(values, expected)
    assert report["database"] == f"duckdb:{tmp_path}/o.duckdb"
    query = f"SELECT * FROM '{tmp_path}/*.parquet' ORDER BY id"
    assert np.array_equal(converted("duckdb:", tmp_path, sql=query)[0], expected)
    with pytest.raises(InputError, match="cannot be read: .*read-only mode"):
        rows_of(f"duckdb:{tmp_path}/o.duckdb", "DELETE FROM reviews", folder=tmp_path)
    with pytest.raises(
        InputError, match="cannot be read: Catalog Error: Table with name none does"
    ):
        rows_of("duckdb:", "SELECT * FROM none", folder=tmp_path)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


# PostgreSQL


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server with a password, run by a user who is not root; its address without a password."""
    pytest.importorskip("adbc_driver_postgresql")
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs:
        pytest.skip("PostgreSQL is not installed")
    folder = Path(tmp_path_factory.mktemp("server"))
    user = []
    if os.geteuid() == 0:
        try:
            pwd.getpwnam("postgres")
        except KeyError:
            pytest.skip("a server cannot be run by root, and there is no user postgres")
        folder = Path("/tmp") / f"ooc-{os.getpid()}"  # whose parents are for all
        folder.mkdir()
        shutil.chown(folder, "postgres")
        user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        secret = folder / "password"
        secret.write_text(PASSWORD, "utf-8")
        if user:
            shutil.chown(secret, "postgres")
        subprocess.run([*user, programs[-1] / "initdb", "-D", folder / "data", "-U", "me", "-E",
                        "UTF8", "--no-sync", "-A", "scram-sha-256", f"--pwfile={secret}"],
                       check=True, stdout=subprocess.DEVNULL, cwd=folder)  # fmt: skip
        process = subprocess.Popen(
            [*user, programs[-1] / "postgres", "-D", folder / "data", "-p", str(port), "-k", folder,
             "-c", "listen_addresses=127.0.0.1", "-F"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder,
        )  # fmt: skip
        stack.callback(process.wait)
        stack.callback(process.terminate)
        os.environ["PGPASSWORD"] = PASSWORD
        stack.callback(os.environ.pop, "PGPASSWORD")
        address = f"postgresql://me@127.0.0.1:{port}/postgres"
        _fill(address)
        yield address


def _fill(address):
    from adbc_driver_manager import OperationalError
    from adbc_driver_postgresql import dbapi

    for _ in range(200):
        with contextlib.suppress(OperationalError), dbapi.connect(address) as connection:
            with connection.cursor() as cursor:
                cursor.execute("CREATE TABLE reviews (id SERIAL, stars INTEGER, text TEXT)")
                cursor.executemany("INSERT INTO reviews (stars, text) VALUES ($1, $2)", ROWS)
            connection.commit()
            return
        time.sleep(0.1)
    raise RuntimeError("the server does not start")


def test_a_query_of_postgresql_gives_the_rows_of_a_file(server, tmp_path, expected):
    values, _, report = converted(server, tmp_path)
    assert np.array_equal(values, expected)
    assert report["database"] == server


def test_the_password_is_nowhere(server, tmp_path, monkeypatch, capsys):
    written = "pa%40ss%20w%C3%B6rd"
    monkeypatch.delenv("PGPASSWORD")
    address = server.replace("me@", f"me:{written}@")
    _, _, report = converted(address, tmp_path)
    assert report["database"] == server.replace("me@", "me:***@")
    wrong = ["--sql", "SELECT 1", "-o", str(tmp_path / "x.h5"), "--database"]
    assert convert_command([*wrong, address.replace("%40ss", "%40sz"), "--debug"][:-1]) == 1
    assert convert_command([*wrong, address.replace("/postgres", "/none")]) == 1
    assert convert_command(["--sql", "SELEC 1", *wrong[2:], address]) == 1
    first, second, third = capsys.readouterr().err.splitlines()
    assert 'password authentication failed for user "me"' in first
    assert 'database "none" does not exist' in second
    assert 'syntax error at or near "SELEC"' in third
    for path in tmp_path.rglob("*"):
        text = path.read_bytes() if path.is_file() else b""
        assert written.encode() not in text
        assert PASSWORD.encode() not in text
    assert not any(text in line for line in (first, second, third) for text in (written, PASSWORD))


def test_postgresql_is_only_read_and_long_rows_come_one_by_one(server):
    with pytest.raises(InputError, match="cannot execute INSERT in a read-only transaction"):
        rows_of(server, "INSERT INTO reviews (stars) VALUES (1) RETURNING id")
    query = "SELECT n AS id, repeat('x', 700000) AS text FROM generate_series(1, 8) n"
    found, sizes = rows_of(server, query)
    assert found["id"].to_pylist() == [*range(1, 9)]
    assert max(sizes) < 3 * 10**6
    with _postgresql(Database.at(server), Query(query, 10**8, Path())) as found:
        assert max(batch.nbytes for batch in found.batches) < 3 * 10**6
