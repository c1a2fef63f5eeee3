"""Key stores that die at a chosen commit, as a process that is killed does, and that can be copied and set back."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch
from weakref import WeakKeyDictionary

from chatterbox.wire.frames import ToDevice
from client.encryption.sessions import inbox
from client.encryption.store.key_store import KEY_BYTES, KeyStore, StoreTransaction

KEY = bytes(KEY_BYTES)


_WORKED_OFF: WeakKeyDictionary[StoreTransaction, list[ToDevice]] = WeakKeyDictionary()
"""What is worked off by transactions that are not committed yet."""


class Killed(BaseException):
    """The process that used the store is gone. No code of the client catches it."""


class MortalStore(KeyStore):
    """Counts commits; after the one that was chosen, the process is dead."""

    def __init__(
        self, path: Path, may_live: Callable[[], bool], worked_off: Callable[[Sequence[ToDevice]], None]
    ) -> None:
        """`may_live` is asked after each commit; `worked_off` is told which to-device messages it worked off."""
        self._may_live = may_live
        self._worked_off = worked_off
        self.is_dead = False
        super().__init__(path, KEY)
        self._db.execute("PRAGMA synchronous=OFF")  # a killed process loses nothing that it wrote

    @contextmanager
    def transaction(self) -> Iterator[StoreTransaction]:
        if self.is_dead:
            raise Killed
        with super().transaction() as transaction:
            yield transaction
        self._worked_off(_WORKED_OFF.pop(transaction, []))
        if not self._may_live():
            self.is_dead = True
            raise Killed


def copy_store(path: Path, target: Path) -> None:
    """Copy a store that no process uses, or one whose last commit is complete."""
    target.parent.mkdir(parents=True, exist_ok=True)
    for suffix in ("", "-wal"):
        source, copied = Path(f"{path}{suffix}"), Path(f"{target}{suffix}")
        copied.unlink(missing_ok=True)
        if source.exists():
            shutil.copy(source, copied)
    Path(f"{target}-shm").unlink(missing_ok=True)


@contextmanager
def recorded_inboxes() -> Iterator[None]:
    """Within the block, stores are told which to-device messages their transactions work off."""
    take = inbox._take

    def recorded(transaction: StoreTransaction, *others: Any) -> None:
        take(transaction, *others)
        _WORKED_OFF.setdefault(transaction, []).extend(each for each in others if isinstance(each, ToDevice))

    with patch.object(inbox, "_take", recorded):
        yield
