"""SQLite as built without SQLITE_SECURE_DELETE: deleted data stays in the file unless a connection sets the pragma."""

import sqlite3
from typing import Any

import pytest

_connect = sqlite3.connect


def _connect_plainly(*arguments: Any, **options: Any) -> sqlite3.Connection:
    connection: sqlite3.Connection = _connect(*arguments, **options)
    connection.execute("PRAGMA secure_delete=OFF")
    return connection


def build_without_secure_delete(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give every new connection the default of such a build."""
    monkeypatch.setattr(sqlite3, "connect", _connect_plainly)


class RefusingConnection(sqlite3.Connection):
    """A connection of a SQLite library that ignores the pragma."""

    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        return super().execute(sql.replace("secure_delete=ON", "secure_delete=OFF"), *parameters)
