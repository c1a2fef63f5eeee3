"""The keys that sign the operator's codes: files in the data folder, readable by their owner only."""

import os
import secrets
from pathlib import Path

from chatterbox.chassis.operator_errors import OperatorError
from chatterbox.chassis.sqlite.database import make_folder, unusable_path

KEY_BYTES = 32


def invitation_key(data: Path) -> bytes:
    """Read the key of invitation codes, or create it; raises `OperatorError`."""
    return _key(data / "invitations.key", "create new invitations")


def reset_key(data: Path) -> bytes:
    """Read the key of password reset codes, or create it; raises `OperatorError`."""
    return _key(data / "resets.key", "create new reset codes")


def discard_reset_key(data: Path) -> None:
    """Invalidate all reset codes."""
    (data / "resets.key").unlink(missing_ok=True)


def _key(path: Path, next_step: str) -> bytes:
    draft = path.with_name(f".{secrets.token_hex(8)}.draft")
    make_folder(path.parent)
    try:
        if not path.exists():
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(KEY_BYTES))
                file.flush()
                os.fsync(file.fileno())
            if not path.exists():
                draft.rename(path)
        key = path.read_bytes()
    except OSError as problem:
        raise unusable_path(path.parent, problem) from None
    finally:
        draft.unlink(missing_ok=True)
    if len(key) != KEY_BYTES:
        raise OperatorError(f"{path} is damaged; delete it, and {next_step}")
    return key
