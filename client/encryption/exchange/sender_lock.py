"""One sender at a time for each room, among all processes that share a key store.

Texts are numbered when they are encrypted, so they must be stored in that order. The lock is held until the message is
stored or given up, or the connection ends; the operating system releases it when the process does.
"""

import asyncio
import fcntl
import hashlib
import os
from contextlib import suppress
from pathlib import Path

from client.store.private_files import private_folder

WAIT_S = 5.0
"""How long to wait for another process, which may have lost its connection. Then the message is sent all the same: at
worst, readers are told that it stands in another order (seconds)."""
_POLL_S = 0.05


class SenderLocks:
    """The locks of one key store; `folder` is beside it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[str, tuple[str, int]] = {}

    async def acquire(self, uid: str, key: str) -> None:
        """Become the sender to a room, for the message `key`, unless this process is it already."""
        if uid in self._held:
            self._held[uid] = (key, self._held[uid][1])
            return
        descriptor = self._open(uid)
        until = asyncio.get_running_loop().time() + WAIT_S
        while not _is_locked(descriptor):
            if asyncio.get_running_loop().time() >= until:
                break
            await asyncio.sleep(_POLL_S)
        self._held[uid] = (key, descriptor)

    def release(self, key: str) -> None:
        """The message `key` is stored, or given up."""
        for uid, (held, descriptor) in list(self._held.items()):
            if held == key:
                del self._held[uid]
                os.close(descriptor)

    def release_all(self) -> None:
        for _, descriptor in self._held.values():
            os.close(descriptor)
        self._held.clear()

    def _open(self, uid: str) -> int:
        name = hashlib.sha256(uid.encode()).hexdigest()[:16]
        return os.open(private_folder(self._folder) / f"{name}.lock", os.O_CREAT | os.O_RDWR, 0o600)


def _is_locked(descriptor: int) -> bool:
    with suppress(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False
