"""Backup, restore and verification of files: a folder with a copy of the database and one of the folder of files."""

import asyncio
import shutil
from hashlib import file_digest
from pathlib import Path

from chatterbox.chassis.durable_path import sync
from chatterbox.chassis.operator_errors import OperatorError
from chatterbox.chassis.sqlite.backup import BackupError, backup, restore
from chatterbox.chassis.sqlite.database import make_folder
from chatterbox.chassis.sqlite.reader_pool import open_readers
from chatterbox.chassis.sqlite.verification import verify
from services.files.storage.file_storage import is_key
from services.files.storage.files_database import MIGRATIONS, SCHEMA


def back_up_files(database: Path, files: Path, folder: Path) -> None:
    """Copy the database and then the files into `folder`, which is created; raises `OperatorError`.

    It only reads. A file that is erased meanwhile is not in the copy; one that is added may be there without a row.
    """
    make_folder(folder)
    copies = folder / files.name
    if copies.exists():
        raise BackupError(f"{copies} already exists; choose a new folder")
    backup(database, folder / database.name)
    try:
        make_folder(copies)
        for source in _stored(files):
            _copy(source, copies / source.parent.name / source.name)
    except OSError as problem:
        raise BackupError(f"can't copy {files} to {copies}: {problem}") from problem


def restore_files(database: Path, files: Path, folder: Path) -> list[Path]:
    """Replace the database and the files with the copies in `folder`; returns where the old ones are kept.

    Unfinished uploads are not restored. Raises `DatabaseInUseError` while a service is using the database.
    """
    copies, copy = folder / files.name, folder / database.name
    if not copy.exists() or not copies.is_dir():
        raise BackupError(f"{folder} has no {database.name} or no folder {files.name}; name the folder of a backup")
    new = files.with_name(f"{files.name}.restoring")
    try:
        shutil.rmtree(new, ignore_errors=True)
        make_folder(new)
        for source in _stored(copies):
            _copy(source, new / source.parent.name / source.name)
        kept = [restore(database, copy, version=len(MIGRATIONS), adapt=lambda _: "DELETE FROM uploads;")]
        if files.exists():
            old = _free_name(files)
            files.rename(old)
            kept.append(old)
        new.rename(files)
    except OSError as problem:
        raise BackupError(f"can't restore {copies} to {files}: {problem}") from problem
    return [path for path in kept if path is not None]


async def verify_files(database: Path, files: Path) -> int:
    """Check the database and compare each file with its checksum, even while the service runs; returns how many.

    Raises `DatabaseDamagedError`, or `OperatorError` for a file that is missing or changed.
    """
    await verify(database, SCHEMA)
    async with open_readers(database, 1) as readers:
        rows = await readers.rows("SELECT id, name, sha256 FROM files ORDER BY id")
        for file_id, name, sha256 in rows:
            problem = await asyncio.to_thread(_problem, files / file_id[:2] / file_id, sha256)
            if problem and await readers.rows("SELECT 1 FROM files WHERE id = ?", (file_id,)):  # else just erased
                raise OperatorError(f"file {file_id} ({name}) {problem}; restore a backup of the files")
    return len(rows)


def _problem(path: Path, sha256: str) -> str:
    try:
        with path.open("rb") as opened:
            return "" if file_digest(opened, "sha256").hexdigest() == sha256 else "is damaged"
    except OSError as problem:
        return f"can't be read ({problem.strerror})"


def _stored(files: Path) -> list[Path]:
    return sorted(path for path in files.glob("??/*") if is_key(path.name))


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(mode=0o700, exist_ok=True)
    partial = target.with_name(f"{target.name}.partial")
    try:
        shutil.copyfile(source, partial)
    except FileNotFoundError:
        return  # erased meanwhile
    partial.chmod(0o600)
    sync(partial)
    partial.rename(target)


def _free_name(files: Path) -> Path:
    number = 1
    while (name := files.with_name(f"{files.name}.before-restore-{number}")).exists():
        number += 1
    return name
