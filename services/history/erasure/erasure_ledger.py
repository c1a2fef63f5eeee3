"""The ledger of deleted messages: a file beside the database that a restored backup must obey.

A line is the id of a message and the time of its deletion (RFC 3339). It is synced before the deletion is committed, so
no deletion is missing; one that was not committed in the end was wanted all the same.
"""

import os
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from chatterbox.chassis.durable_path import sync
from chatterbox.wire import text_rules

FILE_NAME = "erased.log"
_LINE = re.compile(r"(\d{1,16}) (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)")


class ErasureLedger:
    """Appends to the ledger in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME

    def record(self, message_ids: Sequence[int], at_ms: int) -> None:
        """Add deleted messages; on return they are durable. Raises `OSError`."""
        at = text_rules.timestamp(at_ms)
        add(self._path, [f"{message_id} {at}" for message_id in message_ids])


def add(path: Path, lines: Sequence[str]) -> None:
    """Append lines, and sync the file and, if it is new, its folder. Raises `OSError`."""
    is_new = not path.exists()
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        torn = b"" if _ends_with_newline(descriptor) else b"\n"
        _write(descriptor, torn + "".join(f"{line}\n" for line in lines).encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if is_new:
        sync(path.parent)


def _ends_with_newline(descriptor: int) -> bool:
    """False after a crash, or on a full disk, in the middle of a line."""
    size = os.fstat(descriptor).st_size
    return size == 0 or os.pread(descriptor, 1, size - 1) == b"\n"


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def read(path: Path) -> dict[int, int] | None:
    """The times of deletion (milliseconds since 1970) by message id; None if there is no ledger. Raises `OSError`.

    A line that is not whole is passed over.
    """
    try:
        text = path.read_text(errors="replace")
    except FileNotFoundError:
        return None
    found = [_LINE.fullmatch(line) for line in text.splitlines()]
    return {int(line[1]): round(datetime.fromisoformat(line[2]).timestamp() * 1000) for line in found if line}


def merge(path: Path, erased: Mapping[int, int]) -> None:
    """Add what the ledger at `path` lacks; creates it if need be. Raises `OSError`."""
    known = read(path)
    missing = {message_id: at_ms for message_id, at_ms in erased.items() if message_id not in (known or {})}
    if missing or known is None:
        add(path, [f"{message_id} {text_rules.timestamp(at_ms)}" for message_id, at_ms in missing.items()])
