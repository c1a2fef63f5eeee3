"""Hashing passwords, off the event loop and only a few at once: argon2id with OWASP's parameters.

Each hash takes some 30 ms of a core and 19 MiB; without a bound, a burst of logins would take the machine.
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

from chatterbox.wire.errors import ChatError, Code
from services.auth.metrics import AuthMetrics
from services.auth.rules.password_policy import prepared

T = TypeVar("T")


_NICENESS = 10
"""How far the hashing threads step back from the event loop, where both want the same core."""


class PasswordCheck(NamedTuple):
    """Whether the password was right; `newer` is a hash to keep instead, when the parameters have changed."""

    right: bool
    newer: str | None = None


class PasswordHasher:
    """Hashes and verifies; raises `unavailable` when too many wait already. Call `warm` once before use."""

    def __init__(self, concurrency: int, waiting: int, metrics: AuthMetrics | None = None) -> None:
        self._context = CryptContext(
            schemes=["argon2"],
            argon2__type="ID",
            argon2__memory_cost=19_456,
            argon2__time_cost=2,
            argon2__parallelism=1,
        )
        self._threads = ThreadPoolExecutor(concurrency, "hash", initializer=_step_back)
        self._metrics = metrics or AuthMetrics()
        self._metrics.watch(self)
        self._concurrency = concurrency
        self._most = concurrency + waiting
        self._present = 0
        self._nobodys = ""

    @property
    def running(self) -> int:
        return min(self._present, self._concurrency)

    @property
    def waiting(self) -> int:
        return self._present - self.running

    async def warm(self) -> None:
        """Pay for the first hash, which takes twice as long, and make the one that stands for unknown users."""
        self._nobodys = await self.hash(secrets.token_urlsafe())

    async def hash(self, password: str) -> str:
        return await self._off_loop(self._hash, prepared(password))

    async def verify(self, password: str, hashed: str | None) -> PasswordCheck:
        """Whether `password` is what was hashed. Without a hash (nobody has that name) it takes as long and says no."""
        right, newer = await self._off_loop(self._verify, prepared(password), hashed or self._nobodys)
        return PasswordCheck(right and hashed is not None, newer)

    def _hash(self, password: str) -> str:
        return str(self._context.hash(password))

    def _verify(self, password: str, hashed: str) -> tuple[bool, str | None]:
        right, newer = self._context.verify_and_update(password, hashed)
        return bool(right), newer

    async def _off_loop(self, work: Callable[..., T], *values: object) -> T:
        if self._present >= self._most:
            self._metrics.hashes_refused.inc()
            raise ChatError(Code.UNAVAILABLE, "Too many logins at once; try again.", retry_after_s=1.0)
        self._present += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work, *values)
        finally:
            self._present -= 1

    def close(self) -> None:
        """End the threads; hashes that wait are given up."""
        self._threads.shutdown(cancel_futures=True)


def _step_back() -> None:
    if sys.platform == "linux":  # elsewhere this would slow the whole process
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
