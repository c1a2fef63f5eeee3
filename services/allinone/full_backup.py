"""Backup, restore and verification of all databases. A backup is one folder with a copy of each."""

from pathlib import Path

from chatterbox.chassis.sqlite.backup import BackupError, backup
from chatterbox.chassis.sqlite.database import make_folder
from chatterbox.chassis.sqlite.verification import verify
from services.auth.auth_database import SCHEMA as AUTH_SCHEMA
from services.auth.auth_database import database_path
from services.auth.restore import restore as restore_auth
from services.history.restore import copy_ledger
from services.history.restore import restore as restore_history
from services.history.schema import SCHEMA as HISTORY_SCHEMA


def back_up(data: Path, history: Path, folder: Path) -> None:
    """Copy both databases into `folder`, which is created; raises `OperatorError`."""
    make_folder(folder)
    for database in (database_path(data), history):
        backup(database, folder / database.name)
    copy_ledger(history.parent, folder)


def restore_all(data: Path, history: Path, folder: Path) -> list[Path]:
    """Replace both databases with the copies in `folder`; returns the paths to which the old ones were moved."""
    copies = [folder / database_path(data).name, folder / history.name]
    if missing := [copy.name for copy in copies if not copy.exists()]:
        raise BackupError(f"{folder} has no {' and no '.join(missing)}; name the folder of a backup")
    make_folder(data)
    kept = [restore_auth(database_path(data), copies[0]), restore_history(history, copies[1])]
    return [path for path in kept if path is not None]


async def verify_all(data: Path, history: Path) -> list[str]:
    """Check both databases, even while the server runs; returns their names. Raises `DatabaseDamagedError`."""
    await verify(database_path(data), AUTH_SCHEMA)
    await verify(history, HISTORY_SCHEMA)
    return [database_path(data).name, history.name]
