"""The disk reserve: allocated in advance, released in pieces, refilled when enough space is free."""

import asyncio
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatterbox.chassis.sqlite import disk_reserve as module
from chatterbox.chassis.sqlite.disk_reserve import (
    MAX_BYTES,
    PIECES,
    DiskReserve,
    bytes_after_release,
    can_refill,
    reserve_bytes,
)

TARGET = 2**18


@pytest.fixture
def reserve(tmp_path: Path) -> DiskReserve:
    return DiskReserve(tmp_path / "x.ballast", TARGET)


def failure(code: int) -> sqlite3.Error:
    problem = sqlite3.OperationalError("disk error")
    problem.sqlite_errorcode = code
    return problem


class Write:
    """Fails with `code` for the first `failures` attempts."""

    def __init__(self, failures: int, code: int = sqlite3.SQLITE_FULL) -> None:
        self.attempts = 0
        self._failures = failures
        self._code = code

    async def __call__(self) -> int:
        self.attempts += 1
        if self.attempts <= self._failures:
            raise failure(self._code)
        return self.attempts


@given(st.integers(min_value=0, max_value=2**50))
def test_the_reserve_takes_at_most_a_sixteenth_of_the_disk(disk_bytes: int) -> None:
    assert 0 <= reserve_bytes(disk_bytes) <= min(MAX_BYTES, disk_bytes / 16)


@given(st.integers(min_value=1, max_value=2**30).map(lambda n: n * PIECES))
def test_the_reserve_is_used_up_after_one_release_per_piece(target: int) -> None:
    held, releases = target, 0
    while held:
        held, releases = bytes_after_release(held, target), releases + 1
    assert releases == PIECES


@given(st.integers(0, TARGET), st.integers(0, 4 * TARGET))
def test_a_refill_leaves_as_much_free_space_as_the_reserve_holds(held: int, free: int) -> None:
    if can_refill(held, TARGET, free):
        assert free - (TARGET - held) >= TARGET


async def test_the_reserve_has_allocated_blocks_and_mode_0600(reserve: DiskReserve, tmp_path: Path) -> None:
    assert reserve.missing_bytes == TARGET
    assert await reserve.refill()
    status = (tmp_path / "x.ballast").stat()
    assert (status.st_size, status.st_blocks * 512 >= TARGET, status.st_mode & 0o777) == (TARGET, True, 0o600)


async def test_a_write_on_a_full_disk_is_retried_after_each_release(reserve: DiskReserve) -> None:
    await reserve.refill()
    assert await reserve.retry_on_full(Write(failures=3)) == 4
    assert reserve.missing_bytes == 3 * TARGET // PIECES


async def test_a_write_that_fails_for_another_reason_releases_nothing(reserve: DiskReserve) -> None:
    await reserve.refill()
    with pytest.raises(sqlite3.OperationalError):
        await reserve.retry_on_full(Write(failures=1, code=sqlite3.SQLITE_READONLY))
    assert reserve.missing_bytes == 0


async def test_the_error_is_raised_when_the_reserve_is_used_up(reserve: DiskReserve) -> None:
    await reserve.refill()
    write = Write(failures=1000)
    with pytest.raises(sqlite3.OperationalError):
        await reserve.retry_on_full(write)
    assert write.attempts == PIECES + 1


async def test_the_reserve_is_disabled_where_preallocation_is_not_supported(
    reserve: DiskReserve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(descriptor: int, start: int, end: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(module, "_allocate", refuse)
    assert await reserve.refill()
    assert reserve.missing_bytes == 0
    assert caplog.messages == ["disk_reserve.disabled"]


async def test_a_deleted_reserve_is_refilled(reserve: DiskReserve, tmp_path: Path) -> None:
    await reserve.refill()
    (tmp_path / "x.ballast").unlink()
    assert reserve.missing_bytes == TARGET
    assert await reserve.refill()
    assert reserve.missing_bytes == 0


async def test_concurrent_refills_allocate_once(reserve: DiskReserve, monkeypatch: pytest.MonkeyPatch) -> None:
    allocated: list[int] = []
    allocate = module._allocate

    def counted(descriptor: int, start: int, end: int) -> None:
        allocated.append(end - start)
        allocate(descriptor, start, end)

    monkeypatch.setattr(module, "_allocate", counted)
    assert all(await asyncio.gather(*(reserve.refill() for _ in range(8))))
    assert allocated == [TARGET]
