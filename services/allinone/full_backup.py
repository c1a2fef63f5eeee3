"""Backup, restore and verification of everything. A backup is one folder: a copy of each database, and of all files."""

from pathlib import Path

from chatterbox.chassis.sqlite.backup import BackupError, backup
from chatterbox.chassis.sqlite.database import make_folder
from chatterbox.chassis.sqlite.verification import verify
from services.auth.auth_database import SCHEMA as AUTH_SCHEMA
from services.auth.auth_database import database_path
from services.auth.restore import restore as restore_auth
from services.files.settings import FilesSettings
from services.files.storage.file_backup import back_up_files, restore_files, verify_files
from services.history.restore import copy_ledger
from services.history.restore import restore as restore_history
from services.history.schema import SCHEMA as HISTORY_SCHEMA


def back_up(data: Path, history: Path, files: FilesSettings, folder: Path) -> None:
    """Copy the databases, and the files if there are any, into `folder`, which is created; raises `OperatorError`."""
    make_folder(folder)
    for database in (database_path(data), history):
        backup(database, folder / database.name)
    copy_ledger(history.parent, folder)
    if files.database.exists():
        back_up_files(files.database, files.folder, folder)


def restore_all(data: Path, history: Path, files: FilesSettings, folder: Path) -> list[Path]:
    """Replace everything with the copies in `folder`; returns the paths to which what was there before was moved.

    Files stay as they are if the backup has none: those that history does not know are removed later.
    """
    copies = [folder / database_path(data).name, folder / history.name]
    if missing := [copy.name for copy in copies if not copy.exists()]:
        raise BackupError(f"{folder} has no {' and no '.join(missing)}; name the folder of a backup")
    make_folder(data)
    kept = [restore_auth(database_path(data), copies[0]), restore_history(history, copies[1])]
    if (folder / files.database.name).exists():
        kept += restore_files(files.database, files.folder, folder)
    return [path for path in kept if path is not None]


async def verify_all(data: Path, history: Path, files: FilesSettings) -> list[str]:
    """Check everything, even while the server runs; returns the names of the databases. Raises `OperatorError`."""
    await verify(database_path(data), AUTH_SCHEMA)
    await verify(history, HISTORY_SCHEMA)
    names = [database_path(data).name, history.name]
    if files.database.exists():
        await verify_files(files.database, files.folder)
        names.append(files.database.name)
    return names
