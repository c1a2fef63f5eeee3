"""Password hashing with argon2id (OWASP's parameters) on a bounded pool of low-priority threads.

Each hash takes some 30 ms of a core and 19 MiB; without a bound, a burst of logins would use up the machine. Addresses
take turns in the queue.
"""

import asyncio
import os
import secrets
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

from passlib.context import CryptContext  # type: ignore[import-untyped]

from chatterbox.wire.errors import ChatError
from services.auth.metrics import AuthMetrics
from services.auth.rules.password_policy import normalized
from services.auth.users.hash_queue import HashQueue

T = TypeVar("T")


MEMORY_KIB = 19_456
ITERATIONS = 2
"""OWASP's parameters for argon2id with one thread (Password Storage Cheat Sheet)."""
_NICENESS = 10
"""Niceness of the hashing threads, so that the event loop gets the core first."""


class PasswordCheck(NamedTuple):
    """The result of a check; `new_hash` replaces the stored hash when the hashing parameters have changed."""

    is_right: bool
    new_hash: str | None = None


class PasswordHasher:
    """Hashes and verifies passwords; raises `unavailable` when too many are waiting. Call `warm_up` once before use."""

    def __init__(self, concurrency: int, waiting: int, metrics: AuthMetrics | None = None) -> None:
        self._context = CryptContext(
            schemes=["argon2"],
            argon2__type="ID",
            argon2__memory_cost=MEMORY_KIB,
            argon2__time_cost=ITERATIONS,
            argon2__parallelism=1,
        )
        self._threads = ThreadPoolExecutor(concurrency, "hash", initializer=_lower_priority)
        self._metrics = metrics or AuthMetrics()
        self._metrics.watch_hasher(self)
        self._queue = HashQueue(concurrency, waiting)
        self._dummy_hash = ""

    @property
    def running(self) -> int:
        return self._queue.running

    @property
    def waiting(self) -> int:
        return self._queue.waiting

    async def warm_up(self) -> None:
        """Compute the dummy hash that is verified for unknown users. The first hash takes twice as long as others."""
        self._dummy_hash = await self.hash(secrets.token_urlsafe())

    async def hash(self, password: str, address: str = "") -> str:
        """Hash `password` when it is the turn of `address`."""
        return await self._in_thread(address, self._hash, normalized(password))

    async def verify(self, password: str, hashed: str | None, address: str = "") -> PasswordCheck:
        """Verify `password` against `hashed` when it is the turn of `address`.

        None (an unknown user) takes as long and is never right.
        """
        is_right, new_hash = await self._in_thread(
            address, self._verify, normalized(password), hashed or self._dummy_hash
        )
        return PasswordCheck(is_right and hashed is not None, new_hash)

    def _hash(self, password: str) -> str:
        return str(self._context.hash(password))

    def _verify(self, password: str, hashed: str) -> tuple[bool, str | None]:
        is_right, new_hash = self._context.verify_and_update(password, hashed)
        return bool(is_right), new_hash

    async def _in_thread(self, address: str, function: Callable[..., T], *arguments: object) -> T:
        try:
            async with self._queue.turn(address):
                return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)
        except ChatError:
            self._metrics.hashes_refused.inc()
            raise

    def close(self) -> None:
        """Stop the threads; hashes that are still waiting are cancelled."""
        self._threads.shutdown(cancel_futures=True)


def _lower_priority() -> None:
    if sys.platform == "linux":  # elsewhere this would slow the whole process
        thread = threading.get_native_id()
        if os.getpriority(os.PRIO_PROCESS, thread) < _NICENESS:  # raising it is for privileged processes only
            os.setpriority(os.PRIO_PROCESS, thread, _NICENESS)
