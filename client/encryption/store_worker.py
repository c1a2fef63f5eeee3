"""Runs all work on the key store in one thread, one transaction after the other."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from client.encryption.store.key_store import KeyStore, StoreTransaction

Result = TypeVar("Result")


class StoreWorker:
    """The key store, opened at its first use, in a thread of its own: encrypting a page takes milliseconds."""

    def __init__(self, open_store: Callable[[], KeyStore]) -> None:
        self._open_store = open_store
        self._store: KeyStore | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="key-store")

    async def run(self, work: Callable[[StoreTransaction], Result]) -> Result:
        """Do `work` in one transaction; what it returns is returned after the commit.

        It is finished even if the caller is cancelled. Raises `Failure`, and what `work` raises, after a rollback.
        """
        running = asyncio.get_running_loop().run_in_executor(self._thread, self.run_here, work)
        return await asyncio.shield(running)

    def run_here(self, work: Callable[[StoreTransaction], Result]) -> Result:
        """The same in the calling thread, which must be the only one that works on the store."""
        if self._store is None:
            self._store = self._open_store()
        with self._store.transaction() as transaction:
            return work(transaction)

    async def close(self) -> None:
        """Wait for the work that was begun, and close the store."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown()

    def _close(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None
