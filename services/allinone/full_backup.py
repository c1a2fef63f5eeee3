"""Backups of the whole: one folder with a copy of each database, taken while everything runs."""

from pathlib import Path

from chatterbox.chassis.sqlite.backup import BackupError, backup
from chatterbox.chassis.sqlite.database import make_folder
from services.auth.auth_database import database_path
from services.auth.restore import restore as restore_auth
from services.history.restore import restore as restore_history


def back_up(data: Path, history: Path, folder: Path) -> None:
    """Copy both databases into the new folder `folder`; raises `OperatorError`."""
    make_folder(folder)
    for database in (database_path(data), history):
        backup(database, folder / database.name)


def put_back(data: Path, history: Path, folder: Path) -> list[Path]:
    """Replace both databases by the copies in `folder`; returns where the old ones are kept."""
    copies = [folder / database_path(data).name, folder / history.name]
    if missing := [copy.name for copy in copies if not copy.exists()]:
        raise BackupError(f"{folder} has no {' and no '.join(missing)}; name a folder that a backup was made into")
    make_folder(data)
    kept = [restore_auth(database_path(data), copies[0]), restore_history(history, copies[1])]
    return [path for path in kept if path is not None]
