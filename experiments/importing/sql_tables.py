"""An MLflow database, opened for reading only, whichever of three servers keeps it."""

from __future__ import annotations

import importlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

import psycopg
from psycopg import sql as pg

from experiments.importing.records import Unreadable

PORTION: Final = 5000
IDENTIFIERS_AT_ONCE: Final = 200
MYSQL_PORT: Final = 3306
DRIVERS: Final = {
    "sqlite": "sqlite",
    "postgresql": "postgresql",
    "postgres": "postgresql",
    "mysql": "mysql",
    "mariadb": "mysql",
}

Row = tuple[Any, ...]


class Tables:
    """Reads rows of named tables; columns that this release of MLflow lacks come as NULL."""

    def __init__(self, url: str) -> None:
        """Connect.

        Raises:
            Unreadable: when there is no such database, or it is none of MLflow's.
        """
        scheme = urlsplit(url).scheme.partition("+")[0]
        if scheme not in DRIVERS:
            raise Unreadable(f"no database of a known kind: {scheme}")
        self.dialect = DRIVERS[scheme]
        self._columns: dict[str, set[str]] = {}
        self._errors: tuple[type[Exception], ...] = (sqlite3.Error, psycopg.Error)
        if self.dialect == "mysql":
            self._errors = (_mysql_driver().MySQLError,)
        opener = {"sqlite": _open_sqlite, "postgresql": _open_postgresql, "mysql": _open_mysql}
        self.connection: Any = opener[self.dialect](url)
        if "experiment_id" not in self.columns("experiments"):
            self.close()
            raise Unreadable("this database has no MLflow tables")

    def columns(self, table: str) -> set[str]:
        """Return the columns of a table; none when there is no such table."""
        if table not in self._columns:
            self._columns[table] = self._read_columns(table)
        return self._columns[table]

    def rows(
        self, table: str, columns: Sequence[str], *, where: dict[str, object], order: Sequence[str]
    ) -> Iterator[Row]:
        """Yield rows whose columns equal these values (a list means any of them), in order."""
        known = self.columns(table)
        if not known:
            return
        fields = ", ".join(self._name(c) if c in known else "NULL" for c in columns)
        clauses, values = self._where({k: v for k, v in where.items() if k in known})
        by = ", ".join(self._name(column) for column in order if column in known)
        text = f"SELECT {fields} FROM {self._name(table)}{clauses} ORDER BY {by}"  # noqa: S608  # names are ours
        yield from self._stream(text, values)

    def count(self, table: str, where: dict[str, object]) -> int:
        """Return the number of rows."""
        clauses, values = self._where(where)
        text = f"SELECT COUNT(*) FROM {self._name(table)}{clauses}"  # noqa: S608  # names are ours
        return int(next(self._stream(text, values))[0])

    def close(self) -> None:
        """Disconnect."""
        self.connection.close()

    def _where(self, where: dict[str, object]) -> tuple[str, list[object]]:
        mark = "?" if self.dialect == "sqlite" else "%s"
        clauses: list[str] = []
        values: list[object] = []
        for column, value in where.items():
            chosen = value if isinstance(value, list) else [value]
            clauses.append(f"{self._name(column)} IN ({', '.join([mark] * len(chosen))})")
            values += chosen
        return (f" WHERE {' AND '.join(clauses)}" if clauses else ""), values

    def _name(self, name: str) -> str:
        return f"`{name}`" if self.dialect == "mysql" else f'"{name}"'

    def _stream(self, text: str, values: Sequence[object]) -> Iterator[Row]:
        if self.dialect == "postgresql":
            cursor = self.connection.cursor(name="assay_import")
            cursor.itersize = PORTION
        else:
            cursor = self.connection.cursor()
        try:
            cursor.execute(text, values)
            while portion := cursor.fetchmany(PORTION):
                yield from portion
        except self._errors as error:
            raise Unreadable(f"the database cannot be read: {error}") from error
        finally:
            cursor.close()

    def _read_columns(self, table: str) -> set[str]:
        if self.dialect == "sqlite":
            # A view of this name could do anything; only tables are read.
            query = "SELECT type FROM sqlite_master WHERE name = ?"
            if [kind for (kind,) in self._stream(query, [table])] != ["table"]:
                return set()
            return {row[1] for row in self._stream(f'PRAGMA table_info("{table}")', [])}
        schema = "current_schema()" if self.dialect == "postgresql" else "DATABASE()"
        query = (
            "SELECT column_name FROM information_schema.columns"  # noqa: S608  # one of two constants
            f" WHERE table_schema = {schema} AND table_name = %s"
        )
        return {name for (name,) in self._stream(query, [table])}


def _open_sqlite(url: str) -> sqlite3.Connection:
    path = Path(unquote(url.partition(":")[2].removeprefix("///").partition("?")[0]))
    if not path.is_file():
        raise Unreadable(f"no such file: {path}")
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=30)
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
    try:
        for pragma in ("query_only=ON", "trusted_schema=OFF", "cell_size_check=ON"):
            connection.execute(f"PRAGMA {pragma}")
        # One snapshot for the whole import, while the source may be written to.
        connection.execute("BEGIN")
        connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
    except sqlite3.DatabaseError as error:
        connection.close()
        raise Unreadable(f"{path} is no SQLite database: {error}") from error
    return connection


def _open_postgresql(url: str) -> psycopg.Connection[Row]:
    scheme, _, rest = url.partition("://")
    try:
        connection = psycopg.connect(f"postgresql://{rest}", connect_timeout=10)
    except psycopg.Error as error:
        raise Unreadable(f"cannot connect ({scheme}): {error}") from error
    connection.read_only = True
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.execute(pg.SQL("SET LOCAL TIME ZONE 'UTC'"))
    return connection


def _mysql_driver() -> Any:
    try:
        return importlib.import_module("pymysql")
    except ImportError:
        raise Unreadable(
            "reading MySQL needs one more package: pip install PyMySQL, then start again"
        ) from None


def _open_mysql(url: str) -> Any:
    driver = _mysql_driver()
    parts = urlsplit(url)
    cursors = importlib.import_module("pymysql.cursors")
    options = dict(parse_qsl(parts.query))
    try:
        connection = driver.connect(
            host=parts.hostname or "127.0.0.1",
            port=parts.port or MYSQL_PORT,
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            database=parts.path.lstrip("/"),
            charset=options.get("charset", "utf8mb4"),
            cursorclass=cursors.SSCursor,
            connect_timeout=10,
            local_infile=False,
        )
        with connection.cursor() as cursor:
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
    except driver.MySQLError as error:
        raise Unreadable(f"cannot connect (mysql): {error}") from error
    return connection
