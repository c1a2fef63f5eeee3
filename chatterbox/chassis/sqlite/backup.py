"""Backup and restore of a SQLite database: backup while it is in use, restore while it is not."""

import contextlib
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from chatterbox.chassis.durable_path import sync
from chatterbox.chassis.operator_errors import OperatorError
from chatterbox.chassis.sqlite.database import delete_securely, lock


class BackupError(OperatorError):
    """Backup or restore failed, and nothing was changed; the message says why."""


def backup(database: Path, copy: Path) -> None:
    """Write a consistent copy of `database` to the new file `copy`, readable by its owner only.

    It only reads, so the service may keep writing. The copy gets its name only when it is complete and synced.
    """
    if copy.exists():
        raise BackupError(f"{copy} already exists; choose a new file name")
    partial = copy.with_name(f"{copy.name}.partial")
    try:
        _copy(database, partial)
        partial.rename(copy)
        sync(copy.parent)
    except (OSError, sqlite3.Error) as problem:
        raise BackupError(f"can't copy {database} to {copy}: {problem}") from problem
    finally:
        partial.unlink(missing_ok=True)


def restore(database: Path, copy: Path, *, version: int, adapt: Callable[[int], str]) -> Path | None:
    """Replace `database` with `copy`; returns where the old one is kept, if there was one.

    The SQL script that `adapt` returns for the copy's schema version is run on the new database first. `version` is the
    newest schema version that this program knows. Raises `DatabaseInUseError` while a service is using the database.
    """
    descriptor = lock(database.with_suffix(".lock"))
    new = database.with_name(f"{database.name}.restoring")
    try:
        new.unlink(missing_ok=True)
        _copy(copy, new)
        _adapt(new, version, adapt)
        return _swap(database, new)
    except (OSError, sqlite3.Error) as problem:
        raise BackupError(f"can't restore {copy} to {database}: {problem}") from problem
    finally:
        new.unlink(missing_ok=True)
        os.close(descriptor)


def _copy(source: Path, target: Path) -> None:
    with contextlib.closing(_open(f"file:{quote(str(source))}?mode=ro")) as connection:
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        connection.execute("VACUUM INTO ?", (str(target),))
    sync(target)


def _adapt(new: Path, version: int, adapt: Callable[[int], str]) -> None:
    with contextlib.closing(_open(f"file:{quote(str(new))}?mode=rw")) as connection:
        if connection.execute("PRAGMA integrity_check(1)").fetchone() != ("ok",):
            raise BackupError("the copy is damaged")
        (copy_version,) = connection.execute("PRAGMA user_version").fetchone()
        if not 1 <= copy_version <= version:
            raise BackupError(
                f"the copy has schema version {copy_version}; this version of Chatterbox supports 1 to {version}"
            )
        connection.executescript(f"BEGIN IMMEDIATE;\n{adapt(copy_version)}\nCOMMIT;")
    sync(new)


def _swap(database: Path, new: Path) -> Path | None:
    """Swap the files. The old log must be gone before the new file gets the name, or SQLite would replay it there."""
    kept = None
    if database.exists():
        kept = _free_name(database)
        _keep(database, kept)
    new.replace(database)
    sync(database.parent)
    return kept


def _keep(database: Path, kept: Path) -> None:
    """Keep the old database as a copy, which has nothing of deleted rows, or as it is if it can't be copied."""
    _checkpoint(database)
    partial = kept.with_name(f"{kept.name}.partial")
    is_copied = False
    try:
        partial.unlink(missing_ok=True)
        _copy(database, partial)
        partial.rename(kept)
        is_copied = True
    except (OSError, sqlite3.Error):  # damaged, or the disk is full
        os.link(database, kept)
    finally:
        partial.unlink(missing_ok=True)
    for suffix in ("-wal", "-shm"):
        leftover = database.with_name(database.name + suffix)
        if leftover.exists() and is_copied:
            leftover.unlink()
        elif leftover.exists():  # the database was too damaged to be opened
            leftover.rename(kept.with_name(kept.name + suffix))


def _checkpoint(database: Path) -> None:
    """Move the write-ahead log into the database; closing it then removes the log."""
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _free_name(database: Path) -> Path:
    number = 1
    while (name := database.with_name(f"{database.stem}.before-restore-{number}{database.suffix}")).exists():
        number += 1
    return name


def _open(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, isolation_level=None)
    delete_securely(connection)
    return connection
