"""The key that signs invitation codes: a file in the data folder, readable by its owner only, created when needed."""

import os
import secrets
from pathlib import Path

from chatterbox.chassis.operator_errors import OperatorError
from chatterbox.chassis.sqlite.database import make_folder, unusable_path
from services.auth.rules.invitations import KEY_BYTES


def invitation_key(data: Path) -> bytes:
    """Read the key, or create it; raises `OperatorError`."""
    path = data / "invitations.key"
    draft = path.with_name(f".{secrets.token_hex(8)}.draft")
    make_folder(data)
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
        raise unusable_path(data, problem) from None
    finally:
        draft.unlink(missing_ok=True)
    if len(key) != KEY_BYTES:
        raise OperatorError(f"{path} is damaged; delete it, and create new invitations")
    return key
