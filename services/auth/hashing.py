"""Hashing passwords, off the event loop and only a few at once: argon2id with OWASP's parameters.

Each hash takes some 30 ms of a core and 19 MiB; without a bound, a burst of logins would take the machine.
"""

import secrets
from collections.abc import Callable
from typing import NamedTuple, ParamSpec, TypeVar

import anyio
import anyio.to_thread
from passlib.context import CryptContext  # type: ignore[import-untyped]

from chatterbox.wire.errors import ChatError, Code
from services.auth.passwords import prepared

P = ParamSpec("P")
T = TypeVar("T")


class Verdict(NamedTuple):
    """Whether the password was right; `newer` is a hash to keep instead, when the parameters have changed."""

    right: bool
    newer: str | None = None


class Hasher:
    """Hashes and verifies; raises `unavailable` when too many wait already. Call `warm` once before use."""

    def __init__(self, concurrency: int, waiting: int) -> None:
        self._context = CryptContext(
            schemes=["argon2"],
            argon2__type="ID",
            argon2__memory_cost=19_456,
            argon2__time_cost=2,
            argon2__parallelism=1,
        )
        self._slots = anyio.CapacityLimiter(concurrency)
        self._most = concurrency + waiting
        self._present = 0
        self._nobodys = ""

    async def warm(self) -> None:
        """Pay for the first hash, which takes twice as long, and make the one that stands for unknown users."""
        self._nobodys = await self.hash(secrets.token_urlsafe())

    async def hash(self, password: str) -> str:
        return await self._off_loop(self._hash, prepared(password))

    async def verify(self, password: str, hashed: str | None) -> Verdict:
        """Whether `password` is what was hashed. Without a hash (nobody has that name) it takes as long and says no."""
        right, newer = await self._off_loop(self._verify, prepared(password), hashed or self._nobodys)
        return Verdict(right and hashed is not None, newer)

    def _hash(self, password: str) -> str:
        return str(self._context.hash(password))

    def _verify(self, password: str, hashed: str) -> tuple[bool, str | None]:
        right, newer = self._context.verify_and_update(password, hashed)
        return bool(right), newer

    async def _off_loop(self, work: Callable[P, T], *values: P.args, **_: P.kwargs) -> T:
        if self._present >= self._most:
            raise ChatError(Code.UNAVAILABLE, "Too many logins at once; try again.", retry_after_s=1.0)
        self._present += 1
        try:
            return await anyio.to_thread.run_sync(work, *values, limiter=self._slots)
        finally:
            self._present -= 1
