"""Exporting the keys of encrypted messages to a file with a passphrase, and importing such a file."""

import os
import secrets
from pathlib import Path

from client.commands.keys.key_output import tell
from client.commands.prompts import ask_secret
from client.encryption.core import key_export
from client.encryption.core.key_export import KeyFileError
from client.encryption.sessions import room_sessions
from client.encryption.store.key_store import Table
from client.failures import ExitCode, Failure, UsageError
from client.net.keys.key_workspace import KeyWorkspace
from client.store.private_files import on_disk


def export_keys(workspace: KeyWorkspace, path: Path) -> ExitCode:
    """Write the keys of all messages that this device can read; an existing file is not replaced."""
    if path.exists():
        raise UsageError(f"{path} exists. Choose another name.")
    passphrase = _new_passphrase()
    with workspace.store.transaction() as transaction:
        rows = transaction.names(Table.INBOUND)
        found = [session for row in rows if (session := room_sessions.export_session(transaction, row)) is not None]
    salt, counter = secrets.token_bytes(key_export.SALT_BYTES), secrets.token_bytes(key_export.COUNTER_BYTES)
    write_private(path, key_export.encrypt(key_export.sessions_json(found), passphrase, salt, counter))
    tell(f"Exported {_keys(len(found))} to {path}. With the passphrase, it opens the messages that you can read.")
    return ExitCode.OK


def import_keys(workspace: KeyWorkspace, path: Path) -> ExitCode:
    """Take the keys of a file that `export_keys` or another Matrix client wrote."""
    try:
        file = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as problem:
        why = problem.strerror if isinstance(problem, OSError) else "it is not a file of exported keys"
        raise Failure(f"Can't read {path} ({why}).") from None
    try:
        found, others = key_export.parse_sessions(key_export.decrypt(file, ask_secret("Passphrase of the file: ")))
    except KeyFileError as problem:
        raise Failure(str(problem)) from None
    with workspace.store.transaction() as transaction:
        taken = [room_sessions.import_session(transaction, session, backed_up=False) for session in found]
    new = sum(each is not None for each in taken)
    rest = f" {len(found) - new} were here already." if len(found) > new else ""
    rest += f" {_keys(others)} of other programs can't be used here." if others else ""
    tell(f"Imported {_keys(new)}.{rest}")
    return ExitCode.OK


def write_private(path: Path, text: str) -> None:
    """Write a new file that only this user can read. Raises `Failure`."""
    with on_disk(path):
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            raise UsageError(f"{path} exists. Choose another name.") from None
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())


def _new_passphrase() -> str:
    passphrase = ask_secret("Passphrase for the file: ")
    if not passphrase:
        raise UsageError("An empty passphrase protects nothing. Nothing was exported.")
    if ask_secret("Repeat passphrase: ") != passphrase:
        raise UsageError("The passphrases differ. Try again.")
    return passphrase


def _keys(count: int) -> str:
    return f"{count:,} key{'' if count == 1 else 's'}"
