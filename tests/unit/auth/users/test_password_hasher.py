"""Password hashing: bounded concurrency, equal cost for unknown users, argon2id parameters."""

import asyncio
import os
import subprocess
import sys
import threading
from collections import Counter

import anyio
import pytest
from passlib.context import CryptContext  # type: ignore[import-untyped]

from chatterbox.wire.errors import ChatError, Code
from services.auth.users.password_hasher import PasswordHasher


class CountingHasher(PasswordHasher):
    """Counts hashes and verifications instead of computing them, and blocks each until `gate` is set."""

    def __init__(self, concurrency: int, waiting: int) -> None:
        super().__init__(concurrency, waiting)
        self.calls: Counter[str] = Counter()
        self.gate = threading.Event()
        self.gate.set()
        self.full = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._concurrency = concurrency
        self.running_now = self.max_running = 0
        self._lock = threading.Lock()

    def _hash(self, password: str) -> str:
        self._work("hash")
        return f"hash of {len(password)}"

    def _verify(self, password: str, hashed: str) -> tuple[bool, str | None]:
        self._work("verify")
        return hashed == f"hash of {len(password)}", None

    def _work(self, kind: str) -> None:
        with self._lock:
            self.calls[kind] += 1
            self.running_now += 1
            self.max_running = max(self.max_running, self.running_now)
            if self.running_now == self._concurrency:
                self._loop.call_soon_threadsafe(self.full.set)
        self.gate.wait(10)
        with self._lock:
            self.running_now -= 1


async def test_an_unknown_user_costs_the_same_work_as_a_wrong_password() -> None:
    hasher = CountingHasher(2, 8)
    await hasher.warm_up()
    hasher.calls.clear()
    assert not (await hasher.verify("wrong", "hash of 1")).is_right
    known = hasher.calls.copy()
    hasher.calls.clear()
    assert not (await hasher.verify("wrong", None)).is_right
    assert hasher.calls == known == {"verify": 1}


async def test_no_password_is_right_for_an_unknown_user() -> None:
    hasher = CountingHasher(2, 8)
    hasher._dummy_hash = "hash of 5"
    assert not (await hasher.verify("right", None)).is_right


async def test_concurrency_is_bounded_and_the_event_loop_stays_responsive() -> None:
    hasher = CountingHasher(2, 64)
    hasher.gate.clear()
    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(hasher.hash, "password")
        await hasher.full.wait()
        hasher.gate.set()
    assert hasher.max_running == 2
    assert hasher.calls == {"hash": 20}


async def test_hashes_beyond_the_queue_are_refused_with_retry_after() -> None:
    hasher = CountingHasher(1, 1)
    hasher.gate.clear()
    async with anyio.create_task_group() as group:
        for _ in range(2):
            group.start_soon(hasher.hash, "password")
        await hasher.full.wait()
        with pytest.raises(ChatError) as refusal:
            await hasher.hash("password")
        hasher.gate.set()
    assert refusal.value.code is Code.UNAVAILABLE
    assert refusal.value.retry_after_s
    assert await hasher.hash("password")


class TestArgon2:
    async def test_hashes_use_the_owasp_parameters(self) -> None:
        assert (await PasswordHasher(2, 8).hash("password")).startswith("$argon2id$v=19$m=19456,t=2,p=1$")

    @pytest.mark.parametrize("password", ["nul\0and more", "\U0001f600" * 128, "caf\u00e9 " * 16])
    async def test_every_character_of_the_password_is_hashed(self, password: str) -> None:
        hasher = PasswordHasher(2, 8)
        hashed = await hasher.hash(password)
        assert (await hasher.verify(password, hashed)).is_right
        assert not (await hasher.verify(password[:-1], hashed)).is_right

    async def test_a_hash_with_weaker_parameters_is_replaced_when_the_password_is_right(self) -> None:
        weak = CryptContext(schemes=["argon2"], argon2__memory_cost=7168, argon2__time_cost=1, argon2__parallelism=1)
        hashed = weak.hash("password")
        hasher = PasswordHasher(2, 8)
        check = await hasher.verify("password", hashed)
        assert check.is_right
        assert check.new_hash
        assert check.new_hash.startswith("$argon2id$v=19$m=19456,")
        assert (await hasher.verify("wrong", hashed)).new_hash is None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a priority for each thread")
def test_hashing_in_a_process_of_low_priority_does_not_raise_it() -> None:
    """Only a privileged process may: for others, hashing would fail."""
    program = (
        "import os; os.nice(15); from services.auth.users.password_hasher import PasswordHasher; "
        "hasher = PasswordHasher(1, 1); "
        "print(hasher._threads.submit(lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id())).result())"
    )
    done = subprocess.run([sys.executable, "-c", f"import threading; {program}"], capture_output=True, check=True)
    assert int(done.stdout) == min(19, 15 + os.nice(0))
